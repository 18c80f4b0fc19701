"""Customers: request bodies, serialization, and what a document adds to a customer's sums.

A phone number identifies a customer: each estimate and sale counts for the customer with its number (`phone_e164`).
A document without that field is older than customers, and counts for none until `pos migrate` has added the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from schemas.core import money
from schemas.core.calendar import shop_time
from schemas.core.collections import ESTIMATES
from schemas.core.documents import Document
from schemas.core.pagination import Cursor
from schemas.fields.body import Body
from schemas.fields.inputs import Text
from schemas.fields.queries import PageQuery
from schemas.sales import statuses

CUSTOMER_PREFIX: Final = "CUST-"
PHONE_FIELD: Final = "phone_e164"
#: estimates, orders: counts; sold, paid: minor units, of the orders that count as revenue.
ZERO_SUMS: Final[Mapping[str, int]] = {"estimates": 0, "orders": 0, "sold": 0, "paid": 0}


def contribution(kind: str, document: Mapping[str, Any] | None) -> tuple[str, Mapping[str, int]] | None:
    """Return the phone number of a document, and what it adds to the customer's sums (members of `ZERO_SUMS`).

    :returns: None for a document that counts for no customer, such as a cancelled or refunded order.
    """
    if document is None or document["voided_at"] is not None or not document.get(PHONE_FIELD):
        return None
    if kind == ESTIMATES:
        return document[PHONE_FIELD], {"estimates": 1}
    if document["status"] not in statuses.REVENUE_STATUSES:
        return None
    return document[PHONE_FIELD], {"orders": 1, "sold": document["total"], "paid": document["amount_paid"]}


class CustomerBody(Body):
    """The body that creates a customer."""

    name = Text(required=True)
    phone = Text(blank=True, load_default="")
    email = Text(blank=True, load_default="")
    address = Text(blank=True, lines=True, load_default="")
    notes = Text(blank=True, lines=True, load_default="")


class CustomerChange(Body):
    """A change of a customer; fields that are left out stay."""

    name = Text()
    phone = Text(blank=True)
    email = Text(blank=True)
    address = Text(blank=True, lines=True)
    notes = Text(blank=True, lines=True)


def serialize_customer(customer: Document, zone: ZoneInfo) -> Document:
    """Return a customer as the app reads it: no member is null, amounts are floats."""
    sums = {**ZERO_SUMS, **customer.get("sums", {})}
    return {
        "id": customer["_id"],
        "customer_id": customer["_id"],
        **{name: customer[name] for name in ("name", "phone", "email", "address", "notes")},
        "created_at": shop_time(customer["created_at"], zone),
        "last_visit": shop_time(customer["last_visit"], zone),
        "total_orders": sums["orders"],
        "total_spent": money.to_json(sums["paid"]),
        "total_due": money.to_json(sums["sold"] - sums["paid"]),
        "estimates": sums["estimates"],
        "version": customer["version"],
    }


@dataclass(frozen=True, slots=True)
class CustomerCursor(Cursor):
    """A customer's position in the list: the instant of the last visit (UTC milliseconds), and the id."""

    instant: int
    id: str

    @classmethod
    def of(cls, customer: Mapping[str, Any]) -> Self:
        return cls(round(customer["last_visit"].timestamp() * 1000), customer["_id"])

    @property
    def last_visit(self) -> datetime:
        return datetime.fromtimestamp(self.instant / 1000, UTC)

    def is_valid(self) -> bool:
        return self.id.startswith(CUSTOMER_PREFIX) and bool(self.last_visit)


@dataclass(frozen=True, slots=True)
class CustomerListing:
    """The filter of the list of customers and its page.

    :ivar limit: None for the whole list.
    """

    limit: int | None = None
    after: CustomerCursor | None = None
    q: str | None = None


class CustomerQuery(PageQuery):
    """The query parameters of the list of customers."""

    position, listing = CustomerCursor, CustomerListing

    q = Text(metadata={"description": "Beginnings of words of the name, or the beginning of the phone number."})
