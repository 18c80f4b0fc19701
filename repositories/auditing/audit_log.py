"""The audit log: the event log with the actor of each event, newest first.

It has no index of its own, since an index would slow down every sale. It is read along `seq`, backwards, and filtered
on the way. The log keeps some months of events only, so this is short.
"""

from typing import Any, Final
from zoneinfo import ZoneInfo

from pymongo import DESCENDING

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
    """The audit log of one store.

    :param zone: the time zone of the days in a request.
    """

    def __init__(self, database: Database, store: str, zone: ZoneInfo) -> None:
        self._log = database[LOG]
        self._store = store
        self._zone = zone

    async def page(self, listing: AuditListing) -> Page[bytes]:
        """Return the events (BSON) after `listing.after`, newest first, up to `listing.limit` and `PAGE_BYTES`.

        :raises Unavailable: the database cannot be reached.
        """
        limit = listing.limit
        events = self._criteria(listing)
        pipeline: list[Document] = [
            {"$match": {"$and": [self._part(listing), *({"events": {"$elemMatch": each}} for each in events)]}},
            {"$sort": {"_id": DESCENDING}},
            {"$project": {"_id": 0, "events": {"$reverseArray": "$events"}}},
            {"$unwind": "$events"},
            {"$replaceRoot": {"newRoot": "$events"}},
            {"$match": {"$and": [{}, *events]}},
            {"$limit": limit + 1},
        ]
        async with read_deadline():
            found = await aggregate_raw(self._log, pipeline, _AT_ONCE, max_bytes=PAGE_BYTES)
        return first_page_of_bytes(found, limit, PAGE_BYTES)

    def _part(self, listing: AuditListing) -> Document:
        """Return a filter for the documents of the log that have events before `listing.after`."""
        part = log_filter(self._store)
        return part if listing.after is None else {**part, "first": {"$lt": listing.after.seq}}

    def _criteria(self, listing: AuditListing) -> list[Document]:
        """Return the filters that an event must meet."""
        every: list[dict[str, Any]] = []
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
        return every
