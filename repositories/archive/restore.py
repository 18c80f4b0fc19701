"""A store that is filled from an archive: no shop until it is whole, and whole or not at all.

While it lasts, the store's counters have a mark instead of numbers and a head. So a process that serves the store can
give out no number (its next group fails at the counters), answers 503, and shows no half book; one that is started is
refused. What was interrupted stays marked until it is done again from the beginning, or discarded.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from bson import encode
from bson.errors import BSONError
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError, ExecutionTimeout

from repositories.concurrency.backoff import Backoff
from repositories.database.client import RESTORING, Database
from repositories.database.errors import DUPLICATE_KEY, DatabaseRefused, translate_errors
from repositories.database.raw_originals import from_archive
from repositories.database.store_scope import store_filter
from repositories.journal.orphaned_transactions import abort_orphaned_transactions
from repositories.migrations.indexes import prepare_collections, refuse_unimported
from schemas.archive.format import PERMANENT_COLLECTIONS, ArchiveRefused
from schemas.core.collections import COUNTERS, ESTIMATES, EVENTS, ORDERS, ORIGINALS, REQUESTS
from schemas.core.documents import Document

_TRANSIENT: Final = (EVENTS, REQUESTS)
_LOCK_WAIT_MS: Final = 500
_LARGEST: Final = 16 * 2**20
_ORPHAN_SECONDS: Final = 10.0
_OVERTAKEN: Final = "Another restoration of this store has begun meanwhile; this one has ended."


class Restore:
    """The filling of one store."""

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self._store = store
        self._mark = {"_id": store, f"{RESTORING}.token": secrets.token_hex(8)}
        self._writing: asyncio.Future[None] | None = None

    async def begin(self, now: datetime, event_retention_days: int) -> None:
        """Marks the store, and empties it of what an interrupted restoration has left.

        :raises DatabaseRefused: as `refuse_filled`.
        """
        counters = await self.refuse_if_filled()
        await prepare_collections(self._database, event_retention_days)
        is_left = counters is not None and RESTORING in counters
        before = counters[RESTORING]["before"] if is_left and counters is not None else counters
        mark = {"token": self._mark[f"{RESTORING}.token"], "began": now, "before": before}
        # `totals` as `repositories.totals` leaves it, so that nobody adds years to what is not there yet.
        await self._set_mark(counters, {"head": None, "totals": "year", RESTORING: mark})
        if is_left:
            await self._empty()

    async def add(self, collection: str, documents: Sequence[Document]) -> None:
        """Documents, as the store has them. They are written while the next ones are read.

        :raises DatabaseRefused: their ids are taken; another restoration has begun.
        """
        await self._await_write()
        if collection == ORIGINALS:
            documents = [from_archive(document) for document in documents]
        # In a thread, as a whole: so it goes on while the next ones are read and decoded.
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._insert, collection, documents)

    async def finish(self, counters: Document, counts: Mapping[str, int]) -> None:
        """Makes it a shop, if all is there. Its log gets a name of its own: whoever holds a place in the old one may
        have seen what came after the archive, and has to load again.

        :raises DatabaseRefused: another restoration came between.
        """
        await self._await_write()
        there = {
            name: await self._database[name].count_documents(store_filter(name, self._store))
            for name in PERMANENT_COLLECTIONS
        }
        if any(there[name] != counts.get(name, 0) for name in PERMANENT_COLLECTIONS):
            raise DatabaseRefused(f"The store holds {there} documents, and not those of the archive: run it again.")
        # What was brought here is nobody's to replace, also where it was made up once.
        whole = {name: value for name, value in counters.items() if name != "demo"}
        done = await self._database[COUNTERS].replace_one(
            self._mark, {**whole, "_id": self._store, "epoch": secrets.token_hex(4)}
        )
        if not done.matched_count:
            raise DatabaseRefused(_OVERTAKEN)

    async def discard(self, *, only_mine: bool = False) -> bool:
        """Empties the store of what a restoration has left, this one or, unless `only_mine`, any; False where there is
        nothing left."""
        if self._writing is not None:
            await asyncio.wait({self._writing})
        where = self._mark if only_mine else {"_id": self._store, RESTORING: {"$exists": True}}
        counters = await self._database[COUNTERS].find_one(where)
        if counters is None:
            return False
        # From here on nobody else writes into it: whoever did has lost the mark.
        token = self._mark[f"{RESTORING}.token"]
        await self._set_mark(counters, {**counters, RESTORING: {**counters[RESTORING], "token": token}})
        await self._empty()
        before = counters[RESTORING]["before"]
        if before is None:
            await self._database[COUNTERS].delete_one(self._mark)
        else:
            await self._database[COUNTERS].replace_one(self._mark, before)
        return True

    async def _set_mark(self, counters: Document | None, mark: Document) -> None:
        """The counters become the mark, unless somebody has sold something or taken it just now."""
        try:
            if counters is None:
                await self._database[COUNTERS].insert_one({"_id": self._store, **mark})
                return
            is_taken = await self._replace(counters, mark)
        except DuplicateKeyError:
            is_taken = False
        if not is_taken:
            raise DatabaseRefused(f"Store {self._store!r} is in use just now; nothing was written.")

    async def _replace(self, counters: Document, mark: Document) -> bool:
        """Whether the counters were still what they were. A process that was killed may have left a transaction that
        holds them."""
        # So long is waited for who holds them, and not for the disk too.
        at_once = self._database[COUNTERS].with_options(write_concern=WriteConcern(w=1))
        backoff = Backoff(_ORPHAN_SECONDS)
        while True:
            try:
                found = await at_once.find_one_and_replace(counters, mark, maxTimeMS=_LOCK_WAIT_MS)
            except ExecutionTimeout:
                pause = backoff.pause()
                if pause is None:
                    raise
                await abort_orphaned_transactions(self._database.client)
                await asyncio.sleep(pause)
            else:
                break
        # That it lasts, and everybody sees it.
        await self._database[COUNTERS].update_one(self._mark, {"$set": {f"{RESTORING}.batches": 0}})
        return found is not None

    async def refuse_if_filled(self) -> Document | None:
        """The store's counters, where it has any.

        :raises DatabaseRefused: it has documents of its own, or the database those of the earlier backend, among which
            ours have no place.
        """
        await refuse_unimported(self._database, self._store)
        counters = await self._database[COUNTERS].find_one({"_id": self._store})
        if counters is not None and RESTORING in counters:
            return counters
        is_filled = counters is not None and any(counters[name] for name in (ESTIMATES, ORDERS, "head"))
        for name in (*PERMANENT_COLLECTIONS, *_TRANSIENT):
            is_filled = is_filled or await self._database[name].find_one(store_filter(name, self._store)) is not None
        if is_filled:
            raise DatabaseRefused(
                f"Store {self._store!r} has documents: only an empty store can be filled. Take another DATABASE_NAME."
            )
        return counters

    def _insert(self, collection: str, documents: Sequence[Document]) -> None:
        """In one transaction with the mark: whoever has lost it writes nothing more."""
        database = self._database.delegate

        def write(session: ClientSession) -> None:
            marked = database[COUNTERS].update_one(self._mark, {"$inc": {f"{RESTORING}.batches": 1}}, session=session)
            if not marked.matched_count:
                raise DatabaseRefused(_OVERTAKEN)
            database[collection].insert_many(documents, session=session)

        try:
            with database.client.start_session() as session:
                session.with_transaction(write)
        except BulkWriteError as error:
            codes = {each["code"] for each in error.details["writeErrors"]}
            if not codes:
                raise
            if codes != {DUPLICATE_KEY}:
                raise DatabaseRefused(
                    f"The database {self._database.name!r} does not take {collection} of this archive (code "
                    f"{min(codes - {DUPLICATE_KEY})})."
                ) from error
            raise DatabaseRefused(
                f"The database {self._database.name!r} has {collection} of the same ids already, in another store: "
                "take another DATABASE_NAME."
            ) from error

    async def _await_write(self) -> None:
        if self._writing is not None:
            await self._writing

    async def _empty(self) -> None:
        for name in (*PERMANENT_COLLECTIONS, *_TRANSIENT):
            await self._database[name].delete_many(store_filter(name, self._store))


@asynccontextmanager
async def restoring(database: Database, store: str, now: datetime, event_retention_days: int) -> AsyncIterator[Restore]:
    """Fills a store in the block, which calls `finish` in the end. What is refused there leaves an empty store again;
    what breaks off, one that is marked.

    :raises DatabaseRefused: it cannot be filled.
    :raises Unavailable: the database cannot be reached.
    """
    restore = Restore(database, store)
    with translate_errors():
        await restore.begin(now, event_retention_days)
        try:
            yield restore
        except (ArchiveRefused, DatabaseRefused):
            await restore.discard(only_mine=True)
            raise


def refuse_unstorable(document: Document, refused: Callable[[str], ArchiveRefused]) -> None:
    """Refuse a document that the database would not take, before anything is written.

    :param refused: makes the refusal, which names the line.
    :raises ArchiveRefused: it cannot be stored.
    """
    try:
        size = len(encode(document))
    except OverflowError:
        raise refused("a whole number in it has more than 64 bits") from None
    except (BSONError, UnicodeError):
        raise refused(
            "the database cannot store it: a name in it has a NUL, or a value is of an unknown kind"
        ) from None
    if size > _LARGEST:
        raise refused("it is larger than the 16 MB that the database stores as one document")
