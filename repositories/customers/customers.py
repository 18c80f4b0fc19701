"""Reads of customers."""

from collections.abc import AsyncIterator
from typing import Any, Final

from pymongo import DESCENDING

from repositories.database.client import BATCH_SIZE, Database
from repositories.database.errors import read_deadline
from repositories.database.pages import Page, first_page
from repositories.database.text_search import search_filter
from schemas.core.collections import CUSTOMERS
from schemas.core.documents import Document
from schemas.customers import CustomerListing

_NEWEST: Final = [("last_visit", DESCENDING), ("_id", DESCENDING)]


class CustomerRepository:
    """The customers of one store. Sales and estimates add them and update their sums (see `customer_sums.py`)."""

    def __init__(self, database: Database, store: str) -> None:
        self._collection = database[CUSTOMERS]
        self._store = store

    async def page(self, listing: CustomerListing, limit: int) -> Page[Document]:
        """Return up to `limit` customers after `listing.after`, the latest visit first.

        :raises Unavailable: the database is away.
        """
        async with read_deadline():
            found = self._collection.find(self.criteria(listing)).sort(_NEWEST).limit(limit + 1)
            return first_page(await found.to_list(limit + 1), limit)

    async def stream(self, listing: CustomerListing) -> AsyncIterator[list[Document]]:
        """Yield all customers of a list, with one batch in memory."""
        found: Any = self._collection.find(self.criteria(listing), batch_size=BATCH_SIZE).sort(_NEWEST)
        while True:
            async with read_deadline():
                batch = await found.to_list(BATCH_SIZE)
            if not batch:
                return
            yield batch

    def criteria(self, listing: CustomerListing) -> Document:
        """Return a filter for a list, served by an index."""
        every: list[Document] = [{"store": self._store, "voided_at": None}]
        if listing.q is not None:
            every.append(search_filter(listing.q))
        if listing.after is not None:
            last = listing.after.last_visit
            every.append({"last_visit": {"$lte": last}})
            every.append({"$or": [{"last_visit": {"$lt": last}}, {"_id": {"$lt": listing.after.id}}]})
        return {"$and": every}
