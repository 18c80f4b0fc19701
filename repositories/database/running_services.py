"""Services that use a database at this moment, by their connections."""

import asyncio
from datetime import datetime
from typing import Any, Final

from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from schemas.core.collections import COUNTERS

#: A service asks its stream of changes at least once a second.
_ASKED_SECONDS: Final = 1.2
_BETWEEN_SECONDS: Final = 0.1
_RUNNING: Final = "A service runs on store {store!r} of this database: stop it first, and start it when this is done."


async def check_not_running(database: Database, store: str) -> None:
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
