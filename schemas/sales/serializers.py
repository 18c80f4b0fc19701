"""The schemas that show documents, made once for the shop's time zone."""

from functools import cache
from zoneinfo import ZoneInfo

from schemas.core.collections import ESTIMATES, ORDERS
from schemas.sales.documents import (
    ConversionReceipt,
    EstimateEntry,
    EstimateReceipt,
    EstimateSchema,
    OrderEntry,
    OrderReceipt,
    OrderSchema,
)


class Serializers:
    """Serialize estimates and orders, and their digests."""

    def __init__(self, zone: ZoneInfo) -> None:
        self.estimate = EstimateSchema(zone).dump
        self.order = OrderSchema(zone).dump
        self.estimate_receipt = EstimateReceipt(zone).dump
        self.order_receipt = OrderReceipt(zone).dump
        self.conversion_receipt = ConversionReceipt(zone).dump
        self.of_kind = {ESTIMATES: self.estimate, ORDERS: self.order}
        #: Estimates and orders as the one list of both shows them.
        self.entries = {ESTIMATES: EstimateEntry(zone).dump, ORDERS: OrderEntry(zone).dump}


@cache
def serializers_for(zone: ZoneInfo) -> Serializers:
    """Return the views of a time zone, which are made once: that takes as long as some sales."""
    return Serializers(zone)
