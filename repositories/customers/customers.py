"""Customers: reads, and commands to the journal."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Final

from pymongo import DESCENDING

from repositories.customers.commands import AddCustomer, ChangeCustomer, RemoveCustomer
from repositories.database.client import BATCH_SIZE, Database
from repositories.database.errors import read_deadline
from repositories.database.pages import Page, first_page
from repositories.database.text_search import search_filter
from repositories.journal.transaction import Outcome
from repositories.leadership.shared_journal import SharedJournal
from schemas.core.collections import CUSTOMERS
from schemas.core.documents import Document
from schemas.core.principals import Actor
from schemas.core.public_ids import new_id
from schemas.customers import CUSTOMER_PREFIX, CustomerListing
from schemas.journal.idempotency import RequestKey
from schemas.text.phones import normalize_phone

_NEWEST: Final = [("last_visit", DESCENDING), ("_id", DESCENDING)]


class CustomerRepository:
    """The customers of one store. Sales and estimates add them and update their sums (see `customer_sums.py`).

    :param region: the region of phone numbers without a country code.
    """

    def __init__(
        self, database: Database, store: str, journal: SharedJournal, clock: Callable[[], datetime], region: str
    ) -> None:
        self._collection = database[CUSTOMERS]
        self._store = store
        self._journal = journal
        self._clock = clock
        self._region = region

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

    async def create(self, draft: Document, keys: tuple[RequestKey, ...] = (), *, actor: Actor) -> Outcome:
        """Add a customer.

        :param draft: a loaded `CustomerBody`.
        :raises CustomerExists: another customer has the phone number.
        """
        number = normalize_phone(draft["phone"], self._region)
        customer_id = new_id(CUSTOMER_PREFIX, self._clock())
        return await self._journal.submit(AddCustomer(customer_id, draft, number, keys=keys, actor=actor))

    async def change(
        self, customer_id: str, changes: Document, versions: frozenset[int] | None = None, *, actor: Actor
    ) -> Outcome:
        """Change a customer.

        :param changes: a loaded `CustomerChange`.
        :raises NotFound, StaleVersion, CustomerExists:
        """
        number = normalize_phone(changes.get("phone", ""), self._region)
        return await self._journal.submit(ChangeCustomer(customer_id, changes, number, versions, actor=actor))

    async def remove(
        self,
        customer_id: str,
        versions: frozenset[int] | None = None,
        keys: tuple[RequestKey, ...] = (),
        *,
        actor: Actor,
    ) -> Outcome:
        """Remove a customer.

        :raises NotFound, StaleVersion:
        """
        return await self._journal.submit(RemoveCustomer(customer_id, versions, keys=keys, actor=actor))

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
