"""Sums near the limit of 64 bits: only a document that would make a sum overflow is rejected."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from repositories.sales import commands
from schemas.core.collections import CUSTOMERS, TOTALS
from schemas.core.limits import MAX_TOTAL
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.shop import Shop

SALE = "/api/orders/create-sale"
MOST = 2**63 - 1
PHONE = {"customer_phone": "98220 12345"}


@asynccontextmanager
async def nearly_full(shop: Shop, measure: str, room: int, kind: str = TOTALS, **rows: Any) -> AsyncIterator[None]:
    """Fill a sum until only `room` is left, and undo that at the end."""
    collection = shop.database[kind]
    mine = {"_id.store": shop.store, "_id.staff": "Test User"} if kind == TOTALS else {"store": shop.store}
    found = await collection.find({**mine, **rows, measure: {"$exists": True}}).to_list(None)
    assert found
    filled = []
    for row in found:
        amount: Any = row
        for name in measure.split("."):
            amount = amount[name]
        filled.append((row["_id"], MOST - room - amount))
        await collection.update_one({"_id": row["_id"]}, {"$inc": {measure: filled[-1][1]}})
    try:
        yield
    finally:
        for row_id, added in filled:
            await collection.update_one({"_id": row_id}, {"$inc": {measure: -added}})


async def assert_rejected(shop: Shop, method: str, path: str, **options: Any) -> None:
    response = await shop.http.request(method, path, **options)
    assert (response.status_code, response.json()["code"]) == (422, "sums_full"), response.text


@pytest.mark.parametrize("value", [10_000_000_000.01, 1e11, 1e12])
async def test_totals_and_payments_are_limited_to_ten_billion(shop: Shop, value: float) -> None:
    path = f"/api/estimates/{(await shop.estimate())['estimate_id']}/convert-to-order"
    large: dict[str, Any] = {"items": [line(value / 1e5, 1e5)], "subtotal": value, "total": value}
    for target, body, pointer in (
        (SALE, sale_body(**large), "/total"),
        ("/api/estimates/create", estimate_body(**large), "/total"),
        (SALE, sale_body(amount_paid=value), "/amount_paid"),
        (path, {"amount_paid": value}, "/amount_paid"),
    ):
        response = await shop.http.post(target, json=body)
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, pointer), response.text
    assert (await shop.sale(items=[line(1e7, 1e3)], amount_paid=MAX_TOTAL))["total"] == MAX_TOTAL


@pytest.mark.parametrize("body", [{}, {"amount_paid": 1}])
async def test_an_older_estimate_above_the_limit_cannot_be_converted(
    shop: Shop, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    estimate = await shop.estimate(items=[line(200, 1)], subtotal=200, total=200)
    monkeypatch.setattr(commands, "MAX_TOTAL", 199_99)
    path = f"/api/estimates/{estimate['estimate_id']}"
    response = await shop.http.post(f"{path}/convert-to-order", json=body)
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/total"), response.text
    await shop.ok("PUT", path, json=estimate_body(items=[line(199, 1)], subtotal=199, total=199))
    assert (await shop.convert(estimate["estimate_id"], **body))["total"] == 199


@pytest.mark.parametrize(("measure", "room"), [("paid", 150_00), ("sold", 150_00), ("count", 1)])
@pytest.mark.parametrize("span", ["day", "month", "year"])
async def test_only_the_sale_that_would_overflow_is_rejected(shop: Shop, measure: str, room: int, span: str) -> None:
    first = await shop.sale()
    async with nearly_full(shop, f"orders.Completed.{measure}", room, **{"_id.span": span}):
        body = sale_body(created_at="2026-12-01T10:20:30.5")
        booked = await shop.ok("POST", SALE, json=body)
        await assert_rejected(shop, "POST", SALE, json=sale_body())
        # A retry is answered, since it adds nothing.
        assert await shop.ok("POST", SALE, json=body) == booked
        assert (await shop.sale(sale_by="Another"))["sale_number"] == "#003"
        # A void makes room.
        await shop.ok("DELETE", f"/api/orders/{first['order_id']}")
        assert (await shop.sale())["sale_number"] == "#004"


async def test_an_estimate_or_conversion_that_would_overflow_is_rejected(shop: Shop) -> None:
    estimates = [(await shop.estimate())["estimate_id"] for _ in range(2)]
    await shop.sale(payment_mode="Card")
    async with nearly_full(shop, "estimates.Pending.total", 150_00):
        await shop.estimate()
        await assert_rejected(shop, "POST", "/api/estimates/create", json=estimate_body())
        await assert_rejected(shop, "PUT", f"/api/estimates/{estimates[0]}", json=estimate_body([line(400.0)]))
    async with nearly_full(shop, "orders.Completed.paid", 150_00, **{"_id.mode": "card"}):
        await shop.convert(estimates[0], payment_mode="Card")
        await assert_rejected(
            shop, "POST", f"/api/estimates/{estimates[1]}/convert-to-order", json={"payment_mode": "Card"}
        )
        await shop.convert(estimates[1])


async def test_a_status_change_that_would_overflow_is_rejected(shop: Shop) -> None:
    orders = [(await shop.sale())["order_id"] for _ in range(3)]
    query = {"status": "Refunded"}
    await shop.ok("PUT", f"/api/orders/{orders[0]}/status", params=query)
    async with nearly_full(shop, "orders.Refunded.sold", 150_00):
        await shop.ok("PUT", f"/api/orders/{orders[1]}/status", params=query)
        await assert_rejected(shop, "PUT", f"/api/orders/{orders[2]}/status", params=query)


async def test_a_void_that_would_overflow_is_rejected(shop: Shop) -> None:
    order = await shop.convert((await shop.estimate())["estimate_id"])
    await shop.estimate()
    path = f"/api/orders/{order['order_id']}"
    async with nearly_full(shop, "estimates.Pending.total", 50_00):
        await assert_rejected(shop, "DELETE", path, params={"keep_estimate": "true"})
        assert (await shop.get(path))["status"] == "Completed"


@pytest.mark.parametrize(("measure", "room"), [("sold", 50_00), ("paid", 50_00), ("orders", 0)])
async def test_a_sale_that_would_overflow_the_sums_of_its_customer_is_rejected(
    shop: Shop, measure: str, room: int
) -> None:
    await shop.sale(**PHONE)
    async with nearly_full(shop, f"sums.{measure}", room, CUSTOMERS, phone_e164="+919822012345"):
        await assert_rejected(shop, "POST", SALE, json=sale_body(**PHONE))
        assert (await shop.sale(customer_phone="98220 54321"))["sale_number"] == "#002"


async def test_in_a_group_only_sales_that_would_overflow_are_rejected(shop: Shop) -> None:
    await shop.sale()
    async with nearly_full(shop, "orders.Completed.paid", 150_00):
        bodies = [sale_body(**({} if number % 10 == 0 else {"sale_by": "Another"})) for number in range(40)]
        answers = await asyncio.gather(*(shop.http.post(SALE, json=body) for body in bodies))
    codes = [answer.status_code for answer in answers]
    assert sorted(codes[::10]) == [201, 422, 422, 422]
    assert [code for number, code in enumerate(codes) if number % 10] == [201] * 36
    numbers = sorted(answer.json()["sale_number"] for answer in answers if answer.status_code == 201)
    assert numbers == [f"#{number:03d}" for number in range(2, 39)]


async def test_lists_and_reports_work_with_full_sums(shop: Shop) -> None:
    for mode in ("Cash", "Card"):
        await shop.sale(payment_mode=mode)
    async with nearly_full(shop, "orders.Completed.paid", 0), nearly_full(shop, "orders.Completed.sold", 0):
        report = await shop.get("/api/reports/today")
        assert report["orders"]["total_amount"] == 2 * MOST / 100
        for path in ("/api/board", "/api/orders/separate", "/api/reports/staff-performance", "/api/reports/stores"):
            assert (await shop.http.get(path)).status_code == 200, path


async def test_the_total_of_a_list_may_exceed_64_bits(shop: Shop) -> None:
    orders = [await shop.sale() for _ in range(2)]
    mine, paid = {"_id": {"$in": [each["order_id"] for each in orders]}}, {"amount_paid": MOST - 7}
    await shop.database.orders.update_many(mine, {"$set": paid})
    listed = (await shop.get("/api/orders/orders-only", q="Test", limit=1))["orders"]
    await shop.database.orders.update_many(mine, {"$set": {"amount_paid": 100_00}})
    assert listed["total_amount"] == pytest.approx(2 * MOST / 100)
