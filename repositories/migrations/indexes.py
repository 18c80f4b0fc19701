"""Indexes and the counter document: what must stand in the database before the first request. Idempotent."""

import asyncio
import logging
import math
import secrets
from contextlib import suppress
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from pymongo import ASCENDING as UP
from pymongo import DESCENDING as DOWN
from pymongo import IndexModel
from pymongo.errors import OperationFailure, PyMongoError

from repositories.database.client import OWNERS, RESTORING, Database
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.store_scope import LEGACY_DOCUMENT
from repositories.event_log.retention import RETENTION, record_expiry
from repositories.migrations.occupied_collections import refuse_occupied
from repositories.migrations.yearly_rollups import add_yearly_rollups
from schemas.core.collections import (
    ADOPTION,
    ATTEMPTS,
    COUNTERS,
    CREDENTIALS,
    CUSTOMERS,
    DEVICES,
    ESTIMATES,
    EVENTS,
    FACTS,
    LINKS,
    MESSAGES,
    ORDERS,
    ORIGINALS,
    REQUESTS,
    SETTINGS,
    TOTALS,
    UPLOADS,
    USERS,
)

ANSWER_RETENTION_DAYS: Final = 30
#: In a unique index without this, what the earlier backend still writes would be refused as a double.
_HAS_NUMBER: Final = {"store": {"$exists": True}, "number": {"$gte": 0}}
_RETIRED: Final = {"number": "number", "one_order_an_estimate": "estimate_id"}
_DAY: Final = 86_400
_MAX_CLOCK_LAG: Final = timedelta(hours=1)
_NAMESPACE_EXISTS, _OPTIONS_CONFLICT = 48, 85

logger = logging.getLogger("pos")

_NEWEST: Final = [("created_at", DOWN), ("number", DOWN)]


def _newest(*leading: str, name: str) -> IndexModel:
    return IndexModel([(field, UP) for field in ("store", *leading)] + _NEWEST, name=name)


#: Of those who sign in, who may do so in several stores.
_SIGN_IN: Final = {
    USERS: [
        IndexModel([("login", UP)], unique=True, name="login", partialFilterExpression={"voided_at": None}),
        IndexModel([("store", UP), ("_id", UP)], name="store"),
    ],
    DEVICES: [IndexModel([("store", UP), ("_id", UP)], name="store")],
    CREDENTIALS: [
        IndexModel([("owner", UP)], name="owner"),
        IndexModel([("device", UP)], name="device"),
        IndexModel([("family", UP)], name="family"),
        # For a day, whoever shows one hears that it has expired; then, that it is not known.
        IndexModel([("expires_at", UP)], name="retention", expireAfterSeconds=_DAY),
    ],
    ATTEMPTS: [IndexModel([("expires_at", UP)], name="retention", expireAfterSeconds=0)],
}


