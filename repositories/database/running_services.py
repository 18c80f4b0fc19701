"""Detection of services that use a store at this moment, by their change streams."""

import asyncio
from datetime import datetime
from typing import Any, Final

from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from schemas.core.collections import COUNTERS

#: A service reads its change stream at least once a second.
_POLL_SECONDS: Final = 1.2
_RETRY_SECONDS: Final = 0.1
_RUNNING: Final = "A service runs on store {store!r} of this database: stop it first, and start it when this is done."


async def check_not_running(database: Database, store: str) -> None:
    """Check that no service runs on the store: each service watches the store's counters.

    This is only an early message. What prevents sales meanwhile is that the store has no counters.

    :raises DatabaseRefused: a service runs.
    """
    if await is_running(database, store):
        raise DatabaseRefused(_RUNNING.format(store=store))


async def is_running(database: Database, store: str) -> bool:
    """Return whether a process has a change stream of the store open; False without permission to list operations.

    The stream of a dead process stays open for a while, but is not read any more. So this compares three observations.
    """
    before = seen = await _confirmed_streams(database, store)
    for _ in range(2) if seen else ():
        await asyncio.sleep(_POLL_SECONDS)
        before, seen = seen, await _confirmed_streams(database, store)
    return any(last is None or last != before.get(cursor) for cursor, last in seen.items())


async def _confirmed_streams(database: Database, store: str) -> dict[Any, datetime | None]:
    """Return the streams, after a second look if there are none: between two reads a stream is not listed."""
    streams = await _streams(database, store)
    if not streams:
        await asyncio.sleep(_RETRY_SECONDS)
        streams = await _streams(database, store)
    return streams


async def _streams(database: Database, store: str) -> dict[Any, datetime | None]:
    """Return when each change stream of a store's counters was last read, by cursor; None while it is being read."""
    pipeline: list[dict[str, Any]] = [
        {"$match": {"ns": f"{database.name}.{COUNTERS}", "cursor.originatingCommand.pipeline": {"$exists": True}}}
    ]
    admin = database.client.get_database("admin", read_concern=ReadConcern("local"))
    for all_users in (True, False):
        try:
            current = {"$currentOp": {"allUsers": all_users, "idleCursors": True}}
            found = await admin.aggregate([current, *pipeline]).to_list(None)
        except PyMongoError:
            continue
        cursors = [(each["type"], each["cursor"]) for each in found if _is_stream_of(store, each["cursor"])]
        return {cursor["cursorId"]: None if kind == "op" else cursor.get("lastAccessDate") for kind, cursor in cursors}
    return {}


def _is_stream_of(store: str, cursor: dict[str, Any]) -> bool:
    stages = cursor["originatingCommand"]["pipeline"]
    return any(stage.get("$match", {}).get("documentKey._id") == store for stage in stages)
