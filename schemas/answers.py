"""What the service answers, as JSON Schema: each answer is a component of the API's description, under its name here.

Estimates, orders and receipts are described by the very schemas that show them. Lists and reports are put together by
hand, since they are streamed or made of rollups; the tests hold what is answered against what stands here.
"""

from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.accounts import DeviceSchema, UserSchema
from schemas.asyncapi import EVENT
from schemas.board import LATEST
from schemas.documents import (
    ConversionReceipt,
    EstimateEntry,
    EstimateReceipt,
    EstimateSchema,
    OrderEntry,
    OrderReceipt,
    OrderSchema,
)
from schemas.events import ACTIONS, TYPES
from schemas.gst import STATES
from schemas.json_schema import NUMBER
from schemas.principals import OWNER, ROLES
from schemas.reports import RECENT
from schemas.shop_head import PAPERS
from schemas.shown_fields import ZonedSchema
from schemas.statuses import ALL_STATUSES, ORDER_STATUSES, PAYMENT_GROUPS

Json = dict[str, Any]

_ANY_ZONE: Final = ZoneInfo("UTC")
#: The schemas that show documents. All the members of what they show are there.
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


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def array(items: Json) -> Json:
    return {"type": "array", "items": items}


def record(**members: Json) -> Json:
    """An object that has these members, all of them, and no others."""
    return {"type": "object", "properties": members, "required": list(members), "additionalProperties": False}


_TEXT: Final[Json] = {"type": "string"}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_AMOUNT: Final[Json] = {"type": "number", "minimum": 0}
_TIME: Final[Json] = {"type": "string", "format": "date-time"}
_DAY: Final[Json] = {"type": "string", "format": "date"}
_TRUTH: Final[Json] = {"type": "boolean"}
_TRUE: Final[Json] = {"const": True}
_OPTIONAL: Final[Json] = {"type": ["string", "null"]}
_OPTIONAL_NUMBER: Final[Json] = {**NUMBER, "type": ["string", "null"]}
#: Null for what is older than the audit.
_ACTOR: Final[Json] = {
    **record(
        id=_TEXT, name=_TEXT, role={"enum": list(ROLES)}, device=_OPTIONAL, address=_OPTIONAL, request_id=_OPTIONAL
    ),
    "type": ["object", "null"],
}
_KIND: Final[Json] = {"enum": ["estimate", "order"]}

_TALLY: Final = record(count=_COUNT, amount=_AMOUNT)
_CONVERSIONS: Final = record(pending=_COUNT, converted=_COUNT)
_SUMMARY: Final[Json] = {
    "total_sales": _AMOUNT,
    "total_orders": _COUNT,
    "total_estimates": _COUNT,
    "completed_sales": _COUNT,
}
_TAIL: Final[Json] = {
    "statistics": record(average_sale=_AMOUNT, conversion_rate={"type": "number", "minimum": 0, "maximum": 1}),
    "staff_performance": array(ref("StaffPerformance")),
    "recent_items": {**array(ref("RecentItem")), "maxItems": RECENT},
}
_ESTIMATE_ITEMS: Final = array(ref("Estimate"))
_ORDER_ITEMS: Final = array(ref("Order"))
_APART: Final[Json] = {
    "payment_breakdown": record(**dict.fromkeys(PAYMENT_GROUPS, _TALLY)),
    "cancelled": _TALLY,
    "refunded": _TALLY,
    "total_sold": {**_AMOUNT, "description": "What these orders were sold for, paid or not."},
    "items": _ORDER_ITEMS,
}
_DAYS: Final[Json] = {
    "summary": record(
        total_transactions=_COUNT, total_revenue=_AMOUNT, estimates_count=_COUNT, orders_count=_COUNT, **_SUMMARY
    ),
    "estimates": record(count=_COUNT, total_amount=_AMOUNT, conversion_breakdown=_CONVERSIONS, items=_ESTIMATE_ITEMS),
    "orders": record(count=_COUNT, total_amount=_AMOUNT, **_APART),
    **_TAIL,
}
_BY_DAY: Final[Json] = {
    "type": "object",
    "propertyNames": _DAY,
    "additionalProperties": record(count=_COUNT, total=_AMOUNT),
    "minProperties": 28,
    "maxProperties": 31,
}
_DATABASE: Final = record(
    status={"enum": ["connected", "unreachable", "restoring", "emptied"]},
    latency_ms={"type": ["number", "null"], "minimum": 0},
)
_HEALTH: Final[Json] = {
    "status": {"enum": ["healthy", "unhealthy"]},
    "timestamp": _TIME,
    "service": _TEXT,
    "version": _TEXT,
    "database": _DATABASE,
}

