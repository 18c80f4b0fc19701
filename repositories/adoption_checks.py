"""What must be so before a store takes over the documents of the earlier backend."""

import asyncio
from datetime import datetime
from typing import Any, Final

from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from repositories.adoption_source import BACKUP_PREFIX, KINDS
from repositories.database import ADOPTION, COUNTERS, Database
from repositories.errors import DatabaseRefused
from repositories.indexes import index_models
from repositories.late_documents import LATE, LATE_PREFIX
from repositories.occupied import refuse_occupied
from repositories.stores import of_store

#: A service asks its stream of changes at least once a second.
_ASKED_SECONDS: Final = 1.2
_BETWEEN_SECONDS: Final = 0.1
_RUNNING: Final = "A service runs on store {store!r} of this database: stop it first, and start it when this is done."


async def check_beginning(database: Database, store: str, source: Any, *, in_place: bool) -> None:
    """Whether there is something to adopt, and an empty store to adopt it into.

    :raises DatabaseRefused: no.
    """
    counters = await database[COUNTERS].find_one({"_id": store})
    is_used = counters is not None and any(counters.get(name) for name in (*KINDS, "head"))
    if is_used or any([await database[kind].find_one(of_store(kind, store)) for kind in KINDS]):
        raise DatabaseRefused(
            f"Store {store!r} has documents of its own already: choose another STORE_ID or DATABASE_NAME."
        )
    await asyncio.to_thread(refuse_occupied, database.delegate, index_models(1), KINDS)
    for kind in KINDS:
        is_ours = {"store": {"$type": "string"}, "number": {"$type": "number"}, "business_date": {"$type": "string"}}
        if in_place and await database[kind].find_one(is_ours):
            raise DatabaseRefused(
                f"The database {database.name!r} has documents of another store among its {kind}: adopt into another "
                f"one, with DATABASE_NAME, and --from {source.name}."
            )
        for name in (BACKUP_PREFIX + kind, LATE_PREFIX + kind) if in_place else ():
            if name in await database.list_collection_names():
                raise DatabaseRefused(
                    f"There is a collection {name!r} already, where the originals would be kept: rename it."
                )
        if not in_place and await database[kind].find_one(LATE):
            raise DatabaseRefused(
                f"The database {database.name!r} has {kind} of an earlier backend itself: choose another DATABASE_NAME."
            )
    if not any(source[kind].find_one({}, {"_id": 1}) for kind in KINDS):
        raise DatabaseRefused(f"The database {source.name!r} has neither estimates nor orders: nothing to adopt.")


async def refuse_taken_over(database: Database, store: str) -> None:
    """Refuse a store where the documents of the earlier backend in this database are another store's.

    :raises DatabaseRefused: they are; the message says whose.
    """
    other = await database[ADOPTION].find_one({"_id": {"$ne": store}, "in_place": True}, {"_id": 1})
    if other is not None:
        raise DatabaseRefused(
            f"What the earlier backend wrote into {database.name!r} belongs to store {other['_id']!r}: run this with "
            f"STORE_ID={other['_id']}."
        )


async def refuse_running(database: Database, store: str) -> None:
    """Whether a service runs on the store: each listens to the changes of its counters.

    It is a courtesy: what keeps a service from selling meanwhile is that the store has no counters.

    :raises DatabaseRefused: one does.
    """
    if await is_running(database, store):
        raise DatabaseRefused(_RUNNING.format(store=store))


async def is_running(database: Database, store: str) -> bool:
    """Whether any process has the stream of changes of a store open. False where that may not be asked.

    The stream of a dead process stays for a while, but nobody asks it for more: it takes a second look, and a third.
    """
    before = seen = await _streams_surely(database, store)
    for _ in range(2) if seen else ():
        await asyncio.sleep(_ASKED_SECONDS)
        before, seen = seen, await _streams_surely(database, store)
    return any(last is None or last != before.get(cursor) for cursor, last in seen.items())


async def _streams_surely(database: Database, store: str) -> dict[Any, datetime | None]:
    """Look again where there is none: one that is between two questions is in neither list for an instant."""
    seen = await _streams(database, store)
    if not seen:
        await asyncio.sleep(_BETWEEN_SECONDS)
        seen = await _streams(database, store)
    return seen


async def _streams(database: Database, store: str) -> dict[Any, datetime | None]:
    """The streams of changes of a store's counters, and when each was last asked; None: it is being asked now."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"ns": f"{database.name}.{COUNTERS}", "cursor.originatingCommand.pipeline": {"$exists": True}}},
    ]
    admin = database.client.get_database("admin", read_concern=ReadConcern("local"))
    for all_users in (True, False):
        try:
            current = {"$currentOp": {"allUsers": all_users, "idleCursors": True}}
            found = await admin.aggregate([current, *pipeline]).to_list(None)
        except PyMongoError:
            continue
        cursors = [(each["type"], each["cursor"]) for each in found if _listens(each["cursor"], store)]
        return {cursor["cursorId"]: None if kind == "op" else cursor.get("lastAccessDate") for kind, cursor in cursors}
    return {}


def _listens(cursor: dict[str, Any], store: str) -> bool:
    stages = cursor["originatingCommand"]["pipeline"]
    return any(stage.get("$match", {}).get("documentKey._id") == store for stage in stages)
