"""The instant up to which events have expired, by the database's clock.

The TTL index holds the present retention. The store's counters hold, as `expired`, what a shorter retention removed
before, and what was missing in a log when it was restored here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from repositories.database.client import Database
from schemas.core.collections import COUNTERS, LOG
from schemas.core.documents import Document

#: The name of the TTL index.
RETENTION: Final = "retention"
#: The database removes expired events some time after the setting has changed.
_GRACE: Final = timedelta(days=1)
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def expired_before(database: Database, counters: Mapping[str, Any]) -> datetime:
    """Return the instant before which a store's events may be gone.

    :raises PyMongoError: callers translate.
    """
    limit = await _retention_limit(database)
    recorded: datetime = counters.get("expired", _NEVER)
    return recorded if limit is None else max(limit + _GRACE, recorded)


async def record_expiry(database: Database, stores: Document, collection: str = LOG) -> None:
    """Record what the present retention has removed, before the retention changes.

    :param stores: a filter of the counters of these stores.
    :raises PyMongoError: callers translate.
    """
    limit = await _retention_limit(database, collection)
    if limit is not None:
        await database[COUNTERS].update_many(stores, {"$max": {"expired": limit + _GRACE}})


async def _retention_limit(database: Database, collection: str = LOG) -> datetime | None:
    """Return the instant before which events expire now; None without retention."""
    index = (await database[collection].index_information()).get(RETENTION, {})
    seconds = index.get("expireAfterSeconds")
    if seconds is None:
        return None
    now: datetime = (await database.command("hello"))["localTime"]
    return now.replace(tzinfo=UTC) - timedelta(seconds=seconds)
