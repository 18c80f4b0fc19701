"""The conversion of a store's earlier events and idempotency keys to the log: in batches, and safe to repeat."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

from repositories.database.client import Database
from repositories.event_log.earlier_events import EventConverter, convert_keys
from repositories.event_log.log_documents import ChainHead, log_filter
from schemas.core.collections import COUNTERS, EVENTS, LOG, REQUESTS
from schemas.core.documents import Document

_BATCH: Final = 1_000
#: Keys that are added to one document of the log.
_KEYS: Final = 500

OnProgress = Callable[[int], None]


async def count_earlier_events(database: Database, store: str) -> int:
    return await database[EVENTS].count_documents({"store": store})


async def convert_log(database: Database, store: str, on_progress: OnProgress = lambda _: None) -> None:
    """Convert what earlier versions have stored, and delete it. No process of an earlier version may run meanwhile.

    :param on_progress: called with the number of further events that were converted.
    :raises PyMongoError: callers translate.
    """
    if await database[EVENTS].find_one({"store": store}, {"_id": 1}) is not None:
        await _convert_events(database, store, on_progress)
    async for keys in _batches(database, REQUESTS, store, "key"):
        await add_keys(database, store, keys)
    for name in (EVENTS, REQUESTS):
        await database[name].delete_many({"store": store})


async def _convert_events(database: Database, store: str, on_progress: OnProgress) -> None:
    newest: Document | None = await database[LOG].find_one(log_filter(store), {"hash": 1, "at": 1}, sort=[("_id", -1)])
    last = 0 if newest is None else newest["_id"]["last"]
    head = ChainHead(None, None) if newest is None else ChainHead(newest["hash"], newest["at"])
    converter = EventConverter(store, head)
    async for events in _batches(database, EVENTS, store, "seq", after=last):
        await database[LOG].insert_many(converter.convert(events))
        on_progress(len(events))
        last = events[-1]["seq"]
    changes: Document = {"$set": {"hash": converter.head.hash, "at": converter.head.at}}
    if converter.defects:
        changes["$push"] = {"log_defects": {"$each": converter.defects}}
    await database[COUNTERS].update_one({"_id": store, "head": last}, changes)


async def add_keys(database: Database, store: str, requests: Sequence[Mapping[str, Any]]) -> None:
    """Add earlier idempotency keys to the newest documents of the log.

    :raises PyMongoError: callers translate.
    """
    names = [each["key"] for each in requests]
    there = database[LOG].find({"_id.store": store, "requests.key": {"$in": names}}, {"requests.key": 1})
    known = {each["key"] for document in await there.to_list(None) for each in document["requests"]}
    entries = convert_keys(each for each in requests if each["key"] not in known)
    newest = database[LOG].find(log_filter(store), {"_id": 1}).sort("_id", -1).limit(_BATCH // _KEYS)
    for number, document in enumerate(await newest.to_list(None)):
        added = entries[number * _KEYS : (number + 1) * _KEYS]
        await database[LOG].update_one(document, {"$push": {"requests": {"$each": added}}})


async def _batches(
    database: Database, collection: str, store: str, key: str, after: Any = None
) -> AsyncIterator[list[Document]]:
    while True:
        criteria = {"store": store, **({} if after is None else {key: {"$gt": after}})}
        batch: list[Document] = await database[collection].find(criteria).sort(key, 1).limit(_BATCH).to_list(_BATCH)
        if not batch:
            return
        yield batch
        after = batch[-1][key]
