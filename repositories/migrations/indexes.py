"""Indexes and the counter document, which must exist before the first request. Idempotent."""

import asyncio
import logging
import secrets
from contextlib import suppress
from typing import Final
from zoneinfo import ZoneInfo

from pymongo import ASCENDING as UP
from pymongo import DESCENDING as DOWN
from pymongo import IndexModel
from pymongo.errors import OperationFailure, PyMongoError

from repositories.database.client import OWNERS, RESTORING, Database
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.store_scope import LEGACY_DOCUMENT
from repositories.event_log.earlier_events import CURRENT_LOG
from repositories.event_log.retention import RETENTION, record_expiry
from repositories.migrations.occupied_collections import refuse_occupied
from repositories.migrations.yearly_rollups import add_yearly_rollups
from schemas.core.collections import (
    ATTEMPTS,
    COUNTERS,
    CREDENTIALS,
    CUSTOMERS,
    DEVICES,
    ESTIMATES,
    FACTS,
    IMPORTS,
    LEGACY_KINDS,
    LINKS,
    LOG,
    MESSAGES,
    NO_NUMBERS,
    ORDERS,
    ORIGINALS,
    REGISTRY,
    SETTINGS,
    TOTALS,
    UPLOADS,
    USERS,
)

#: The filter of unique indexes. Without it, they would refuse documents of the earlier backend as duplicates.
_HAS_NUMBER: Final = {"store": {"$exists": True}, "number": {"$gte": 0}}
_RETIRED: Final = {"number": "number", "one_order_an_estimate": "estimate_id"}
_DAY: Final = 86_400
_NAMESPACE_EXISTS, _OPTIONS_CONFLICT = 48, 85

logger = logging.getLogger("pos")

_NEWEST: Final = [("created_at", DOWN), ("number", DOWN)]


def _newest(*leading: str, name: str) -> IndexModel:
    return IndexModel([(field, UP) for field in ("store", *leading)] + _NEWEST, name=name)


#: The indexes for accounts, which may belong to several stores.
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
        # For a day, a client learns that its credential has expired; after that, it is unknown.
        IndexModel([("expires_at", UP)], name="retention", expireAfterSeconds=_DAY),
    ],
    ATTEMPTS: [IndexModel([("expires_at", UP)], name="retention", expireAfterSeconds=0)],
}


def index_models(event_retention_days: int) -> dict[str, list[IndexModel]]:
    """Return all indexes, by collection. Those that a sale or an estimate writes begin with the store."""
    number = IndexModel(
        [("store", UP), ("number", UP)], unique=True, name="given_number", partialFilterExpression=_HAS_NUMBER
    )
    search = IndexModel([("store", UP), ("terms", UP)], name="search")
    by_staff, by_customer = _newest("sale_by", name="staff"), _newest("customer_phone", name="customer")
    document = [number, search, _newest(name="newest"), by_staff, by_customer]
    return {
        ESTIMATES: [*document, _newest("converted", name="converted")],
        ORIGINALS: [IndexModel([("store", UP), ("kind", UP), ("original._id", UP)], name="original")],
        ORDERS: [
            *document,
            _newest("status", name="status"),
            _newest("payment_group", name="payment"),
            # The last guard against a double conversion, independent of the journal.
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
            # No index on the last visit, which each sale changes: the list is sorted at each request.
            IndexModel([("store", UP), ("_id", UP)], name="store"),
            search,
        ],
        SETTINGS: [IndexModel([("store", UP)], name="store")],
        LOG: [
            # Finds repeated requests, and refuses a second one with the same key.
            IndexModel(
                [("_id.store", UP), ("requests.key", UP)],
                unique=True,
                name="key",
                partialFilterExpression={"requests.key": {"$exists": True}},
            ),
            IndexModel([("at", UP)], name="retention", expireAfterSeconds=event_retention_days * _DAY),
        ],
        LINKS: [
            IndexModel([("store", UP), ("_id", UP)], name="archive"),
            IndexModel([("store", UP), ("document_id", UP)], name="document"),
            # Without the store: a client that opens a link knows only the token.
            IndexModel([("token", UP)], unique=True, name="token"),
        ],
        MESSAGES: [
            IndexModel([("store", UP), ("_id", UP)], name="newest"),
            IndexModel([("store", UP), ("state", UP), ("_id", UP)], name="state"),
            IndexModel([("store", UP), ("document_id", UP), ("_id", UP)], name="document"),
            # Only messages that are due, of all stores of one outbox.
            IndexModel(
                [("outbox", UP), ("due_at", UP)], name="due", partialFilterExpression={"due_at": {"$type": "date"}}
            ),
            # Finds the message of a provider's status, in any store.
            IndexModel(
                [("outbox", UP), ("provider_id", UP)],
                name="provider",
                partialFilterExpression={"provider_id": {"$type": "string"}},
            ),
        ],
        UPLOADS: [IndexModel([("expires_at", UP)], name="retention", expireAfterSeconds=0)],
        **_SIGN_IN,
    }


