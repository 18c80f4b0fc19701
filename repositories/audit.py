"""The audit: the event log with who did it, newest first.

It has no index of its own, since each would cost every sale: `seq` serves it, backwards, with whatever is asked for
looked for on the way. The log is kept for some months only, so that way is short.
"""

from typing import Any
from zoneinfo import ZoneInfo

from pymongo import DESCENDING

from repositories.database import EVENTS, Database
from repositories.errors import answered
from schemas.audit import AuditListing
from schemas.calendar import day_bounds
from schemas.documents import Document


class Audit:
    """The audit of one store.

    :param zone: of the days that are asked for.
    """

    def __init__(self, database: Database, store: str, zone: ZoneInfo) -> None:
        self._events = database[EVENTS]
        self._store = store
        self._zone = zone

    async def newest(self, listing: AuditListing, limit: int) -> list[Document]:
        """Up to `limit` events, newest first, from `listing.after` on.

        :raises Unavailable: the database is away.
        """
        async with answered():
            found = self._events.find(self._criteria(listing), {"_id": 0}).sort("seq", DESCENDING)
            return await found.limit(limit).to_list(limit)

    def _criteria(self, listing: AuditListing) -> Document:
        every: list[dict[str, Any]] = [{"store": self._store}]
        if listing.after is not None:
            every.append({"seq": {"$lt": listing.after.seq}})
        if listing.start is not None:
            every.append({"at": {"$gte": day_bounds(listing.start, self._zone)[0]}})
        if listing.end is not None:
            every.append({"at": {"$lt": day_bounds(listing.end, self._zone)[1]}})
        if listing.actor is not None:
            every.append({"$or": [{"by.id": listing.actor}, {"by.name": listing.actor}]})
        if listing.type is not None:
            every.append({"type": listing.type})
        if listing.id is not None:
            # A conversion is an event of the estimate, and of the order that it makes.
            every.append({"$or": [{"id": listing.id}, {"order_id": listing.id}]})
        return {"$and": every}