_NAME_OR_NULL: Final[Json] = {"type": ["string", "null"]}
_ACCESS: Final[Json] = {"access_token": _TEXT, "token_type": {"const": "bearer"}, "expires_in": _COUNT}
_RENEWABLE: Final[Json] = {**_ACCESS, "refresh_token": _TEXT}


_DAY_OR_NONE: Final[Json] = {"type": ["string", "null"], "format": "date"}
_OF_A_STORE: Final[Json] = {
    "orders_count": _COUNT,
    "total_revenue": {**_AMOUNT, "description": "What was paid, of what the store keeps, as in every report."},
    "total_sold": {**_AMOUNT, "description": "What these orders were sold for, paid or not."},
    "estimates_count": _COUNT,
    "estimates_total": _AMOUNT,
}


#: Of the settings of a shop: texts, and switches of the app.
_BUSINESS: Final = (
    *("business_name", "business_address", "business_phone", "business_email", "gst_number", "api_url"),
    *("address_line1", "address_line2", "address_line3", "footer", "upi_id", "number_prefix"),
)
_SWITCHES: Final = (
    *("enable_notifications", "enable_auto_backup", "enable_dark_mode", "enable_sound_effects"),
    *("enable_whatsapp_integration", "enable_sms_integration"),
)


def _partly(shape: Json, **members: Json) -> Json:
    """A record that may have these members as well."""
    return {**shape, "properties": {**shape["properties"], **members}}


def _receipt(name: str, **numbers: Json) -> Json:
    return record(success=_TRUE, message=_TEXT, data=ref(name), **numbers)


def _group(items: Json) -> Json:
    return record(items=items, count=_COUNT, total_amount=_AMOUNT)


