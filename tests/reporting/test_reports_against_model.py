"""Reports over HTTP agree with a model in decimal money, after random sequences of operations."""

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.sales.statuses import payment_group
from tests.support.clock import Clock
from tests.support.payloads import estimate_body, line
from tests.support.shop import OpenShop, Shop

KOLKATA = ZoneInfo("Asia/Kolkata")
MODES = ("Cash", "UPI: Asha", "Barter")
#: The last one is not a phone number, and creates no customer.
PHONES = ("9822012345", "+91 98111 11211", "020 2553 1234", "1234567890")


@dataclass
class Model:
    """The expected reports of a shop, by day, in decimal money."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    estimates: dict[str, dict[str, Any]] = field(default_factory=dict)

    def expected(self, day: str) -> dict[str, Any]:
        estimates = [each for each in self.estimates.values() if each["day"] == day]
        orders = [each for each in self.orders.values() if each["day"] == day]
        earning = [each for each in orders if each["status"] not in ("Cancelled", "Refunded")]
        groups: dict[str, Decimal] = defaultdict(Decimal)
        for each in earning:
            groups[payment_group(each["mode"])] += each["paid"]
        return {
            "estimates": (len(estimates), float(sum((each["total"] for each in estimates), Decimal(0)))),
            "converted": sum(each["order"] is not None for each in estimates),
            "orders": (len(earning), float(sum((each["paid"] for each in earning), Decimal(0)))),
            "cancelled": sum(each["status"] == "Cancelled" for each in orders),
            "refunded": sum(each["status"] == "Refunded" for each in orders),
            "groups": {group: float(amount) for group, amount in groups.items() if amount},
        }

    def expected_customers(self) -> dict[str, tuple[int, float, float, int]]:
        """Return orders, paid, due and estimates of each customer with any, by phone."""
        found = {}
        for phone in PHONES[:-1]:
            orders = [each for each in self.orders.values() if each["phone"] == phone]
            earning = [each for each in orders if each["status"] not in ("Cancelled", "Refunded")]
            paid = sum((each["paid"] for each in earning), Decimal(0))
            due = sum((each["total"] for each in earning), Decimal(0)) - paid
            estimates = sum(each["phone"] == phone for each in self.estimates.values())
            found[phone] = (len(earning), float(paid), float(due), estimates)
        return {phone: sums for phone, sums in found.items() if any(sums)}


@pytest.mark.parametrize("seed", range(12))
async def test_reports_agree_with_a_model_after_any_sequence(open_shop: OpenShop, seed: int) -> None:
    chance, clock, model = random.Random(seed), Clock(), Model()
    shop = await open_shop(clock=clock)
    days = set()
    for _ in range(40):
        if chance.random() < 0.1:
            clock.advance(hours=chance.choice([5, 12, 30]))
        day = clock.now.astimezone(KOLKATA).date().isoformat()
        days.add(day)
        await chance.choice(STEPS)(shop, chance, model, day)
    for day in days:
        report = await shop.get("/api/reports/date-range", start_date=day, end_date=day)
        estimates, orders = report["estimates"], report["orders"]
        found = {
            "estimates": (estimates["count"], estimates["total_amount"]),
            "converted": estimates["conversion_breakdown"]["converted"],
            "orders": (orders["count"], orders["total_amount"]),
            "cancelled": orders["cancelled"]["count"],
            "refunded": orders["refunded"]["count"],
            "groups": {mode: row["amount"] for mode, row in orders["payment_breakdown"].items() if row["amount"]},
        }
        assert found == model.expected(day), (seed, day)
    customers = {each["phone"]: each for each in (await shop.get("/api/customers"))["customers"]}
    sums = {
        phone: (each["total_orders"], each["total_spent"], each["total_due"], each["estimates"])
        for phone, each in customers.items()
    }
    assert {phone: each for phone, each in sums.items() if any(each)} == model.expected_customers(), seed
    listed = await shop.get("/api/orders/separate")
    assert {item["id"] for item in listed["orders"]["items"]} == set(model.orders)
    assert {item["id"] for item in listed["estimates"]["items"]} == set(model.estimates)


async def quote(shop: Shop, chance: random.Random, model: Model, day: str) -> None:
    price = Decimal(chance.randrange(1, 100_000)) / 100
    phone = chance.choice(PHONES)
    receipt = await shop.estimate(items=[line(float(price))], customer_phone=phone)
    model.estimates[receipt["estimate_id"]] = {"day": day, "total": price, "order": None, "phone": phone}


async def sell(shop: Shop, chance: random.Random, model: Model, day: str) -> None:
    price = Decimal(chance.randrange(1, 100_000)) / 100
    paid, mode = chance.choice([price, price / 2]).quantize(Decimal("0.01")), chance.choice(MODES)
    phone = chance.choice(PHONES)
    bill = {"items": [line(float(price))], "customer_phone": phone}
    receipt = await shop.sale(**bill, amount_paid=float(paid), payment_mode=mode)
    order = {"day": day, "paid": paid, "mode": mode, "status": "Completed", "estimate": None}
    order |= {"total": price, "phone": phone}
    model.orders[receipt["order_id"]] = order


async def convert(shop: Shop, chance: random.Random, model: Model, day: str) -> None:
    pending = [key for key, each in model.estimates.items() if each["order"] is None]
    if pending:
        estimate_id, mode = chance.choice(pending), chance.choice(MODES)
        receipt = await shop.convert(estimate_id, payment_mode=mode)
        estimate = model.estimates[estimate_id]
        estimate["order"] = receipt["order_id"]
        order = {"day": day, "paid": estimate["total"], "mode": mode, "status": "Completed", "estimate": estimate_id}
        order |= {name: estimate[name] for name in ("total", "phone")}
        model.orders[receipt["order_id"]] = order


async def edit(shop: Shop, chance: random.Random, model: Model, _: str) -> None:
    pending = [key for key, each in model.estimates.items() if each["order"] is None]
    if pending:
        estimate_id, price = chance.choice(pending), Decimal(chance.randrange(1, 100_000)) / 100
        phone = chance.choice(PHONES)
        body = estimate_body([line(float(price))], customer_phone=phone)
        await shop.ok("PUT", f"/api/estimates/{estimate_id}", json=body)
        model.estimates[estimate_id] |= {"total": price, "phone": phone}


async def end(shop: Shop, chance: random.Random, model: Model, _: str) -> None:
    completed = [key for key, each in model.orders.items() if each["status"] == "Completed"]
    if completed:
        order_id, status = chance.choice(completed), chance.choice(["Cancelled", "Refunded"])
        await shop.ok("PUT", f"/api/orders/{order_id}/status", params={"status": status})
        model.orders[order_id]["status"] = status


async def void(shop: Shop, chance: random.Random, model: Model, _: str) -> None:
    if model.orders and chance.random() < 0.5:
        order_id, keep = chance.choice(sorted(model.orders)), chance.random() < 0.5
        await shop.ok("DELETE", f"/api/orders/{order_id}", params={"keep_estimate": str(keep).lower()})
        estimate_id = model.orders.pop(order_id)["estimate"]
        if estimate_id and keep:
            model.estimates[estimate_id]["order"] = None
        elif estimate_id:
            del model.estimates[estimate_id]


STEPS: list[Callable[..., Any]] = [quote, quote, sell, sell, convert, convert, edit, end, void]
