"""The serializers of estimates and orders, created once for each time zone."""

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
