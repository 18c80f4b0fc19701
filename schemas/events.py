"""What changed, as it is stored in the event log and as a plain WebSocket client receives it."""

from typing import Any

import orjson
from marshmallow import fields, post_dump

from schemas.documents import ConversionReceipt, EstimateReceipt
from schemas.fields import Number, ShopTime, ZonedSchema
from schemas.rollups import ESTIMATES, ORDERS
from schemas.statuses import CONVERTED, PENDING

Event = dict[str, Any]

CREATE, UPDATE, DELETE, CONVERT = "create", "update", "delete", "convert_to_order"
TYPES = {ESTIMATES: "estimate", ORDERS: "order"}


def digest(kind: str, document: dict[str, Any]) -> dict[str, Any]:
    """The short form of a document that answers its creation, travels in its events, and is remembered for retries."""
    short = {
        name: document[name] for name in ("_id", "number", "customer_name", "sale_by", "total", "created_at", "version")
    }
    if kind == ESTIMATES:
        short["status"] = CONVERTED if document["converted"] else PENDING
    else:
        for name in ("status", "amount_paid", "payment_mode", "estimate_id", "estimate_number"):
            short[name] = document[name]
    return short


class EstimateData(EstimateReceipt):
    sale_by = fields.String()
    status = fields.String()
    version = fields.Integer()


class OrderData(ConversionReceipt):
    sale_by = fields.String()
    status = fields.String()
    version = fields.Integer()


class EventSchema(ZonedSchema):
    """One text frame: type, action, id, data, seq, at; order_id and order_number where an estimate became an order."""

    type = fields.String()
    action = fields.String()
    id = fields.String()
    data = fields.Method("get_data")
    order_id = fields.String()
    order_number = Number()
    seq = fields.Integer()
    at = ShopTime()

    def __init__(self, zone: Any, **kwargs: Any) -> None:
        super().__init__(zone, **kwargs)
        self._estimate = EstimateData(zone)
        self._order = OrderData(zone)

    def get_data(self, event: Event) -> dict[str, Any]:
        is_estimate = event["type"] == TYPES[ESTIMATES] and event["action"] != CONVERT
        dumped: dict[str, Any] = (self._estimate if is_estimate else self._order).dump(event["data"])
        return {key: value for key, value in dumped.items() if value is not None}

    @post_dump
    def strings_only(self, frame: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """The existing app casts order_id and order_number to strings, so they are left out rather than null."""
        return {key: value for key, value in frame.items() if value is not None}

    def frame(self, event: Event) -> str:
        """The event as the JSON text of one WebSocket frame."""
        return orjson.dumps(self.dump(event)).decode()
