"""Estimates and orders: the request bodies that create them, and the schemas that serialize them.

Inside the service, documents have their stored form (see `draft`).
"""

from typing import Any, Final

from marshmallow import fields

from schemas.core import money
from schemas.core.documents import Document
from schemas.core.errors import InvalidBody
from schemas.core.limits import MAX_PRICE, MAX_TOTAL
from schemas.fields.amounts import ClientFigure, Money, Percent, Quantity
from schemas.fields.body import Body
from schemas.fields.fast_schema import FastSchema
from schemas.fields.inputs import LineId, LineItems, OneOf, QueryBoolean, StrictBoolean, Text
from schemas.fields.outputs import DocumentNumber, LineItemsOutput, PublicId, ShopTime, ZonedSchema
from schemas.sales import pricing, statuses

#: Fields that few documents have.
RARE_FIELDS: Final = frozenset(("note",))
#: Of an imported document, in currency units: its total and its discount are each at most the largest amount.
_MOST_ROUND_OFF: Final = 2 * money.MAX_MONEY // money.MINOR_PER_UNIT


class LineBody(Body):
    error_messages = {"type": "must have a name, a price and a quantity"}  # noqa: RUF012  (as marshmallow has it)

    id = LineId()
    name = Text(required=True)
    price = Money(required=True, maximum=MAX_PRICE)
    quantity = Quantity(required=True)
    discount = Percent(load_default=0)


class EstimateBody(Body):
    """The body that creates or replaces an estimate."""

    customer_name = Text(required=True)
    customer_phone = Text(blank=True, load_default="")
    customer_address = Text(blank=True, lines=True, load_default="")
    sale_by = Text(required=True)
    items = LineItems(LineBody, required=True)
    subtotal = ClientFigure(required=True)
    discount_amount = ClientFigure(load_default=0)
    is_percentage_discount = StrictBoolean(load_default=False)
    total = ClientFigure(required=True, maximum=MAX_TOTAL, late_rounding=True)


class SaleBody(EstimateBody):
    """The body that creates a sale: an estimate's, and the payment."""

    amount_paid = ClientFigure(maximum=MAX_TOTAL, late_rounding=True)
    payment_mode = Text(load_default=statuses.CASH)


class ConvertBody(Body):
    """The payment of a converted estimate; every field may be left out."""

    amount_paid = Money(maximum=MAX_TOTAL, round_excess=True)
    payment_mode = Text(load_default=statuses.CASH)
    sale_by = Text()


class StatusChange(Body):
    """The new status of an order; left out where the query has it."""

    status = OneOf(statuses.ORDER_STATUSES)


class StatusQuery(StatusChange):
    """The new status of an order in the query, under either name."""

    new_status = OneOf(statuses.ORDER_STATUSES)


class VoidQuery(Body):
    """Why a document is voided, and by whom."""

    reason = Text(blank=True, load_default="")
    by = Text(blank=True, load_default="")
    keep_estimate = QueryBoolean(load_default=False)


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


class LineSchema(FastSchema):
    id = fields.Raw(metadata={"type": ["integer", "string"]})
    name = fields.String()
    price = Money()
    quantity = Quantity()
    discount = Percent()
    total = Money()


class _DocumentSchema(ZonedSchema):
    """The common fields of estimates and orders."""

    id = PublicId()
    _id = PublicId()
    customer_name = fields.String()
    customer_phone = fields.String()
    customer_address = fields.String()
    sale_by = fields.String()
    items = LineItemsOutput(LineSchema)
    items_count = fields.Function(
        lambda document: len(document["items"]),
        metadata={
            "type": "integer",
            "minimum": 0,
            "description": "At least 1; 0 of a document that was taken over from the earlier backend without lines.",
        },
    )
    subtotal = Money()
    discount_amount = fields.Method("get_discount_amount", metadata={"type": "number", "minimum": 0})
    is_percentage_discount = fields.Function(
        lambda document: document["discount_percentage"] is not None, metadata={"type": "boolean"}
    )
    discount_percentage = Percent()
    discount_value = Money(attribute="discount")
    round_off = Money(
        metadata={
            "minimum": -_MOST_ROUND_OFF,
            "maximum": _MOST_ROUND_OFF,
            "description": "Within 1.00, or what late rounding of many lines comes to; of a document that was taken "
            "over from the earlier backend, all that its total differs by from its lines.",
        }
    )
    total = Money(maximum=MAX_TOTAL)
    created_at = ShopTime()
    updated_at = ShopTime()
    note = fields.String(
        metadata={"description": "Of a document that was taken over: its status of then, which we do not have."}
    )
    version = fields.Integer(metadata={"minimum": 1})

    def get_discount_amount(self, document: Document) -> float:
        """Return the discount as the client sent it: a percentage or an amount."""
        percentage = document["discount_percentage"]
        if percentage is None:
            return money.to_json(document["discount"])
        return float(percentage / 10**money.PERCENT_PLACES)


class EstimateSchema(_DocumentSchema):
    estimate_id = PublicId()
    estimate_number = DocumentNumber(attribute="number")
    is_converted_to_order = fields.Boolean(attribute="converted")
    linked_order_id = fields.String(attribute="order_id", allow_none=True)
    linked_order_number = DocumentNumber(attribute="order_number", allow_none=True)
    status = fields.Function(
        lambda document: statuses.CONVERTED if document["converted"] else statuses.PENDING,
        metadata={"type": "string", "enum": list(statuses.ESTIMATE_STATUSES)},
    )


class OrderSchema(_DocumentSchema):
    order_id = PublicId()
    sale_number = DocumentNumber(attribute="number")
    amount_paid = Money(maximum=MAX_TOTAL)
    payment_mode = fields.String()
    status = fields.String(metadata={"enum": list(statuses.ORDER_STATUSES)})
    source_estimate_id = fields.String(attribute="estimate_id", allow_none=True)
    source_estimate_number = DocumentNumber(attribute="estimate_number", allow_none=True)
    is_from_estimate = fields.Function(
        lambda document: document["estimate_id"] is not None, metadata={"type": "boolean"}
    )


class _Entry(FastSchema):
    """The additional fields of the common list of estimates and orders, as existing clients read them."""

    # Functions, since two fields of marshmallow cannot have the same `attribute`.
    customer = fields.Function(lambda document: document["customer_name"], metadata={"type": "string"})
    amount = fields.Function(
        lambda document: money.to_json(document["total"]), metadata={"type": "number", "minimum": 0}
    )
    time = fields.String(attribute="business_date", metadata={"format": "date"})


class EstimateEntry(EstimateSchema, _Entry):
    type = fields.Function(lambda _: "estimate", metadata={"const": "estimate"})


class OrderEntry(OrderSchema, _Entry):
    type = fields.Function(lambda _: "order", metadata={"const": "order"})


class EstimateReceipt(ZonedSchema):
    """The response to the creation of an estimate."""

    estimate_id = PublicId()
    estimate_number = DocumentNumber(attribute="number")
    customer_name = fields.String()
    total = Money(maximum=MAX_TOTAL)
    created_at = ShopTime()


class OrderReceipt(ZonedSchema):
    """The response to a sale."""

    order_id = PublicId()
    sale_number = DocumentNumber(attribute="number")
    customer_name = fields.String()
    total = Money(maximum=MAX_TOTAL)
    created_at = ShopTime()


class ConversionReceipt(OrderReceipt):
    """The response to the conversion of an estimate."""

    estimate_id = fields.String()
    estimate_number = DocumentNumber()
    payment_mode = fields.String()
    amount_paid = Money(maximum=MAX_TOTAL)
