"""Lists of estimates and orders: filters and cursors."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Self

from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.pagination import Cursor
from schemas.fields.inputs import OneOf, Text
from schemas.fields.queries import DatedPageQuery
from schemas.sales import statuses

# Of an estimate and an order of the same instant, the order comes first.
_RANKS: Final = {ESTIMATES: 0, ORDERS: 1}

SortKey = tuple[datetime, int, int]
#: The stored fields that sort documents of one kind.
SORT_FIELDS: Final = ("created_at", "number")


def sort_key(kind: str, document: Mapping[str, Any]) -> SortKey:
    """Return the descending sort key of newest-first lists: instant, kind's rank, number."""
    return document["created_at"], _RANKS[kind], document["number"]


@dataclass(frozen=True, slots=True, order=True)
class DocumentCursor(Cursor):
    """A document's position in a newest-first list: its instant (UTC milliseconds), its kind's rank, its number."""

    instant: int
    rank: int
    number: int

    @classmethod
    def of(cls, kind: str, document: Mapping[str, Any]) -> Self:
        instant, rank, number = sort_key(kind, document)
        return cls(round(instant.timestamp() * 1000), rank, number)

    @property
    def created_at(self) -> datetime:
        return datetime.fromtimestamp(self.instant / 1000, UTC)

    def is_valid(self) -> bool:
        return self.rank in _RANKS.values() and 0 < self.number < 2**53 and bool(self.created_at)

    def ties_that_follow(self, kind: str) -> tuple[bool, bool]:
        """Return which documents of a kind and of this instant follow: (whether all, whether those of lower number)."""
        rank = _RANKS[kind]
        return rank < self.rank, rank == self.rank


@dataclass(frozen=True, slots=True)
class Listing:
    """The filters of a list and its page.

    :ivar limit: None for the whole list.
    """

    limit: int | None = None
    after: DocumentCursor | None = None
    status: str | None = None
    sale_by: str | None = None
    payment_mode: str | None = None
    customer_phone: str | None = None
    start: date | None = None
    end: date | None = None
    q: str | None = None

    @property
    def is_filtered(self) -> bool:
        """Return whether a filter excludes any document."""
        return any((self.status, self.sale_by, self.payment_mode, self.customer_phone, self.start, self.end, self.q))


class ListingQuery(DatedPageQuery):
    """The query parameters of a list of estimates and orders."""

    position, listing = DocumentCursor, Listing

    status = OneOf(statuses.ALL_STATUSES)
    sale_by = Text()
    payment_mode = Text()
    customer_phone = Text()
    q = Text()


class EstimateListing(ListingQuery):
    status = OneOf(statuses.ESTIMATE_STATUSES)


class PendingListing(ListingQuery):
    status = OneOf((statuses.PENDING,), load_default=statuses.PENDING)


class ConvertedListing(ListingQuery):
    status = OneOf((statuses.CONVERTED,), load_default=statuses.CONVERTED)


class OrderListing(ListingQuery):
    status = OneOf(statuses.ORDER_STATUSES)
