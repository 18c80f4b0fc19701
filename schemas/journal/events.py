"""Events: their types and actions, and how clients receive them."""

from collections.abc import Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from schemas.core.calendar import shop_time
from schemas.core.collections import DOCUMENT_KINDS, ESTIMATES, EVENT_TYPES, MESSAGES, ORDERS, TOPICS
from schemas.core.document_numbers import format_number
from schemas.core.money import to_json

Event = Mapping[str, Any]

CREATE, UPDATE, DELETE, CONVERT = "create", "update", "delete", "convert_to_order"
ACTIONS: Final = (CREATE, UPDATE, DELETE, CONVERT)
COLLECTIONS_BY_TYPE: Final = {name: kind for kind, name in EVENT_TYPES.items()}


def stored_event(event: Event) -> dict[str, Any]:
    """Return an event as the log stores it: its data without the members that follow from the event itself."""
    implied = _implied(event)
    data = {name: value for name, value in event["data"].items() if name not in implied or implied[name] != value}
    return {**event, "data": data}


def event_data(event: Event) -> dict[str, Any]:
    """Return the data of an event, stored or not."""
    return {**_implied(event), **event["data"]}


def _implied(event: Event) -> dict[str, Any]:
    """Return members of the data of estimates and orders, as most events have them."""
    kind, action = COLLECTIONS_BY_TYPE[event["type"]], event["action"]
    if kind not in DOCUMENT_KINDS:
        return {}
    created = {"created_at": event["at"], "version": 1}
    if action == CONVERT:
        return {"_id": event["order_id"], "number": event["order_number"], "estimate_id": event["id"], **created}
    of_orders = {"estimate_id": None, "estimate_number": None} if kind == ORDERS else {}
    return {"_id": event["id"], **of_orders, **(created if action == CREATE else {})}


def event_topics(event: Event) -> tuple[str, ...]:
    """Return the topics of an event: the collection, as `orders`, and the same with the document's id.

    A conversion belongs to the topics of the estimate and of the new order; an event for owners only has no topic.
    """
    kind = COLLECTIONS_BY_TYPE[event["type"]]
    if kind not in TOPICS:
        return ()
    topics = (kind, f"{kind}/{event['id']}")
    return (*topics, ORDERS, f"{ORDERS}/{event['order_id']}") if event["action"] == CONVERT else topics


def render_event(event: Event, zone: ZoneInfo) -> bytes:
    """Return an event as clients receive it, as JSON: type, action, id, data, seq, at; and order_id and order_number of
    a conversion. The existing app casts these two to strings, so other events do not have them as null.

    Without a schema, since each client waits for it after each commit: this takes a fifth of the time.
    """
    shown = {
        "type": event["type"],
        "action": event["action"],
        "id": event["id"],
        "data": _data(event, zone),
    }
    if event["action"] == CONVERT:
        shown["order_id"] = event["order_id"]
        shown["order_number"] = format_number(event["order_number"])
    shown["seq"] = event["seq"]
    shown["at"] = shop_time(event["at"], zone)
    return orjson.dumps(shown)


def _data(event: Event, zone: ZoneInfo) -> dict[str, Any]:
    summary = event_data(event)
    if event["type"] == EVENT_TYPES[MESSAGES]:
        return {name: value for name, value in summary.items() if name != "_id"}
    if event["type"] == EVENT_TYPES[ESTIMATES] and event["action"] != CONVERT:
        data = {"estimate_id": summary["_id"], "estimate_number": format_number(summary["number"])}
    else:
        data = {
            "order_id": summary["_id"],
            "sale_number": format_number(summary["number"]),
            "amount_paid": to_json(summary["amount_paid"]),
            "payment_mode": summary["payment_mode"],
        }
        if summary["estimate_id"] is not None:
            data["estimate_id"] = summary["estimate_id"]
            data["estimate_number"] = format_number(summary["estimate_number"])
    return data | {
        "customer_name": summary["customer_name"],
        "total": to_json(summary["total"]),
        "created_at": shop_time(summary["created_at"], zone),
        "sale_by": summary["sale_by"],
        "status": summary["status"],
        "version": summary["version"],
    }
