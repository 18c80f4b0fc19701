"""Events: their types and actions, and how clients receive them."""

from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from schemas.core.calendar import shop_time
from schemas.core.collections import ESTIMATES, EVENT_TYPES, MESSAGES, ORDERS, TOPICS
from schemas.core.document_numbers import format_number
from schemas.core.money import to_json
from schemas.journal.documents import Event

CREATE, UPDATE, DELETE, CONVERT = "create", "update", "delete", "convert_to_order"
ACTIONS: Final = (CREATE, UPDATE, DELETE, CONVERT)
COLLECTIONS_BY_TYPE: Final = {name: kind for kind, name in EVENT_TYPES.items()}


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
    shown: dict[str, Any] = {
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
    summary = event["data"]
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
