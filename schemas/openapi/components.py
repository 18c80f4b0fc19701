"""The JSON Schemas of responses: each is a component of the API's description, under its name here.

Estimates, orders and receipts are described by the schemas that serialize them. Lists and reports are described by
hand, since they are streamed or made of rollups; tests compare the responses with these descriptions.
"""

from typing import Final
from zoneinfo import ZoneInfo

from schemas.accounts.accounts import DeviceSchema, UserSchema
from schemas.accounts.responses import ACCOUNT_RESPONSES
from schemas.fields.outputs import ZonedSchema
from schemas.fields.shapes import AMOUNT, COUNT, NUMBER, TEXT, TIME, TRUE, Json, array, record, ref, with_optional
from schemas.live.asyncapi import EVENT
from schemas.messaging.responses import MESSAGE_RESPONSES
from schemas.reporting.responses import ESTIMATE_ITEMS, ORDER_ITEMS, REPORT_RESPONSES
from schemas.sales.serializers import (
    ConversionReceipt,
    EstimateEntry,
    EstimateReceipt,
    EstimateSchema,
    OrderEntry,
    OrderReceipt,
    OrderSchema,
)
from schemas.sales.statuses import ORDER_STATUSES
from schemas.shop.responses import SHOP_RESPONSES

_ANY_ZONE: Final = ZoneInfo("UTC")
#: The schemas that serialize documents, always with all members.
DOCUMENTS: Final[dict[str, ZonedSchema]] = {
    "Estimate": EstimateSchema(_ANY_ZONE),
    "Order": OrderSchema(_ANY_ZONE),
    "EstimateEntry": EstimateEntry(_ANY_ZONE),
    "OrderEntry": OrderEntry(_ANY_ZONE),
    "EstimateReceipt": EstimateReceipt(_ANY_ZONE),
    "OrderReceipt": OrderReceipt(_ANY_ZONE),
    "ConversionReceipt": ConversionReceipt(_ANY_ZONE),
    "User": UserSchema(_ANY_ZONE),
    "Device": DeviceSchema(_ANY_ZONE),
}

_DATABASE: Final = record(
    status={"enum": ["connected", "unreachable", "restoring", "emptied"]},
    latency_ms={"type": ["number", "null"], "minimum": 0},
)
#: Only where the clocks of the service and of the database differ.
_CLOCK: Final = record(status={"const": "wrong"}, behind_seconds={"type": "number"})
_HEALTH: Final[Json] = {
    "status": {"enum": ["healthy", "unhealthy"]},
    "timestamp": TIME,
    "service": TEXT,
    "version": TEXT,
    "database": _DATABASE,
}


def _receipt(name: str, **numbers: Json) -> Json:
    return record(success=TRUE, message=TEXT, data=ref(name), **numbers)


def _group(items: Json) -> Json:
    return record(items=items, count=COUNT, total_amount=AMOUNT)


RESPONSES: Final[dict[str, Json]] = {
    **REPORT_RESPONSES,
    **ACCOUNT_RESPONSES,
    **SHOP_RESPONSES,
    **MESSAGE_RESPONSES,
    "EstimateCreated": _receipt("EstimateReceipt", estimate_id=TEXT, estimate_number=NUMBER),
    "SaleCreated": _receipt("OrderReceipt", order_id=TEXT, sale_number=NUMBER),
    "EstimateConverted": _receipt("ConversionReceipt", order_id=TEXT, sale_number=NUMBER),
    "Done": record(success=TRUE, message=TEXT),
    "StatusChanged": record(success=TRUE, message=TEXT, status={"enum": list(ORDER_STATUSES)}),
    "EstimateList": ESTIMATE_ITEMS,
    "TransactionList": array({"oneOf": [ref("EstimateEntry"), ref("OrderEntry")]}),
    "OrderList": record(orders=_group(ORDER_ITEMS)),
    "SeparateLists": record(
        estimates=_group(ESTIMATE_ITEMS),
        orders=_group(ORDER_ITEMS),
        summary=record(total_estimates=COUNT, total_orders=COUNT, total_transactions=COUNT, total_revenue=AMOUNT),
    ),
    "Event": EVENT,
    "EventPage": record(epoch=TEXT, head=COUNT, low=COUNT, next=COUNT, events=array(ref("Event"))),
    "Welcome": record(
        message=TEXT,
        service=TEXT,
        version=TEXT,
        health=TEXT,
        api=TEXT,
        websocket=TEXT,
        docs=TEXT,
        openapi=TEXT,
        asyncapi=TEXT,
        board=TEXT,
    ),
    "ApiRoot": record(service=TEXT, version=TEXT, status=TEXT, resources=array(TEXT)),
    "Version": record(service=TEXT, version=TEXT),
    "Healthy": with_optional(record(**_HEALTH), clock=_CLOCK),
    "Unhealthy": with_optional(record(detail=TEXT, **_HEALTH), clock=_CLOCK),
    "Alive": record(status={"const": "alive"}),
    "Ready": with_optional(record(status={"const": "ready"}), clock=_CLOCK),
    "HubStatus": record(
        connected_clients=COUNT,
        status={"enum": ["active", "degraded"]},
        epoch=TEXT,
        head=COUNT,
        low=COUNT,
        lag=COUNT,
        doorbell_age_seconds=AMOUNT,
        looked_seconds_ago=AMOUNT,
    ),
    "Document": {"type": "object", "description": "A description of this service, in the format that it names."},
}