def index_models(event_retention_days: int) -> dict[str, list[IndexModel]]:
    """Every index, by collection. Those that a sale or an estimate writes lead with the store, but for retention."""
    number = IndexModel(
        [("store", UP), ("number", UP)], unique=True, name="given_number", partialFilterExpression=_HAS_NUMBER
    )
    search = IndexModel([("store", UP), ("terms", UP)], name="search")
    return {
        ESTIMATES: [
            number,
            search,
            _newest(name="newest"),
            _newest("converted", name="converted"),
            _newest("sale_by", name="staff"),
            _newest("customer_phone", name="customer"),
        ],
        ORIGINALS: [IndexModel([("store", UP), ("kind", UP), ("original._id", UP)], name="original")],
        ORDERS: [
            number,
            search,
            _newest(name="newest"),
            _newest("status", name="status"),
            _newest("sale_by", name="staff"),
            _newest("payment_group", name="payment"),
            _newest("customer_phone", name="customer"),
            # The last guard against a double conversion, whatever the journal does.
            IndexModel(
                [("store", UP), ("estimate_id", UP)],
                unique=True,
                name="order_of_an_estimate",
                partialFilterExpression={"estimate_id": {"$type": "string"}, "voided_at": None, **_HAS_NUMBER},
            ),
        ],
        CUSTOMERS: [
            IndexModel(
                [("store", UP), ("numbers", UP)],
                unique=True,
                name="numbers",
                partialFilterExpression={"numbers": {"$exists": True}},
            ),
            # None by the last visit, which each sale moves: the list is sorted when somebody asks for it.
            IndexModel([("store", UP), ("_id", UP)], name="store"),
            search,
        ],
        SETTINGS: [IndexModel([("store", UP)], name="store")],
        EVENTS: [
            IndexModel([("store", UP), ("seq", UP)], unique=True, name="seq"),
            IndexModel([("at", UP)], name="retention", expireAfterSeconds=event_retention_days * _DAY),
        ],
        LINKS: [
            IndexModel([("store", UP), ("_id", UP)], name="archive"),
            IndexModel([("store", UP), ("document_id", UP)], name="document"),
            # Whoever has a link need not know which store it is of.
            IndexModel([("token", UP)], unique=True, name="token"),
        ],
        MESSAGES: [
            IndexModel([("store", UP), ("_id", UP)], name="newest"),
            IndexModel([("store", UP), ("state", UP), ("_id", UP)], name="state"),
            IndexModel([("store", UP), ("document_id", UP), ("_id", UP)], name="document"),
            # What is to be done, and nothing else: of all stores that the processes of one send for.
            IndexModel(
                [("outbox", UP), ("due_at", UP)], name="due", partialFilterExpression={"due_at": {"$type": "date"}}
            ),
            # By which a provider's news finds its message, whichever store that is of.
            IndexModel(
                [("outbox", UP), ("provider_id", UP)],
                name="provider",
                partialFilterExpression={"provider_id": {"$type": "string"}},
            ),
        ],
        UPLOADS: [IndexModel([("expires_at", UP)], name="retention", expireAfterSeconds=0)],
        REQUESTS: [
            IndexModel([("store", UP), ("key", UP)], unique=True, name="key"),
            IndexModel([("at", UP)], name="retention", expireAfterSeconds=ANSWER_RETENTION_DAYS * _DAY),
        ],
        **_SIGN_IN,
    }


async def prepare(
    database: Database, store: str, zone: ZoneInfo, event_retention_days: int, behind: timedelta = timedelta(0)
) -> None:
    """Creates what is missing and changes a retention that differs; safe beside running processes, new or old.

    :param behind: how far the clock that events are stamped by is behind the database's, which takes them away: they
        are kept for so many days more.

    :raises DatabaseRefused: the database does not allow it; the store's days are of another time zone; it is being
        restored; its documents are those of the earlier backend, or are just being taken over.
    """
    try:
        await refuse_unimported(database, store)
        await prepare_collections(database, event_retention_days + _extra_days(behind))
        await database[COUNTERS].update_one(
            {"_id": store},
            {"$setOnInsert": {ESTIMATES: 0, ORDERS: 0, "head": 0, "epoch": secrets.token_hex(4)}},
            upsert=True,
        )
        await refuse_restoring(database, store)
        await add_yearly_rollups(database, store)
        await _check_timezone(database, store, zone)
        await _warn_of_late(database)
    except PyMongoError as error:
        raise DatabaseRefused(f"The indexes of the database cannot be prepared: {first_clause(error)}") from error


def _extra_days(behind: timedelta) -> int:
    return math.ceil(behind / timedelta(days=1)) if behind > _MAX_CLOCK_LAG else 0


async def prepare_collections(database: Database, event_retention_days: int) -> None:
    """Collections and indexes alone, which all stores share.

    :raises PyMongoError: callers translate.
    """
    for collection, models in index_models(event_retention_days).items():
        await _create(database, collection, models)
    for collection in (ESTIMATES, ORDERS):
        await _drop_retired(database, collection)
    await _create_totals(database)
    # Two who made it at once, each in a transaction, would stand in each other's way.
    await database[FACTS].update_one({"_id": OWNERS}, {"$setOnInsert": {"changes": 0}}, upsert=True)


