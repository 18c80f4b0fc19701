"""How far the database has taken events away by itself, by the clock that it goes by: its own.

The index that does so knows today's retention. What a shorter one took before, or what was gone from a log before it
was brought here, stands in the store's counters, as `expired`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from repositories.database.client import Database
from schemas.core.collections import COUNTERS, EVENTS

#: The name of the index.
RETENTION: Final = "retention"
#: Settings change in one moment, and the database looks around in another.
_GRACE: Final = timedelta(days=1)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def expired_before(database: Database, counters: Mapping[str, Any]) -> datetime:
    """The moment before which a store's events may be gone.

    :raises PyMongoError: callers translate.
    """
    today = await _retention_limit(database)
    before: datetime = counters.get("expired", _NEVER)
    return before if today is None else max(today + _GRACE, before)


async def record_expiry(database: Database) -> None:
    """Keeps how far retention has come, in all stores, before it becomes another one.

    :raises PyMongoError: callers translate.
    """
    reach = await _retention_limit(database)
    if reach is not None:
        await database[COUNTERS].update_many({}, {"$max": {"expired": reach + _GRACE}})


async def _retention_limit(database: Database) -> datetime | None:
    """What was made before, retention takes away now; None where there is none."""
    index = (await database[EVENTS].index_information()).get(RETENTION, {})
    seconds = index.get("expireAfterSeconds")
    if seconds is None:
        return None
    now: datetime = (await database.command("hello"))["localTime"]
    return now.replace(tzinfo=UTC) - timedelta(seconds=seconds)
