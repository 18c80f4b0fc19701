"""Bodies as clients send them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


def line(price: float = 100.0, quantity: float = 1, discount: float = 0.0, **changes: Any) -> Json:
    return {"id": 1, "name": "Test Item", "price": price, "quantity": quantity, "discount": discount, **changes}


def estimate_body(
    items: Sequence[Json] | None = None, *, discount: float = 0.0, is_percentage: bool = True, **changes: Any
) -> Json:
    """Return the body of an estimate, computed as the phone app does: in binary floating point, without rounding."""
    lines = [line()] if items is None else list(items)
    subtotal = 0.0
    for each in lines:
        subtotal += each["price"] * each["quantity"] * (1 - each["discount"] / 100)
    total = subtotal - subtotal * discount / 100 if is_percentage else subtotal - discount
    return {
        "customer_name": "Test Customer",
        "customer_phone": "1234567890",
        "customer_address": "Test Address",
        "sale_by": "Test User",
        "items": lines,
        "subtotal": subtotal,
        "discount_amount": discount,
        "is_percentage_discount": is_percentage,
        "total": total,
        **changes,
    }


def sale_body(*args: Any, **changes: Any) -> Json:
    """Return the body of a sale: that of an estimate, paid in full, in cash."""
    return estimate_body(*args, **changes)


def an_event(seq: int) -> Json:
    """Return an event as the journal writes it to the log."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    names = {"customer_name": "Asha", "sale_by": "Ravi", "status": "Pending"}
    data = {"_id": f"EST-{seq}", "number": seq, "total": 100, "created_at": now, "version": 1, **names}
    return {"type": "estimate", "action": "create", "id": f"EST-{seq}", "data": data, "seq": seq, "at": now}
