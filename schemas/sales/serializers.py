"""The serializers of estimates, orders and receipts."""

from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from marshmallow import fields

from schemas.core import money
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.core.limits import MAX_TOTAL
from schemas.fields.amounts import Money, Percent, Quantity
from schemas.fields.fast_schema import FastSchema
from schemas.fields.outputs import DocumentNumber, LineItemsOutput, PublicId, ShopTime, ZonedSchema
from schemas.sales import statuses

#: Fields that few documents have.
RARE_FIELDS: Final = frozenset(("note",))
#: Of an imported document, in currency units: its total and its discount are each at most the largest amount.
_MOST_ROUND_OFF: Final = 2 * money.MAX_MONEY // money.MINOR_PER_UNIT


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


class Serializers:
    """The functions that serialize estimates, orders and receipts."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.estimate = EstimateSchema(zone).dump
        self.order = OrderSchema(zone).dump
        self.estimate_receipt = EstimateReceipt(zone).dump
        self.order_receipt = OrderReceipt(zone).dump
        self.conversion_receipt = ConversionReceipt(zone).dump
        self.of_kind = {ESTIMATES: self.estimate, ORDERS: self.order}
        #: For the common list of estimates and orders.
        self.entries = {ESTIMATES: EstimateEntry(zone).dump, ORDERS: OrderEntry(zone).dump}


@cache
def serializers_for(zone: ZoneInfo) -> Serializers:
    """Return the serializers of a time zone, created once: that takes as long as several sales."""
    return Serializers(zone)