async def refuse_restoring(database: Database, store: str) -> None:
    """Whether the store is being restored, or was by half, which is no shop.

    :raises DatabaseRefused: so it is.
    """
    counters = await database[COUNTERS].find_one({"_id": store}, {RESTORING: 1})
    if counters is not None and RESTORING in counters:
        raise DatabaseRefused(
            f"Store {store!r} is being restored since {counters[RESTORING]['began']:%Y-%m-%d %H:%M} UTC. If that has "
            "ended, run the same `pos restore` or `pos import` again, or give it up with `pos restore --discard`."
        )


async def refuse_unimported(database: Database, store: str) -> None:
    """Whether the database still is one of the earlier backend, a store of it is half taken over, or, where there is no
    store yet, another program has collections of our names.

    :raises DatabaseRefused: so it is.
    """
    adoption = await database[ADOPTION].find_one({"_id": store}, {"step": 1})
    if adoption is not None and adoption["step"] != "done":
        raise DatabaseRefused(
            f"Store {store!r} is half imported from the earlier backend: run `pos import-legacy` again."
        )
    if adoption is None and not await database[COUNTERS].find_one({}, {"_id": 1}):
        for kind in (ESTIMATES, ORDERS):
            if await database[kind].find_one(LEGACY_DOCUMENT, {"_id": 1}):
                raise DatabaseRefused(
                    f"The database {database.name!r} has {kind} of the earlier backend: take them over with "
                    "`pos import-legacy` (first with --dry-run), or choose another DATABASE_NAME."
                )
        await asyncio.to_thread(refuse_occupied, database.delegate, index_models(1))


async def _warn_of_late(database: Database) -> None:
    """The shop sells all the same; `pos verify` counts."""
    for kind in (ESTIMATES, ORDERS):
        if await database[kind].find_one({"store": None}, {"_id": 1}):
            logger.warning(
                "The earlier backend has written %s into this database, which no list and no report shows: stop it, "
                "and run `pos import-legacy`.",
                kind,
            )


async def _create_totals(database: Database) -> None:
    """Made here, because the first sale would have to wait for it. Its only index is its id."""
    try:
        await database.command("create", TOTALS)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


async def _check_timezone(database: Database, store: str, zone: ZoneInfo) -> None:
    """A store's time zone can be chosen until its first document, which has a business date in it."""
    empty = {"_id": store, "head": 0, "adopted": None}
    await database[COUNTERS].update_one(empty, {"$set": {"timezone": zone.key}})
    counters = await database[COUNTERS].find_one({"_id": store}, {"timezone": 1})
    if counters is not None and counters["timezone"] != zone.key:
        raise DatabaseRefused(
            f"The days of store {store!r} are kept in {counters['timezone']}, and TIMEZONE is {zone.key}: set it to "
            f"{counters['timezone']}, or take another STORE_ID. Days that are in the books cannot be moved."
        )


async def _drop_retired(database: Database, collection: str) -> None:
    """Drop the unique indexes of earlier versions, in which what the earlier backend writes stood too."""
    found = await database[collection].index_information()
    for name, field in _RETIRED.items():
        if name in found and found[name]["key"] == [("store", UP), (field, UP)]:
            with suppress(OperationFailure):
                await database[collection].drop_index(name)


async def _create(database: Database, collection: str, models: list[IndexModel]) -> None:
    try:
        await database[collection].create_indexes(models)
    except OperationFailure as error:
        if error.code != _OPTIONS_CONFLICT:
            raise
        if collection == EVENTS:
            await record_expiry(database)
        seconds = next(m.document["expireAfterSeconds"] for m in models if m.document["name"] == RETENTION)
        await database.command("collMod", collection, index={"name": RETENTION, "expireAfterSeconds": seconds})
        await database[collection].create_indexes(models)
