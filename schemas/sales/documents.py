"""Estimates and orders in their stored form."""

from typing import Any

from schemas.core import money
from schemas.core.documents import Document
from schemas.core.errors import InvalidBody
from schemas.sales import pricing


def draft(body: dict[str, Any]) -> Document:
    """Return the stored fields that a loaded `EstimateBody` determines, with verified totals.

    :returns: customer_name, customer_phone, customer_address, sale_by; items, each with id, name, price, quantity,
        discount and total; subtotal, discount, discount_percentage, round_off, total. Units as in `schemas.core.money`.
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
            {"id": position, **item, "total": total}
            for position, (item, total) in enumerate(zip(items, bill.line_totals, strict=True), start=1)
        ],
        "subtotal": bill.subtotal,
        "discount": bill.discount,
        "discount_percentage": bill.discount_percentage,
        "round_off": bill.round_off,
        "total": bill.total,
    }


def draft_sale(body: dict[str, Any]) -> Document:
    """Return a `draft` of a loaded `SaleBody`, with payment_mode and amount_paid (default: the client's total).

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
    document["amount_paid"] = amount_paid
    document["payment_mode"] = body["payment_mode"]
    return document
