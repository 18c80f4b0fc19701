"""The content of the live board in a real browser."""

import asyncio
import re
import time

import pytest
from playwright.async_api import Route, expect

from tests.support.board_page import Open
from tests.support.clock import Clock
from tests.support.payloads import line
from tests.support.shop import OpenShop, Shop


@pytest.mark.alone
async def test_a_sale_appears_within_a_second(shop: Shop, screen: Open) -> None:
    board = await screen(shop)
    await board.shows("₹0.00", 0)
    seconds = []
    for count in (1, 2, 3):
        await shop.sale()
        began = time.monotonic()
        await board.shows(f"₹{count}00.00", count)
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 1


async def test_a_sale_appears(shop: Shop, screen: Open) -> None:
    board = await screen(shop)
    await board.shows("₹0.00", 0)
    for count, revenue in enumerate(("₹1,23,456.50", "₹2,46,913.00", "₹3,70,369.50"), start=1):
        await shop.sale(items=[line(1_23_456.5)], sale_by="Asha", payment_mode="UPI: Ravi")
        await board.shows(revenue, count)
    await expect(board.page).to_have_title("₹3,70,370 · 3 sales")
    assert [row[1:] for row in await board.rows("latest")] == [
        [f"#{number:03} Asha · UPI: Ravi", "₹1,23,456.50"] for number in (3, 2, 1)
    ]
    assert await board.rows("payment") == [["UPI 3 sales", "₹3,70,369.50"]]
    assert await board.rows("staff") == [["Asha 3 sales", "₹3,70,369.50"]]
    assert board.console_errors == []
    assert {re.sub(r"^\w+://", "", url).split("/")[0] for url in board.requested} == {f"127.0.0.1:{shop.port}"}


async def test_every_change_is_shown(shop: Shop, screen: Open) -> None:
    board = await screen(shop)
    estimate = await shop.estimate(items=[line(500)])
    await expect(board.page.locator("#estimates-aside")).to_have_text("₹500, 1 open")
    order = await shop.convert(estimate["estimate_id"], amount_paid=400.0)
    await board.shows("₹400.00", 1)
    await expect(board.page.locator("#estimates-aside")).to_have_text("₹500, 0 open")
    await expect(board.page.locator("#average-aside")).to_have_text("₹100.00 still due")
    await shop.ok("PUT", f"/api/orders/{order['order_id']}/status", params={"status": "Cancelled"})
    await board.shows("₹0.00", 0)
    await expect(board.page.locator("#orders-aside")).to_have_text("1 cancelled")
    await shop.ok("DELETE", f"/api/orders/{order['order_id']}")
    await expect(board.page.locator("#latest-empty")).to_be_visible()
    await expect(board.page.locator("#estimates")).to_have_text("0")


async def test_the_chart_has_the_figures_of_its_table(open_shop: OpenShop, screen: Open) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    for hour, price in ((8, 100), (12, 400), (17, 200)):
        clock.at(f"2026-03-14T{hour:02}:15:00+05:30")
        await shop.sale(items=[line(price)])
    board = await screen(shop)
    heights = {
        hour: (await board.page.locator(f"[data-hour='{hour}']").bounding_box() or {})["height"] for hour in (8, 12, 17)
    }
    assert heights[12] == pytest.approx(4 * heights[8], abs=2)
    assert heights[12] == pytest.approx(2 * heights[17], abs=2)
    await expect(board.page.locator("#chart")).to_have_accessible_name(
        "Takings by hour. Most so far in the hour from 12:00: ₹400.00."
    )
    await board.page.get_by_text("Figures by hour").click()
    assert await board.rows("hour") == [
        ["08:00", "1", "₹100.00", "0"],
        ["12:00", "1", "₹400.00", "0"],
        ["17:00", "1", "₹200.00", "0"],
    ]


async def test_at_midnight_the_new_day_begins(open_shop: OpenShop, screen: Open) -> None:
    clock = Clock()
    clock.at("2026-03-14T23:59:30+05:30")
    shop = await open_shop(clock=clock)
    await shop.sale()
    board = await screen(shop, clock=clock.now)
    await board.shows("₹100.00", 1)
    await expect(board.page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^Saturday 14 March 23:59$"))
    clock.at("2026-03-15T00:00:00+05:30")
    await board.page.clock.fast_forward(31_000)
    await board.shows("₹0.00", 0)
    await expect(board.page.get_by_role("heading", level=1)).to_have_text(re.compile(r"^Sunday 15 March 00:00$"))
    await board.is_live()


async def test_many_concurrent_sales_need_few_requests(shop: Shop, screen: Open) -> None:
    board = await screen(shop)
    before, began = board.loads, time.monotonic()
    await asyncio.gather(*(shop.sale() for _ in range(60)))
    await board.shows("₹6,000.00", 60)
    assert board.loads - before <= 2 + (time.monotonic() - began) / 0.4


async def test_a_new_version_reloads_the_page(shop: Shop, screen: Open) -> None:
    board = await screen(shop)

    async def send_newer_version(route: Route) -> None:
        figures = await (await route.fetch()).json()
        await route.fulfill(json={**figures, "version": "newer"})

    await board.page.route("**/api/board", send_newer_version)
    async with board.page.expect_event("load"):
        await shop.sale()
    await board.shows("₹100.00", 1)
    await board.is_live()
    assert len([url for url in board.requested if url.endswith(f":{shop.port}/board")]) == 2


async def test_all_other_sellers_are_summed_up_in_one_row(shop: Shop, screen: Open) -> None:
    """Check that one row has the sum of all sellers that the page does not name."""
    await shop.sale(items=[line(2_000)], sale_by="Asha")
    (order,) = await shop.database.orders.find({"store": shop.store}).to_list()
    others = [
        {
            **order,
            "_id": f"{order['_id']}-{n}",
            "number": n,
            "sale_by": f"Seller {n}",
            "amount_paid": 10_000,
            "total": 10_000,
        }
        for n in range(2, 251)
    ]
    await shop.database.orders.insert_many(others)
    try:
        board = await screen(shop)
        await board.shows("₹26,900.00", 250)
        rows = await board.rows("staff")
    finally:
        await shop.database.orders.delete_many({"_id": {"$in": [each["_id"] for each in others]}})
    assert rows[0] == ["Asha 1 sale", "₹2,000.00"]
    others_count = 250 - (len(rows) - 1)
    assert rows[-1] == [f"{others_count} others {others_count} sales", f"₹{others_count * 100:,}.00"]
