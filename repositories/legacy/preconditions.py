"""The preconditions of an import of the earlier backend's database."""

import asyncio
from typing import Any

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from repositories.database.store_scope import LEGACY_DOCUMENT, store_filter
from repositories.legacy.late_documents import LATE_PREFIX
from repositories.legacy.source import BACKUP_PREFIX
from repositories.migrations.indexes import index_models
from repositories.migrations.occupied_collections import refuse_occupied
from schemas.core.collections import COUNTERS, IMPORTS, LEGACY_KINDS


async def check_preconditions(database: Database, store: str, source: Any, *, in_place: bool) -> None:
    """Check that there are documents to import, and an empty store for them.

    :raises DatabaseRefused: the import is not possible.
    """
    counters = await database[COUNTERS].find_one({"_id": store})
    is_used = counters is not None and any(counters.get(name) for name in (*LEGACY_KINDS, "head"))
    if is_used or any([await database[kind].find_one(store_filter(kind, store)) for kind in LEGACY_KINDS]):
        raise DatabaseRefused(
            f"Store {store!r} has documents of its own already: choose another STORE_ID or DATABASE_NAME."
        )
    await asyncio.to_thread(refuse_occupied, database.delegate, index_models(1), LEGACY_KINDS)
    for kind in LEGACY_KINDS:
        is_ours = {"store": {"$type": "string"}, "number": {"$type": "number"}, "business_date": {"$type": "string"}}
        if in_place and await database[kind].find_one(is_ours):
            raise DatabaseRefused(
                f"The database {database.name!r} has documents of another store among its {kind}: import into another "
                f"one, with DATABASE_NAME, and --from {source.name}."
            )
        for name in (BACKUP_PREFIX + kind, LATE_PREFIX + kind) if in_place else ():
            if name in await database.list_collection_names():
                raise DatabaseRefused(
                    f"There is a collection {name!r} already, where the originals would be kept: rename it."
                )
        if not in_place and await database[kind].find_one(LEGACY_DOCUMENT):
            raise DatabaseRefused(
                f"The database {database.name!r} has {kind} of an earlier backend itself: choose another DATABASE_NAME."
            )
    if not any(source[kind].find_one({}, {"_id": 1}) for kind in LEGACY_KINDS):
        raise DatabaseRefused(f"The database {source.name!r} has neither estimates nor orders: nothing to import.")


async def refuse_wrong_store(database: Database, store: str) -> None:
    """Raise DatabaseRefused, which names the store, if the earlier backend's documents here belong to another store."""
    other = await database[IMPORTS].find_one({"_id": {"$ne": store}, "in_place": True}, {"_id": 1})
    if other is not None:
        raise DatabaseRefused(
            f"What the earlier backend wrote into {database.name!r} belongs to store {other['_id']!r}: run this with "
            f"STORE_ID={other['_id']}."
        )
