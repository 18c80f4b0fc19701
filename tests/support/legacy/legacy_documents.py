"""Databases of the earlier backend: a realistic one, and one with every kind of defect."""

import random
from datetime import datetime, timedelta
from typing import Any

from bson import Code, Decimal128, Int64, ObjectId
from pymongo.database import Database

Json = dict[str, Any]

_START = datetime(2025, 3, 1, 4, 0)  # noqa: DTZ001  (naive, as the earlier backend wrote them: UTC)


def identity(moment: datetime, number: int) -> ObjectId:
    """Return an ObjectId for an instant, the same each time."""
    seconds = int((moment - datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001
    return ObjectId(f"{seconds:08x}{number:016x}")


def estimate(number: int, moment: datetime = _START, **changes: Any) -> Json:
    items = [{"id": 1_740_000_000_000 + number, "name": "Hammer", "price": 349.5, "quantity": 2, "discount": 0.0}]
    return {
        "_id": identity(moment, number),
        "estimate_id": f"EST-{number:08X}",
        "estimate_number": f"#{number:03d}",
        "customer_name": f"Customer {number}",
        "customer_phone": f"98{number:08d}",
        "customer_address": "12 Market Road",
        "sale_by": "Asha",
        "items": items,
        "subtotal": 699.0,
        "discount_amount": 10.0,
        "is_percentage_discount": True,
        "total": 629.1,
        "created_at": moment,
        "status": "Pending",
        "is_converted_to_order": False,
        "linked_order_id": None,
        "linked_order_number": None,
        **changes,
    }


def order(number: int, moment: datetime = _START, **changes: Any) -> Json:
    body = estimate(number, moment)
    for name in ("estimate_id", "estimate_number", "is_converted_to_order", "linked_order_id", "linked_order_number"):
        del body[name]
    return {
        **body,
        "order_id": f"ORDER-{number:08X}",
        "sale_number": f"#{number:03d}",
        "payment_mode": "UPI: Meera",
        "amount_paid": 629.1,
        "status": "completed",
        "source_estimate_id": None,
        "source_estimate_number": None,
        **changes,
    }


def believable(count: int, seed: int = 1) -> tuple[list[Json], list[Json]]:
    """Return estimates and orders of some months, with gaps in the numbers, a third converted, and some numbers used
    twice."""
    chance = random.Random(seed)
    estimates, orders = [], []
    moment = _START
    for number in range(1, count + 1):
        moment += timedelta(minutes=chance.randrange(1, 30), milliseconds=chance.randrange(1000))
        if chance.random() < 0.03:
            continue
        price, quantity = round(chance.uniform(5, 900), 2), chance.randrange(1, 9)
        total = price * quantity
        figures = {
            "items": [{"id": number, "name": "Paint", "price": price, "quantity": quantity, "discount": 0}],
            "subtotal": total,
            "discount_amount": 0,
            "total": total,
            "sale_by": chance.choice(("Asha", "Ravi", "Meera")),
        }
        sold = {
            **figures,
            "amount_paid": total,
            "payment_mode": chance.choice(("Cash", "Card", "UPI: Meera", "Cheque")),
        }
        shown = number - 1 if chance.random() < 0.02 else number
        is_converted = chance.random() < 0.33
        links = {"is_converted_to_order": True, "linked_order_id": f"ORDER-{number:08X}"} if is_converted else {}
        estimates.append(estimate(number, moment, **figures, **links, estimate_number=f"#{shown:03d}"))
        source = {"source_estimate_id": f"EST-{number:08X}"} if is_converted else {}
        orders.append(order(number, moment + timedelta(seconds=1), **sold, **source, sale_number=f"#{shown:03d}"))
    return estimates, orders


def nasty() -> tuple[list[Json], list[Json]]:
    """Return a document or two for each rule, and some that break several."""
    hour = timedelta(hours=1)
    estimates = [
        estimate(1, is_converted_to_order=True, linked_order_id="ORDER-00000002"),
        estimate(2, _START + hour, estimate_number="#001"),
        estimate(3, _START + 2 * hour, estimate_id="EST-00000001"),
        estimate(4, _START + 3 * hour, is_converted_to_order=True, linked_order_id="ORDER-DEADBEEF"),
        estimate(5, _START + 4 * hour, linked_order_id="ORDER-00000005"),
        estimate(6, _START + 5 * hour, estimate_number="1741000000", total=float("nan")),
        estimate(7, _START + 6 * hour, estimate_number=None, estimate_id=None),
        estimate(8, _START + 7 * hour, items=[], total=100.005, subtotal=100.005, discount_amount=0),
        estimate(9, _START + 8 * hour, items="none", total=float("-inf"), discount_amount=float("inf")),
        estimate(10, _START + 9 * hour, total=-50.0, customer_name="\x00\x07", customer_phone=9812345678),
        estimate(11, _START + 10 * hour, estimate_id="all", customer_name="x" * 2_000, customer_address="a\x01b\nc"),
        estimate(12, _START + 11 * hour, created_at="2025-03-01T23:30:00", whatsapp_sent=True, **{"a.b": 1}),
        estimate(13, _START + 12 * hour, created_at=None, estimate_id="EST/../..", estimate_number="#1500"),
        estimate(14, _START + 13 * hour, status="CONVERTED", is_converted_to_order="yes"),
        estimate(15, _START + 14 * hour, estimate_id=Code("EST-CODE"), linked_order_id=Code("ORDER-CODE")),
        {"_id": "bare"},
        {"_id": 7, "items": [None, "text", {}, {"name": 5, "price": "1,200.50", "quantity": -1, "discount": 400}]},
    ]
    orders = [
        order(1, source_estimate_id="EST-00000001"),
        order(2, _START + hour, source_estimate_id="EST-00000001", sale_number="#001"),
        order(3, _START + 2 * hour, source_estimate_id="EST-NOWHERE", status="  CANCELLED "),
        order(4, _START + 3 * hour, status="shipped", payment_mode=None),
        order(5, _START + 4 * hour, amount_paid=None, status="Canceled"),
        order(6, _START + 5 * hour, amount_paid=float("nan"), total=1e300),
        order(7, _START + 6 * hour, amount_paid=-1, total=Decimal128("12.345"), sale_number=12),
        order(8, _START + 7 * hour, total=Int64(500), amount_paid=1e9, sale_number="#20250301103000"),
        order(9, _START + 8 * hour, created_at=datetime(9999, 12, 31, 23, 59), sale_by=None),  # noqa: DTZ001
        order(10, _START + 9 * hour, items=[{"name": "Nails", "price": float("inf"), "quantity": 0}] * 3),
        {"_id": ObjectId("67c2a0000000000000000001"), "order_id": "ORDER-0000000F"},
    ]
    return estimates, orders


def fill(database: Database[Any], documents: tuple[list[Json], list[Json]]) -> None:
    for name, each in zip(("estimates", "orders"), documents, strict=True):
        database[name].insert_many(each)