async def prepare(database: Database, store: str, zone: ZoneInfo, event_retention_days: int) -> None:
    """Create missing indexes and counters, and change a retention that differs.

    Safe beside running processes of newer and older versions.

    :raises DatabaseRefused: the database does not allow it; the store's business dates are of another time zone; it is
        being restored; or its documents are those of the earlier backend, or are being imported.
    """
    try:
        await refuse_unimported(database, store)
        await prepare_collections(database, event_retention_days)
        empty = {**NO_NUMBERS, "head": 0, "epoch": secrets.token_hex(4), **CURRENT_LOG}
        await database[COUNTERS].update_one({"_id": store}, {"$setOnInsert": empty}, upsert=True)
        await refuse_restoring(database, store)
        await add_yearly_rollups(database, store)
        await _check_timezone(database, store, zone)
        await _warn_of_late(database)
    except PyMongoError as error:
        raise DatabaseRefused(f"The indexes of the database cannot be prepared: {first_clause(error)}") from error


async def prepare_collections(database: Database, event_retention_days: int) -> None:
    """Create collections and indexes, which all stores share.

    :raises PyMongoError: callers translate.
    """
    for collection, models in index_models(event_retention_days).items():
        await _create(database, collection, models)
    for collection in LEGACY_KINDS:
        await _drop_retired(database, collection)
    await _create_totals(database)
    # Created here: two transactions that created it at once would conflict.
    await database[FACTS].update_one({"_id": OWNERS}, {"$setOnInsert": {"changes": 0}}, upsert=True)


async def refuse_restoring(database: Database, store: str) -> None:
    """Raise DatabaseRefused if a store is being restored, or if its restore was interrupted."""
    counters = await database[COUNTERS].find_one({"_id": store}, {RESTORING: 1})
    if counters is not None and RESTORING in counters:
        raise DatabaseRefused(
            f"Store {store!r} is being restored since {counters[RESTORING]['began']:%Y-%m-%d %H:%M} UTC. If that has "
            "ended, run the same `pos restore` or `pos import` again, or give it up with `pos restore --discard`."
        )


async def refuse_unimported(database: Database, store: str) -> None:
    """Raise DatabaseRefused for a database of the earlier backend, a store whose import is incomplete, and a new store
    in a database where another program uses our collection names."""
    legacy_import = await database[IMPORTS].find_one({"_id": store}, {"step": 1})
    if legacy_import is not None and legacy_import["step"] != "done":
        raise DatabaseRefused(
            f"Store {store!r} has an incomplete import from the earlier backend: run `pos import-legacy` again."
        )
    if legacy_import is None and not await database[COUNTERS].find_one({}, {"_id": 1}):
        for kind in LEGACY_KINDS:
            if await database[kind].find_one(LEGACY_DOCUMENT, {"_id": 1}):
                raise DatabaseRefused(
                    f"The database {database.name!r} has {kind} of the earlier backend: take them over with "
                    "`pos import-legacy` (first with --dry-run), or choose another DATABASE_NAME."
                )
        await asyncio.to_thread(refuse_occupied, database.delegate, index_models(1))
    elif RETENTION not in await database[LOG].index_information():
        # The name is new in a database of an earlier version.
        models = {LOG: index_models(1)[LOG]}
        await asyncio.to_thread(refuse_occupied, database.delegate, models, REGISTRY.keys() - {LOG})


async def _warn_of_late(database: Database) -> None:
    """Log a warning if the earlier backend still writes. The store opens all the same; `pos verify` counts them."""
    for kind in LEGACY_KINDS:
        if await database[kind].find_one({"store": None}, {"_id": 1}):
            logger.warning(
                "The earlier backend has written %s into this database, which no list and no report shows: stop it, "
                "and run `pos import-legacy`.",
                kind,
            )


async def _create_totals(database: Database) -> None:
    """Create the collection of rollups, so that the first sale need not wait for it. Its only index is `_id`."""
    try:
        await database.command("create", TOTALS)
    except OperationFailure as error:
        if error.code != _NAMESPACE_EXISTS:
            raise


async def _check_timezone(database: Database, store: str, zone: ZoneInfo) -> None:
    """Store the time zone of an empty store, and refuse another one later: documents have business dates in it.

    :raises DatabaseRefused: the store has another time zone.
    """
    empty = {"_id": store, "head": 0, "adopted": None}
    await database[COUNTERS].update_one(empty, {"$set": {"timezone": zone.key}})
    counters = await database[COUNTERS].find_one({"_id": store}, {"timezone": 1})
    if counters is not None and counters["timezone"] != zone.key:
        raise DatabaseRefused(
            f"The days of store {store!r} are kept in {counters['timezone']}, and TIMEZONE is {zone.key}: set it to "
            f"{counters['timezone']}, or take another STORE_ID. Days that are in the books cannot be moved."
        )


async def _drop_retired(database: Database, collection: str) -> None:
    """Drop the unique indexes of earlier versions, which also contained documents of the earlier backend."""
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
        if collection == LOG:
            await record_expiry(database, {})
        seconds = next(m.document["expireAfterSeconds"] for m in models if m.document["name"] == RETENTION)
        await database.command("collMod", collection, index={"name": RETENTION, "expireAfterSeconds": seconds})
        await database[collection].create_indexes(models)
