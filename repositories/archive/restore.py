"""The restore of a store from an archive: the store opens only when all documents are there.

During a restore, the store's counters hold a mark instead of numbers and a head. So a process that serves the store can
assign no number (its next group fails at the counters) and answers 503, and a process that starts is refused. An
interrupted restore leaves the mark, until it is repeated from the beginning or discarded.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

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
from repositories.event_log.earlier_events import EventConverter
from repositories.journal.orphaned_transactions import abort_orphaned_transactions
from repositories.migrations.indexes import prepare_collections, refuse_unimported
from repositories.migrations.log_conversion import add_keys, earlier_filters
from schemas.archive.format import COUNTED, ArchiveRefused
from schemas.core.collections import COUNTERS, DOCUMENT_KINDS, EVENTS, LOG, ORIGINALS, REQUESTS, STORE_CONTENTS
from schemas.core.documents import Document

_LOCK_WAIT_MS: Final = 500
_LARGEST: Final = 16 * 2**20
_ORPHAN_SECONDS: Final = 10.0
_OVERTAKEN: Final = "Another restore of this store has begun meanwhile; this one has ended."


class Restore:
    """The restore of one store."""

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self._store = store
        self._mark = {"_id": store, f"{RESTORING}.token": secrets.token_hex(8)}
        self._writing: asyncio.Future[None] | None = None
        self._events = EventConverter(store)

    async def begin(self, now: datetime, event_retention_days: int) -> None:
        """Mark the store, and delete what an interrupted restore has left.

        :raises DatabaseRefused: as `refuse_if_filled`; or the store has just been changed.
        """
        counters = await self.refuse_if_filled()
        await prepare_collections(self._database, event_retention_days)
        is_left = counters is not None and RESTORING in counters
        before = counters[RESTORING]["before"] if is_left and counters is not None else counters
        mark = {"token": self._mark[f"{RESTORING}.token"], "began": now, "before": before}
        # `totals` is set so that no migration adds yearly rollups to a store that is not complete.
        await self._set_mark(counters, {"head": None, "totals": "year", RESTORING: mark})
        if is_left:
            await self._empty()

    async def add(self, collection: str, documents: Sequence[Document]) -> None:
        """Write documents in the background, while the caller reads the next ones.

        :raises DatabaseRefused: their ids exist already, or another restore has begun.
        """
        await self._await_write()
        stored: Sequence[Mapping[str, Any]] = documents
        if collection == EVENTS:
            collection, stored = LOG, self._events.convert(documents)
        if collection == ORIGINALS:
            stored = [from_archive(document) for document in documents]
        # In a thread, so that it runs while the next ones are read and decoded.
        self._writing = asyncio.get_running_loop().run_in_executor(None, self._insert, collection, stored)

    async def finish(self, counters: Document, counts: Mapping[str, int]) -> None:
        """Open the store, if all documents are there.

        The log gets a new epoch: a client with a cursor of the old log may have seen events from after the archive, so
        it must load everything again.

        :raises DatabaseRefused: documents are missing, or another restore has begun.
        """
        await self._await_write()
        there = {name: await self._database[name].count_documents(store_filter(name, self._store)) for name in COUNTED}
        if any(there[name] != counts.get(name, 0) for name in COUNTED):
            raise DatabaseRefused(f"The store holds {there} documents, and not those of the archive: run it again.")
        # Without the mark of `pos demo`, so that no `pos demo --replace` deletes a restored store.
        whole = {name: value for name, value in counters.items() if name != "demo"}
        if "log" not in whole:
            # The archive has version 1, and this has converted its events.
            whole |= self._events.finish(whole)
        done = await self._database[COUNTERS].replace_one(
            self._mark, {**whole, "_id": self._store, "epoch": secrets.token_hex(4)}
        )
        if not done.matched_count:
            raise DatabaseRefused(_OVERTAKEN)

    async def discard(self, *, only_mine: bool = False) -> bool:
        """Delete the documents of an interrupted restore, and restore the counters from before it.

        :param only_mine: only if it is this restore.
        :returns: whether there was one.
        """
        if self._writing is not None:
            await asyncio.wait({self._writing})
        where = self._mark if only_mine else {"_id": self._store, RESTORING: {"$exists": True}}
        counters = await self._database[COUNTERS].find_one(where)
        if counters is None:
            return False
        # From here on no other restore writes into the store: its mark is gone.
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
        """Replace the counters by the mark; raise DatabaseRefused if they have changed meanwhile."""
        try:
            if counters is None:
                await self._database[COUNTERS].insert_one({"_id": self._store, **mark})
                return
            is_taken = await self._replace(counters, mark)
        except DuplicateKeyError:
            is_taken = False
        if not is_taken:
            raise DatabaseRefused(f"Store {self._store!r} is in use; nothing was written.")

    async def _replace(self, counters: Document, mark: Document) -> bool:
        """Replace the counters unless they have changed; return whether this succeeded.

        A killed process may have left a transaction that locks them.
        """
        # `w=1`: the time limit is for the lock alone, not for the disk.
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
        # With the default write concern, so that the mark is durable and every process sees it.
        await self._database[COUNTERS].update_one(self._mark, {"$set": {f"{RESTORING}.batches": 0}})
        return found is not None

    async def refuse_if_filled(self) -> Document | None:
        """Return the store's counters, None if it has none.

        :raises DatabaseRefused: the store has documents, or the database has those of the earlier backend.
        """
        await refuse_unimported(self._database, self._store)
        counters: Document | None = await self._database[COUNTERS].find_one({"_id": self._store})
        if counters is not None and RESTORING in counters:
            return counters
        is_filled = counters is not None and any(counters[name] for name in (*DOCUMENT_KINDS, "head"))
        for name in STORE_CONTENTS:
            is_filled = is_filled or await self._database[name].find_one(store_filter(name, self._store)) is not None
        if is_filled:
            raise DatabaseRefused(
                f"Store {self._store!r} has documents: only an empty store can be filled. Take another DATABASE_NAME."
            )
        return counters

    def _insert(self, collection: str, documents: Sequence[Mapping[str, Any]]) -> None:
        """Write documents in one transaction with the mark, so that a restore without the mark writes nothing more."""
        database = self._database.delegate

        def write(session: ClientSession) -> None:
            marked = database[COUNTERS].update_one(self._mark, {"$inc": {f"{RESTORING}.batches": 1}}, session=session)
            if not marked.matched_count:
                raise DatabaseRefused(_OVERTAKEN)
            if collection == REQUESTS:
                add_keys(database, self._store, documents, session)
            else:
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
        for name in STORE_CONTENTS:
            await self._database[name].delete_many(store_filter(name, self._store))
        # Of a restore by an earlier version.
        for name, criteria in earlier_filters(self._store).items():
            await self._database[name].delete_many(criteria)


@asynccontextmanager
async def restoring(database: Database, store: str, now: datetime, event_retention_days: int) -> AsyncIterator[Restore]:
    """Restore a store in the block, which must call `finish`. A refusal in the block empties the store again; any other
    error leaves the mark.

    :raises DatabaseRefused: the store cannot be restored.
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
    """Refuse a document that the database cannot store, before anything is written.

    :param refused: returns the error, with the line of the archive.
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
