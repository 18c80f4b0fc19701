"""The conversion of a store's earlier events and idempotency keys to the log.

It works in batches, each a transaction, and marks the store when all is done: so it can be interrupted, repeated and
run by several processes at once. No process of an earlier version may run meanwhile. The journal refuses a store that
is not converted.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from pymongo.client_session import ClientSession
from pymongo.database import Database as SyncDatabase
from pymongo.errors import PyMongoError

from repositories.concurrency.backoff import Backoff
from repositories.database.client import RESTORING, Database
from repositories.database.errors import DatabaseRefused
from repositories.database.running_services import is_running
from repositories.event_log.earlier_events import CURRENT_LOG, Event, EventConverter, convert_keys
from repositories.event_log.log_documents import ChainHead, log_filter
from repositories.event_log.retention import record_expiry
from repositories.journal.orphaned_transactions import abort_orphaned_transactions
from schemas.core.collections import COUNTERS, EVENTS, LOG, REQUESTS
from schemas.core.documents import Document

_BATCH: Final = 500
#: A document of the log that is larger takes no further keys.
_ROOM: Final = 4 * 2**20
#: How long a transaction may meet others, which convert the same store or were left open by a process that died.
_PATIENCE_SECONDS: Final = 120.0

OnProgress = Callable[[int], None]
Documents = SyncDatabase[Document]


async def count_unconverted(database: Database, store: str) -> int:
    """Return the number of events and keys that `convert_log` reads."""
    return sum([await database[name].count_documents(criteria) for name, criteria in earlier_filters(store).items()])


async def convert_log(database: Database, store: str, on_progress: OnProgress = lambda _: None) -> None:
    """Convert what earlier versions have stored, and delete it. Skip a store that is being restored.

    :param on_progress: called with the number of documents of each batch.
    :raises DatabaseRefused: a service of an earlier version runs.
    :raises PyMongoError: callers translate.
    """
    fields = {"head": 1, **CURRENT_LOG}
    counters = await database[COUNTERS].find_one({"_id": store, RESTORING: {"$exists": False}}, fields)
    if counters is None:
        return
    if "log" not in counters:
        await _refuse_running(database, store)
        # The earlier collection may have had a shorter retention.
        await record_expiry(database, {"_id": store}, EVENTS)
        for step in (_convert_events, _move_keys, _finish):
            while done := await _run(partial(step, database.delegate, store), database):
                on_progress(done)
    # Later ones would be those of an earlier version that was not stopped.
    await database[EVENTS].delete_many({"store": store, "seq": {"$gt": 0, "$lte": counters["head"]}})


async def _refuse_running(database: Database, store: str) -> None:
    if await is_running(database, store) and not await database[COUNTERS].find_one({"_id": store, **CURRENT_LOG}):
        raise DatabaseRefused(
            f"A service of an earlier version runs on store {store!r}: stop it first. The log is converted then."
        )


def earlier_filters(store: str) -> dict[str, Document]:
    """Return filters for what earlier versions have stored, and not for what others have in collections of these
    names."""
    return {EVENTS: {"store": store, "seq": {"$gt": 0}}, REQUESTS: {"store": store, "key": {"$gt": ""}}}


async def _run(step: Callable[[ClientSession], int], database: Database) -> int:
    """Run a step as a transaction, again while it meets others."""

    def commit() -> int:
        with database.delegate.client.start_session() as session, session.start_transaction():
            return step(session)

    backoff = Backoff(_PATIENCE_SECONDS)
    while True:
        try:
            return await asyncio.to_thread(commit)
        except PyMongoError as error:
            labels = ("TransientTransactionError", "UnknownTransactionCommitResult")
            pause = backoff.pause() if any(map(error.has_error_label, labels)) else None
            if pause is None:
                raise
        await abort_orphaned_transactions(database.client)
        await asyncio.sleep(pause)


def _convert_events(database: Documents, store: str, session: ClientSession) -> int:
    """Convert the next events, and return how many."""
    converter, events = _next_events(database, store, session)
    if events:
        database[LOG].insert_many(converter.convert(events), session=session)
        if converter.altered:
            altered = {"altered": {"$each": converter.altered}}
            database[COUNTERS].update_one({"_id": store}, {"$push": altered}, session=session)
    return len(events)


def _next_events(database: Documents, store: str, session: ClientSession) -> tuple[EventConverter, list[Event]]:
    fields, newest_first = {"hash": 1, "at": 1}, [("_id", -1)]
    newest = database[LOG].find_one(log_filter(store), fields, sort=newest_first, session=session)
    last = 0 if newest is None else newest["_id"]["last"]
    counters = database[COUNTERS].find_one({"_id": store}, {"head": 1}, session=session)
    # Later ones were left by a restore that was interrupted, and discarded.
    head = 0 if counters is None else counters["head"]
    criteria = {"store": store, "seq": {"$gte": last, "$lte": head}}
    events: list[Event] = list(database[EVENTS].find(criteria, session=session).sort("seq", 1).limit(_BATCH))
    before = events.pop(0) if events and events[0]["seq"] == last else None
    head = None if newest is None else ChainHead(newest["hash"], newest["at"])
    return EventConverter(store, head, before), events


def _move_keys(database: Documents, store: str, session: ClientSession) -> int:
    """Move the next keys into the log, and return how many."""
    found = list(database[REQUESTS].find(earlier_filters(store)[REQUESTS], session=session).limit(_BATCH))
    if found:
        add_keys(database, store, found, session)
        database[REQUESTS].delete_many({"_id": {"$in": [each["_id"] for each in found]}}, session=session)
    return len(found)


def add_keys(database: Documents, store: str, requests: Sequence[Mapping[str, Any]], session: ClientSession) -> None:
    """Add earlier idempotency keys to the newest document of the log that has room for them.

    Without one they are lost: the store sold nothing for as long as the log is kept.

    :raises PyMongoError: callers translate.
    """
    criteria = {**log_filter(store), "$expr": {"$lt": [{"$bsonSize": "$$ROOT"}, _ROOM]}}
    newest = database[LOG].find_one(criteria, {"_id": 1}, sort=[("_id", -1)], session=session)
    if newest is not None:
        added = {"requests": {"$each": convert_keys(requests)}}
        database[LOG].update_one(newest, {"$push": added}, session=session)


def _finish(database: Documents, store: str, session: ClientSession) -> int:
    """Mark the store."""
    converter, _ = _next_events(database, store, session)
    counters = database[COUNTERS].find_one({"_id": store, "log": {"$exists": False}}, session=session)
    if counters is not None:
        database[COUNTERS].update_one({"_id": store}, {"$set": converter.finish(counters)}, session=session)
    return 0
