"""The audit log: the event log with the actor of each event, newest first.

It has no index of its own, since an index would slow down every sale. The log is read backwards and filtered on the
way. It keeps some months of events only, so this is short.
"""

from typing import Any, Final
from zoneinfo import ZoneInfo

from pymongo import ASCENDING, DESCENDING

from repositories.database.client import Database
from repositories.database.errors import read_deadline
from repositories.database.pages import Page, first_page_of_bytes
from repositories.database.raw_documents import aggregate_raw
from repositories.event_log.log_documents import log_filter
from schemas.auditing import AuditListing
from schemas.core.calendar import day_bounds
from schemas.core.collections import LOG
from schemas.core.documents import Document

#: The size of a page in bytes, beyond its first event. 500 events of usual size take less.
PAGE_BYTES: Final = 4 * 2**20
# So few that a reply of the database is rarely larger than a page.
_AT_ONCE: Final = 16


class AuditLog:
    """The audit log of one store; days in a request are days of `zone`."""

    def __init__(self, database: Database, store: str, zone: ZoneInfo) -> None:
        self._log = database[LOG]
        self._store = store
        self._zone = zone

    async def page(self, listing: AuditListing) -> Page[bytes]:
        """Return the events (BSON) after `listing.after`, newest first, up to `listing.limit` and `PAGE_BYTES`."""
        limit, wanted = listing.limit, self._criteria(listing)
        async with read_deadline():
            pipeline: list[Document] = [
                {"$match": {**await self._part(listing), "events": {"$elemMatch": wanted}}},
                {"$sort": {"_id": DESCENDING}},
                {"$project": {"_id": 0, "hash": 1, "events": {"$reverseArray": "$events"}}},
                {"$unwind": "$events"},
                {"$replaceRoot": {"newRoot": {"$mergeObjects": ["$events", {"hash": "$hash"}]}}},
                {"$match": wanted},
                {"$limit": limit + 1},
            ]
            found = await aggregate_raw(self._log, pipeline, _AT_ONCE, max_bytes=PAGE_BYTES)
        return first_page_of_bytes(found, limit, PAGE_BYTES)

    async def _part(self, listing: AuditListing) -> Document:
        """Return a filter for the documents of the log that have events before `listing.after`."""
        part = log_filter(self._store)
        if listing.after is not None:
            # The newest of these documents is the first one that ends with the event before, or later.
            later = log_filter(self._store, after=listing.after.seq - 2)
            newest = await self._log.find_one(later, {"_id": 1}, sort=[("_id", ASCENDING)])
            part["_id"] |= {} if newest is None else {"$lte": newest["_id"]}
        return part

    def _criteria(self, listing: AuditListing) -> Document:
        """Return the filter for the events of the page."""
        every: list[dict[str, Any]] = [{"seq": {"$gt": 0}}]
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
            # A conversion is an event of the estimate and of the order that it creates.
            every.append({"$or": [{"id": listing.id}, {"order_id": listing.id}]})
        return {"$and": every}
