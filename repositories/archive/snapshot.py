"""A snapshot of a store: all its documents at one moment, read in bounded memory while the store goes on selling.

All reads use one snapshot of the database, which keeps its history for five minutes
(`minSnapshotHistoryWindowInSeconds`). If that is too short, reading continues from a newer snapshot, provided that the
head of the event log is the same: then nothing has changed in between. Otherwise the export is refused.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo.errors import OperationFailure

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused, translate_errors
from repositories.database.raw_originals import RAW_CODEC, to_archive
from repositories.database.store_scope import HAS_NUMBER, store_filter
from repositories.event_log.earlier_events import refuse_unconverted
from repositories.event_log.log_documents import log_filter
from repositories.event_log.retention import expired_before
from repositories.reporting.rollup_rows import row_key, row_range
from schemas.core.calendar import widest_bounds
from schemas.core.collections import COUNTERS, LOG, ORIGINALS, REGISTRY, STORE_CONTENTS, TOTALS
from schemas.core.documents import Document
from schemas.reporting.rollups import Row
from schemas.reporting.sums import merge_name_spellings

BATCH: Final = 1_000

_SNAPSHOT_TOO_OLD: Final = 239
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)

Batches = AsyncIterator[list[Document]]


class StoreSnapshot:
    """A store at one moment.

    :ivar counters: its counter document.
    """

    def __init__(self, database: Database, store: str, batch: int) -> None:
        self._database = database
        self._store = store
        self._batch = batch
        # A document of the log has up to some hundred events.
        self._log_batch = max(1, batch // 32)
        self._session: AsyncIOMotorClientSession | None = None
        self.counters: Document = {}

    async def begin(self) -> None:
        """Start a session; its first read determines the moment.

        :raises DatabaseRefused: the store has no counters, or its log was not converted.
        """
        self._session = await self._database.client.start_session(snapshot=True)
        counters = await self._database[COUNTERS].find_one({"_id": self._store}, session=self._session)
        if counters is None:
            raise DatabaseRefused(f"Store {self._store!r} has no counters: run `pos migrate`.")
        refuse_unconverted(counters)
        self.counters = counters

    async def end(self) -> None:
        if self._session is not None:
            await self._session.end_session()

    async def counts(self) -> dict[str, int]:
        """Return how many documents each collection of the store has."""
        found = {name: await self._count(name) for name in STORE_CONTENTS}
        return {**found, COUNTERS: 1}

    async def all_documents(self, collection: str) -> Batches:
        """Yield all documents of a collection, voided ones too, in the order of their key.

        :raises DatabaseRefused: reading took too long, and the store has changed meanwhile.
        """
        if collection == COUNTERS:
            yield [{**self.counters, **await self._expiry()}]
            return
        async for batch in self._scan(collection, store_filter(collection, self._store)):
            yield batch

    async def documents(self, kind: str, start: date | None, end: date | None, *, voided: bool) -> Batches:
        """Yield the estimates or orders from `start` to `end`, both included, by number."""
        criteria: Document = store_filter(kind, self._store)
        if not voided:
            criteria["voided_at"] = None
        if start is not None or end is not None:
            bounds = await self._numbers(kind, start, end)
            if bounds is None:
                return
            criteria["business_date"] = _days(start, end)
            criteria["number"] = {"$gte": bounds[0], "$lte": bounds[1]}
        async for batch in self._scan(kind, criteria):
            yield batch

    async def daily_totals(self, start: date | None, end: date | None) -> AsyncIterator[list[Row]]:
        """Yield the rollup rows of each day from `start` to `end`, both included, one day at a time.

        Spellings of one staff name are merged.
        """
        days = (start or _FIRST_DAY).isoformat(), (end or _LAST_DAY).isoformat()
        of_day: list[Row] = []
        async for batch in self._scan(TOTALS, row_range(self._store, *days)):
            for row in batch:
                key = row_key(row["_id"])
                if of_day and of_day[0].key.period != key.period:
                    yield merge_name_spellings(of_day)
                    of_day = []
                of_day.append(Row(key, row))
        if of_day:
            yield merge_name_spellings(of_day)

    async def _expiry(self) -> Document:
        """Return since when the log's beginning has expired, for the counters in an archive."""
        oldest = await self._database[LOG].find_one(log_filter(self._store), {"first": 1}, sort=[("_id", 1)])
        if not self.counters["head"] or (oldest is not None and oldest["first"] == 1):
            return {}
        return {"expired": await expired_before(self._database, self.counters)}

    async def _numbers(self, kind: str, start: date | None, end: date | None) -> tuple[int, int] | None:
        """Return the lowest and the highest number of some days, found by the index of `created_at`."""
        lower, upper = widest_bounds(start, end)
        instants = {name: bound for name, bound in (("$gte", lower), ("$lte", upper)) if bound is not None}
        bounds = {"_id": None, "low": {"$min": "$number"}, "high": {"$max": "$number"}}
        match = {"store": self._store, "created_at": instants, **HAS_NUMBER}
        pipeline: list[Any] = [{"$match": match}, {"$group": bounds}]
        rows = await self._database[kind].aggregate(pipeline, session=self._session).to_list(1)
        return (rows[0]["low"], rows[0]["high"]) if rows else None

    async def _scan(self, collection: str, criteria: Document) -> Batches:
        """Yield what matches, in the order of the collection's key; renew an expired snapshot."""
        key = REGISTRY[collection].key
        last: Any = None
        while True:
            rest = criteria if last is None else {"$and": [criteria, {key: {"$gt": last}}]}
            try:
                async for batch in self._read_batches(collection, key, rest):
                    last = batch[-1][key]
                    yield batch
            except OperationFailure as error:
                if error.code != _SNAPSHOT_TOO_OLD:
                    raise
                await self._renew()
            else:
                return

    async def _read_batches(self, collection: str, key: str, criteria: Document) -> Batches:
        """Yield batches of one snapshot. The next batch is read while the caller processes the current one.

        :raises OperationFailure: the snapshot is too old.
        """
        is_raw = collection == ORIGINALS
        source = self._database.get_collection(collection, codec_options=RAW_CODEC if is_raw else None)
        size = self._log_batch if collection == LOG else self._batch
        cursor = source.find(criteria, session=self._session, batch_size=size).sort(key, 1)
        upcoming = asyncio.ensure_future(cursor.to_list(size))
        try:
            while batch := await upcoming:
                upcoming = asyncio.ensure_future(cursor.to_list(size))
                yield [to_archive(document) for document in batch] if is_raw else batch
        finally:
            upcoming.cancel()

    async def _count(self, collection: str) -> int:
        pipeline: list[Any] = [{"$match": store_filter(collection, self._store)}, {"$count": "n"}]
        rows = await self._database[collection].aggregate(pipeline, session=self._session).to_list(1)
        return rows[0]["n"] if rows else 0

    async def _renew(self) -> None:
        """Continue from the newest snapshot; raise DatabaseRefused if something has changed since the expired one."""
        before = self.counters
        await self.end()
        await self.begin()
        if any(self.counters[name] != before[name] for name in ("epoch", "head")):
            raise DatabaseRefused(
                "Reading took longer than the database keeps its past (minSnapshotHistoryWindowInSeconds), and "
                "something was sold meanwhile: read again while the shop is quiet, or raise that parameter."
            )


@asynccontextmanager
async def open_snapshot(database: Database, store: str, batch: int = BATCH) -> AsyncIterator[StoreSnapshot]:
    """Open a snapshot of the store as it is now, for the block."""
    snapshot = StoreSnapshot(database, store, batch)
    with translate_errors():
        try:
            await snapshot.begin()
            yield snapshot
        finally:
            await snapshot.end()


def _days(start: date | None, end: date | None) -> Document:
    bounds = (("$gte", start), ("$lte", end))
    return {name: day.isoformat() for name, day in bounds if day is not None}
