"""Reads of estimates and orders: one document, a page, a whole list in bounded memory, totals."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from bson import decode_iter
from pymongo import DESCENDING
from pymongo.errors import PyMongoError

from repositories.database.client import BATCH_SIZE, Database
from repositories.database.errors import NotFound, read_deadline, translate_errors
from repositories.database.pages import Page, first_page_of_bytes
from repositories.database.raw_documents import find_raw
from repositories.database.store_scope import HAS_NUMBER
from repositories.database.text_search import prefix_filter, search_filter
from schemas.core.calendar import widest_bounds
from schemas.core.collections import ESTIMATES
from schemas.core.document_numbers import parse_number
from schemas.core.documents import Document
from schemas.journal.events import TYPES
from schemas.sales import statuses
from schemas.sales.listing import DocumentCursor, Listing
from schemas.text.folding import name_key

NEWEST_FIRST: Final = [("created_at", DESCENDING), ("number", DESCENDING)]
#: Documents decoded at a time: few enough that they are still in the CPU cache when they are rendered.
_BATCH: Final = 50
#: The most bytes of a page beyond its first document: 1,000 typical documents take less.
PAGE_BYTES: Final = 4 * 2**20
# If a batch is larger, its documents are not typical, and the next batch is not read ahead.
_READ_AHEAD_BYTES: Final = 4 * 2**20
_CLOSE_SECONDS: Final = 0.2
#: Leaves out fields that no list shows: a quarter of a document.
_PROJECTION: Final = dict.fromkeys(("created_by", "changed_by", "terms", "retry_keys", "store", "phone_e164"), 0)


class Documents:
    """The live (not voided) documents of one kind in one store."""

    def __init__(self, database: Database, store: str, kind: str) -> None:
        self._collection = database[kind]
        self._store = store
        self.kind = kind

    async def get(self, document_id: str, *, include_voided: bool = False) -> Document:
        """Return a document.

        :raises NotFound: there is none, or it is voided.
        """
        live = {} if include_voided else {"voided_at": None}
        return await self._one({"_id": document_id, "store": self._store, **HAS_NUMBER, **live})

    async def by_number(self, text: str) -> Document:
        """Return a document by its number, as `#001`, `001` or `1`.

        :raises NotFound: there is none, or it is voided.
        """
        number = parse_number(text)
        if number is None:
            raise NotFound(f"There is no such {TYPES[self.kind]}.")
        return await self._one({"store": self._store, "number": number, "voided_at": None})

    async def _one(self, criteria: Document) -> Document:
        async with read_deadline():
            document = await self._collection.find_one(criteria)
        if document is None:
            raise NotFound(f"There is no such {TYPES[self.kind]}.")
        return document

    async def page(self, listing: Listing, limit: int) -> Page[bytes]:
        """Return the documents of a list after `listing.after`, the newest first, up to `limit` and `PAGE_BYTES`.

        They are BSON, which a cache of rendered documents need not decode.
        """
        criteria = self.criteria(listing)
        if criteria is None or not limit:
            return Page([], is_last=True)
        options = {"projection": _PROJECTION, "sort": NEWEST_FIRST, "limit": limit + 1}
        async with read_deadline():
            found = await find_raw(self._collection, criteria, limit + 1, max_bytes=PAGE_BYTES, **options)
        return first_page_of_bytes(found, limit, PAGE_BYTES)

    async def stream(self, listing: Listing) -> AsyncGenerator[list[Document]]:
        """Yield a whole list, the newest first. The next batch is read while this one is processed."""
        criteria = self.criteria(listing)
        if criteria is None:
            return
        with translate_errors():
            options = {"projection": _PROJECTION, "sort": NEWEST_FIRST, "batch_size": BATCH_SIZE}
            found: Any = self._collection.find_raw_batches(criteria, **options)
            upcoming = asyncio.ensure_future(anext(found, None))
            try:
                while (content := await self._await_batch(upcoming)) is not None:
                    is_small = len(content) <= _READ_AHEAD_BYTES
                    if is_small:
                        upcoming = asyncio.ensure_future(anext(found, None))
                        # Lets the read start now, and not only after a slow client has taken this batch.
                        await asyncio.sleep(0)
                    documents = decode_iter(content, self._collection.codec_options)
                    while batch := list(islice(documents, _BATCH if is_small else 1)):
                        yield batch
                    if not is_small:
                        upcoming = asyncio.ensure_future(anext(found, None))
            finally:
                await _close_cursor(found, upcoming)

    @staticmethod
    async def _await_batch(upcoming: asyncio.Future[bytes | None]) -> bytes | None:
        async with read_deadline():
            return await upcoming

    async def totals(self, listing: Listing) -> tuple[int, int]:
        """Return the count of a whole list, and its amount in minor units (see `amount`)."""
        criteria = self.criteria(listing, paged=False)
        if criteria is None:
            return 0, 0
        pipeline = [
            {"$match": criteria},
            {"$group": {"_id": None, "count": {"$sum": 1}, "amount": {"$sum": self._amount_expression()}}},
        ]
        async with read_deadline():
            rows = await self._collection.aggregate(pipeline).to_list(1)
        return (rows[0]["count"], rows[0]["amount"]) if rows else (0, 0)

    def amount(self, document: Document) -> int:
        """Return what a document adds to the amount of its list: an estimate its total, an order the amount kept."""
        if self.kind == ESTIMATES:
            return int(document["total"])
        return int(document["amount_paid"]) if document["status"] in statuses.REVENUE_STATUSES else 0

    def _amount_expression(self) -> Any:
        if self.kind == ESTIMATES:
            return "$total"
        return {"$cond": [{"$in": ["$status", list(statuses.REVENUE_STATUSES)]}, "$amount_paid", 0]}

    def criteria(self, listing: Listing, *, paged: bool = True) -> Document | None:
        """Return a filter for a list, served by an index; None if no document of this kind can match.

        :param paged: whether to begin after `listing.after`.
        """
        criteria: Document = {"store": self._store, "voided_at": None, **HAS_NUMBER}
        if listing.status is not None and not self._add_status(criteria, listing.status):
            return None
        if listing.payment_mode is not None and not self._add_payment_mode(criteria, listing.payment_mode):
            return None
        if listing.sale_by is not None:
            criteria["sale_by"] = listing.sale_by
        if listing.customer_phone is not None:
            criteria["customer_phone"] = listing.customer_phone
        if listing.q is not None:
            criteria["$and"] = [search_filter(listing.q, _word_filter)]
        _add_days(criteria, listing)
        if paged and listing.after is not None:
            self._add_cursor(criteria, listing.after)
        return criteria

    def _add_status(self, criteria: Document, status: str) -> bool:
        if self.kind == ESTIMATES:
            criteria["converted"] = status == statuses.CONVERTED
            return status in statuses.ESTIMATE_STATUSES
        criteria["status"] = status
        return status in statuses.ORDER_STATUSES

    def _add_payment_mode(self, criteria: Document, mode: str) -> bool:
        group = name_key(mode)
        if group in statuses.PAYMENT_GROUPS:
            criteria["payment_group"] = group
        else:
            criteria["payment_mode"] = mode
        return self.kind != ESTIMATES

    def _add_cursor(self, criteria: Document, after: DocumentCursor) -> None:
        all_of_instant, lower_numbers = after.ties_that_follow(self.kind)
        bounds = criteria.setdefault("created_at", {})
        bounds["$lte" if all_of_instant or lower_numbers else "$lt"] = after.created_at
        if lower_numbers:
            criteria["$or"] = [{"created_at": {"$lt": after.created_at}}, {"number": {"$lt": after.number}}]


async def _close_cursor(cursor: Any, upcoming: asyncio.Future[Any]) -> None:
    """Close a cursor. If the database is away, the cursor times out there."""
    with suppress(TimeoutError, PyMongoError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await asyncio.gather(upcoming, return_exceptions=True)
            await cursor.close()


def _add_days(criteria: Document, listing: Listing) -> None:
    """Filter by the stored business date; `created_at` only shortens the scan of the index."""
    lower, upper = widest_bounds(listing.start, listing.end)
    if listing.start is not None:
        criteria.setdefault("business_date", {})["$gte"] = listing.start.isoformat()
        criteria.setdefault("created_at", {})["$gte"] = lower
    if listing.end is not None:
        criteria.setdefault("business_date", {})["$lte"] = listing.end.isoformat()
        criteria.setdefault("created_at", {})["$lte"] = upper


def _word_filter(word: str) -> Document:
    """Return a filter for documents that have a term with this prefix, or this number."""
    prefix = prefix_filter(word)
    number = parse_number(word)
    return prefix if number is None else {"$or": [prefix, {"number": number}]}
