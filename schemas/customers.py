"""Customers: request bodies, serialization, and what a document adds to a customer's sums.

A phone number identifies a customer: each estimate and sale counts for the customer with its number (`phone_e164`).
A document without that field is older than customers, and counts for none until `pos migrate` has added the field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NotRequired, Self, TypedDict, cast
from zoneinfo import ZoneInfo

from schemas.core import money
from schemas.core.calendar import shop_time
from schemas.core.collections import CUSTOMERS, REGISTRY
from schemas.core.documents import Signed, select
from schemas.core.pagination import Cursor
from schemas.fields.body import Body
from schemas.fields.inputs import Text
from schemas.fields.queries import PageQuery
from schemas.sales import statuses
from schemas.sales.documents import SalesDocument, Searchable


class CustomerSums(TypedDict):
    estimates: int
    orders: int
    sold: int  # minor units, of the orders that count as revenue, as `paid`
    paid: int


ZERO_SUMS: Final[CustomerSums] = {"estimates": 0, "orders": 0, "sold": 0, "paid": 0}


class CustomerFields(TypedDict):
    """The fields of a customer that a body determines."""

    name: str
    phone: str
    email: str
    address: str
    notes: str


class Customer(CustomerFields, Searchable, Signed):
    numbers: NotRequired[list[str]]  # all phone numbers of the customer; absent without any
    sums: CustomerSums
    last_visit: datetime


def add_sums(sums: Mapping[str, Any], added: Mapping[str, int]) -> CustomerSums:
    """Return the sums of a customer with what a document adds."""
    return cast("CustomerSums", {name: amount + added.get(name, 0) for name, amount in sums.items()})


def contribution(document: SalesDocument | None) -> tuple[str, Mapping[str, int]] | None:
    """Return the phone number of a document, and what it adds to the customer's sums (members of `ZERO_SUMS`).

    :returns: None for a document that counts for no customer, such as a cancelled or refunded order.
    """
    number = None if document is None or document["voided_at"] is not None else document.get("phone_e164")
    if document is None or not number:
        return None
    if "amount_paid" not in document:
        return number, {"estimates": 1}
    if document["status"] not in statuses.REVENUE_STATUSES:
        return None
    return number, {"orders": 1, "sold": document["total"], "paid": document["amount_paid"]}


class CustomerBody(Body):
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


def serialize_customer(customer: Customer, zone: ZoneInfo) -> dict[str, Any]:
    """Return a customer as the app reads it: no member is null, amounts are floats."""
    sums: CustomerSums = {**ZERO_SUMS, **customer.get("sums", ZERO_SUMS)}
    return {
        "id": customer["_id"],
        "customer_id": customer["_id"],
        **select(customer, CustomerFields.__annotations__),
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
    def of(cls, customer: Customer) -> Self:
        return cls(round(customer["last_visit"].timestamp() * 1000), customer["_id"])

    @property
    def last_visit(self) -> datetime:
        return datetime.fromtimestamp(self.instant / 1000, UTC)

    def is_valid(self) -> bool:
        return self.id.startswith(REGISTRY[CUSTOMERS].prefix) and bool(self.last_visit)


@dataclass(frozen=True, slots=True)
class CustomerListing:
    """The filter of the list of customers and its page.

    :ivar limit: None for the whole list.
    """

    limit: int | None = None
    after: CustomerCursor | None = None
    q: str | None = None


class CustomerQuery(PageQuery):
    position, listing = CustomerCursor, CustomerListing

    q = Text(metadata={"description": "Beginnings of words of the name, or the beginning of the phone number."})
