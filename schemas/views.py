"""The schemas that show documents, made once for the shop's time zone."""

from typing import Any
from zoneinfo import ZoneInfo

from schemas.documents import ConversionReceipt, Document, EstimateReceipt, EstimateSchema, OrderReceipt, OrderSchema
from schemas.events import TYPES
from schemas.rollups import ESTIMATES, ORDERS

Json = dict[str, Any]


class Views:
    """Stored documents and digests, as JSON objects."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.estimate = EstimateSchema(zone).dump
        self.order = OrderSchema(zone).dump
        self.estimate_receipt = EstimateReceipt(zone).dump
        self.order_receipt = OrderReceipt(zone).dump
        self.conversion_receipt = ConversionReceipt(zone).dump
        self.of_kind = {ESTIMATES: self.estimate, ORDERS: self.order}

    def history_entry(self, kind: str, document: Document) -> Json:
        """An estimate or an order as the one list of both shows it, with the names that this list always had."""
        shown: Json = self.of_kind[kind](document)
        return {
            **shown,
            "type": TYPES[kind],
            "customer": shown["customer_name"],
            "amount": shown["total"],
            "time": document["business_date"],
        }
