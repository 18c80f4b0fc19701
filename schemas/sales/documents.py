"""Estimates and orders in their stored form.

Money is in minor units, a quantity in thousandths, a percentage in millionths of a percent.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NotRequired, TypedDict, cast, final

from schemas.core import money
from schemas.core.documents import Signature, Versioned, select
from schemas.core.errors import InvalidBody
from schemas.sales import pricing
from schemas.sales.statuses import CONVERTED, PENDING


class LineItem(TypedDict):
    id: int | str  # as the client sends it; without one, the position from 1
    name: str
    price: int
    quantity: int
    discount: int  # a percentage
    total: int


class Draft(TypedDict):
    """What the body of an estimate determines: subtotal - discount + round_off = total."""

    customer_name: str
    customer_phone: str
    customer_address: str
    sale_by: str
    items: list[LineItem]
    subtotal: int
    discount: int
    discount_percentage: int | None  # None: the discount is an amount
    round_off: int
    total: int


class SaleDraft(Draft):
    amount_paid: int
    payment_mode: str


class Searchable(TypedDict):
    terms: list[str]  # words of the search
    phone_e164: str | None  # identifies the customer


class EstimateFields(Draft, Searchable):
    converted: bool
    order_id: str | None
    order_number: int | None


class OrderFields(SaleDraft, Searchable):
    status: str
    payment_group: str  # of `payment_mode`
    estimate_id: str | None
    estimate_number: int | None


class _Numbered(Versioned):
    number: int
    business_date: str  # YYYY-MM-DD, in the store's time zone
    retry_keys: NotRequired[list[str]]  # idempotency keys that are released when it is voided, if there are any
    void_reason: NotRequired[str | None]  # of voided documents, as `voided_by`
    voided_by: NotRequired[str]
    created_by: NotRequired[Signature]  # imported documents have no signatures
    changed_by: NotRequired[Signature]  # absent until the first change
    note: NotRequired[str]  # the earlier status of an imported document


@final
class Estimate(EstimateFields, _Numbered):
    pass


@final
class Order(OrderFields, _Numbered):
    pass


SalesDocument = Estimate | Order


class Summary(TypedDict):
    """The short form of a document: the response to its creation, and the data of its events."""

    _id: str
    number: int
    customer_name: str
    sale_by: str
    total: int
    created_at: datetime
    version: int
    status: str


class OrderSummary(Summary):
    amount_paid: int
    payment_mode: str
    estimate_id: str | None
    estimate_number: int | None


def summarize(document: SalesDocument) -> Summary | OrderSummary:
    short: Summary = {
        "_id": document["_id"],
        "number": document["number"],
        "customer_name": document["customer_name"],
        "sale_by": document["sale_by"],
        "total": document["total"],
        "created_at": document["created_at"],
        "version": document["version"],
        "status": PENDING,
    }
    if "amount_paid" not in document:
        return {**short, "status": CONVERTED} if document["converted"] else short
    return {
        **short,
        "status": document["status"],
        "amount_paid": document["amount_paid"],
        "payment_mode": document["payment_mode"],
        "estimate_id": document["estimate_id"],
        "estimate_number": document["estimate_number"],
    }


def draft(body: Mapping[str, Any]) -> Draft:
    """Return what a loaded `EstimateBody` determines, with verified totals.

    :raises TotalsMismatch: the client's figures do not follow from the lines.
    """
    items = body["items"]
    claim = pricing.ClientTotals(
        body["subtotal"], body["discount_amount"], body["is_percentage_discount"], body["total"]
    )
    bill = pricing.verify_totals(
        [pricing.Line(item["price"], item["quantity"], item["discount"]) for item in items], claim
    )
    return {
        "customer_name": body["customer_name"],
        "customer_phone": body["customer_phone"],
        "customer_address": body["customer_address"],
        "sale_by": body["sale_by"],
        "items": [
            cast("LineItem", {"id": position, **item, "total": total})
            for position, (item, total) in enumerate(zip(items, bill.line_totals, strict=True), start=1)
        ],
        "subtotal": bill.subtotal,
        "discount": bill.discount,
        "discount_percentage": bill.discount_percentage,
        "round_off": bill.round_off,
        "total": bill.total,
    }


def draft_of(document: SalesDocument) -> Draft:
    """Return the fields of a document that its body determined."""
    return cast("Draft", select(document, Draft.__annotations__))


def draft_sale(body: Mapping[str, Any]) -> SaleDraft:
    """Return what a loaded `SaleBody` determines. The default of the amount paid is the client's total.

    The amount paid is stored as the client sends it, to the minor unit, also where the stored total is another one: the
    customer saw and paid this amount.

    :raises TotalsMismatch: the client's figures do not follow from the lines.
    :raises InvalidBody: the amount paid is negative.
    """
    document = draft(body)
    paid = body.get("amount_paid", body["total"])
    is_total = paid == money.to_json(document["total"])
    amount_paid = document["total"] if is_total else money.round_to_units(paid, money.MONEY_PLACES)
    if amount_paid < 0 and paid == body["total"]:
        # A free bill whose total was rounded late, and paid in full.
        amount_paid = 0
    if amount_paid < 0:
        raise InvalidBody(
            "amount_paid: must be 0 or more.", [{"pointer": "/amount_paid", "detail": "must be 0 or more"}]
        )
    return {**document, "amount_paid": amount_paid, "payment_mode": body["payment_mode"]}