ANSWERS: Final[dict[str, Json]] = {
    "EstimateCreated": _receipt("EstimateReceipt", estimate_id=_TEXT, estimate_number=NUMBER),
    "SaleCreated": _receipt("OrderReceipt", order_id=_TEXT, sale_number=NUMBER),
    "EstimateConverted": _receipt("ConversionReceipt", order_id=_TEXT, sale_number=NUMBER),
    "Done": record(success=_TRUE, message=_TEXT),
    "StatusChanged": record(success=_TRUE, message=_TEXT, status={"enum": list(ORDER_STATUSES)}),
    "EstimateList": _ESTIMATE_ITEMS,
    "TransactionList": array({"oneOf": [ref("EstimateEntry"), ref("OrderEntry")]}),
    "OrderList": record(orders=_group(_ORDER_ITEMS)),
    "SeparateLists": record(
        estimates=_group(_ESTIMATE_ITEMS),
        orders=_group(_ORDER_ITEMS),
        summary=record(total_estimates=_COUNT, total_orders=_COUNT, total_transactions=_COUNT, total_revenue=_AMOUNT),
    ),
    "StaffPerformance": record(
        staff_name={"type": "string", "minLength": 1},
        estimates_count=_COUNT,
        estimates_total=_AMOUNT,
        orders_count=_COUNT,
        orders_total=_AMOUNT,
        total_transactions=_COUNT,
        total_revenue=_AMOUNT,
        total_sales=_COUNT,
        total_amount=_AMOUNT,
    ),
    "RecentItem": record(
        type=_KIND, customer_name=_TEXT, total=_AMOUNT, status={"enum": list(ALL_STATUSES)}, created_at=_TIME
    ),
    "TodayReport": record(date=_DAY, **_DAYS),
    "RangeReport": record(date_range=record(start=_DAY, end=_DAY), **_DAYS),
    "MonthReport": record(
        period={"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"},
        summary=record(total_estimates_amount=_AMOUNT, total_orders_amount=_AMOUNT, total_revenue=_AMOUNT, **_SUMMARY),
        daily_breakdown=record(estimates=_BY_DAY, orders=_BY_DAY),
        **_TAIL,
    ),
    "StaffReport": record(
        summary=record(total_staff=_COUNT, total_transactions=_COUNT, total_revenue=_AMOUNT, **_SUMMARY), **_TAIL
    ),
    "EstimatesReport": record(
        estimates=record(
            total_count=_COUNT, total_amount=_AMOUNT, conversion_breakdown=_CONVERSIONS, items=_ESTIMATE_ITEMS
        ),
        summary=record(**_SUMMARY),
        **_TAIL,
    ),
    "OrdersReport": record(
        orders=record(total_count=_COUNT, total_amount=_AMOUNT, **_APART), summary=record(**_SUMMARY), **_TAIL
    ),
    "StoresReport": record(
        start_date=_DAY_OR_NONE,
        end_date=_DAY_OR_NONE,
        stores=array(record(store=_TEXT, **_OF_A_STORE)),
        total=record(**_OF_A_STORE),
    ),
    "Board": record(
        version=_TEXT,
        currency=_TEXT,
        timezone=_TEXT,
        position=_TEXT,
        date=_DAY,
        **_DAYS,
        by_hour=array(record(hour={"type": "integer", "minimum": 0, "maximum": 23}, orders=_TALLY, estimates=_TALLY)),
        latest={**array(ref("LatestSale")), "maxItems": LATEST},
    ),
    "LatestSale": record(
        order_id=_TEXT,
        sale_number=NUMBER,
        created_at=_TIME,
        sale_by=_TEXT,
        payment_mode=_TEXT,
        amount_paid=_AMOUNT,
        total=_AMOUNT,
        status={"enum": list(ORDER_STATUSES)},
    ),
    "SignedIn": record(**_RENEWABLE, user=ref("Profile")),
    "SignedInAtDevice": record(**_ACCESS, user=ref("Profile")),
    "Renewed": record(**_RENEWABLE),
    "Profile": record(id=_TEXT, name=_TEXT, role={"enum": list(ROLES)}, store=_NAME_OR_NULL, device=_NAME_OR_NULL),
    "UserList": array(ref("User")),
    "DeviceList": array(ref("Device")),
    "DeviceEnrolled": record(device=ref("Device"), key=_TEXT),
    "PublicLink": record(id=_TEXT, url=_TEXT, pdf_url=_TEXT, expires_at=_TIME),
    "LinkList": record(links=array(ref("Link"))),
    "Link": record(
        id=_TEXT,
        created_at=_TIME,
        expires_at=_TIME,
        viewed_at={"type": ["string", "null"], "format": "date-time"},
        views=_COUNT,
        is_open={"type": "boolean"},
    ),
    "Event": EVENT,
    "AuditPage": array(ref("AuditRow")),
    "AuditRow": record(
        seq={"type": "integer", "minimum": 1},
        at=_TIME,
        type={"enum": list(TYPES.values())},
        action={"enum": list(ACTIONS)},
        id=_TEXT,
        number=_OPTIONAL_NUMBER,
        by=_ACTOR,
        before={"type": ["object", "null"], "description": "The fields that were changed, as they were."},
        after={"type": "object", "description": "The same fields as they are now; of what is new, what it is."},
        hash={"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
    ),
    "Customer": record(
        **dict.fromkeys(("id", "customer_id", "name", "phone", "email", "address", "notes"), _TEXT),
        created_at=_TIME,
        last_visit=_TIME,
        total_orders=_COUNT,
        total_spent=_AMOUNT,
        total_due={"type": "number", "description": "What was sold to them less what they paid."},
        estimates=_COUNT,
        version={"type": "integer", "minimum": 1},
    ),
    "CustomerList": record(customers=array(ref("Customer"))),
    "CustomerSaved": record(success=_TRUE, message=_TEXT, data=ref("Customer"), customer_id=_TEXT),
    "ShopSettings": _partly(
        record(
            **dict.fromkeys(_BUSINESS, _TEXT),
            **dict.fromkeys(_SWITCHES, _TRUTH),
            state={"enum": ["", *STATES]},
            state_name={"enum": ["", *STATES.values()]},
            paper={"enum": list(PAPERS)},
            has_logo=_TRUTH,
            version=_COUNT,
        ),
        logo={"type": "string", "description": "In base64; with `logo=true`."},
    ),
    "EventPage": record(epoch=_TEXT, head=_COUNT, low=_COUNT, next=_COUNT, events=array(ref("Event"))),
    "Ticket": record(ticket=_TEXT, expires_in=_COUNT),
    "Welcome": record(
        message=_TEXT,
        service=_TEXT,
        version=_TEXT,
        health=_TEXT,
        api=_TEXT,
        websocket=_TEXT,
        docs=_TEXT,
        openapi=_TEXT,
        asyncapi=_TEXT,
        board=_TEXT,
    ),
    "ApiRoot": record(service=_TEXT, version=_TEXT, status=_TEXT, resources=array(_TEXT)),
    "Version": record(service=_TEXT, version=_TEXT),
    "SetupState": record(claimed={"type": "boolean"}),
    "Claimed": record(
        success=_TRUE, message=_TEXT, data=record(id=_TEXT, username=_TEXT, name=_TEXT, role={"const": OWNER})
    ),
    "Healthy": record(**_HEALTH),
    "Unhealthy": record(detail=_TEXT, **_HEALTH),
    "Alive": record(status={"const": "alive"}),
    "Ready": record(status={"const": "ready"}),
    "HubStatus": record(
        connected_clients=_COUNT,
        status={"enum": ["active", "degraded"]},
        epoch=_TEXT,
        head=_COUNT,
        low=_COUNT,
        lag=_COUNT,
        doorbell_age_seconds=_AMOUNT,
        looked_seconds_ago=_AMOUNT,
    ),
    "Document": {"type": "object", "description": "A description of this service, in the format that it names."},
}
