"""The live board: its figures over HTTP, and its page in a real browser, live, cut off and live again."""

import asyncio
import re
import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, Route, WebSocketRoute, expect

from repositories.together import Together
from schemas.calendar import day_bounds
from tests.board import FORBIDDEN, NOT_LIVE, Open, Screen, dismiss_all
from tests.clock import Clock
from tests.payloads import line
from tests.processes import services
from tests.shop import OpenShop, Shop

ASSETS = sorted(path.name for path in Path(__file__).parents[1].joinpath("endpoints", "board").iterdir())
RESTARTING, TRY_LATER, BAD_FRAME, TOO_SLOW = 1012, 1013, 4400, 4430


async def test_the_figures_are_those_of_the_report(open_shop: OpenShop) -> None:
    """All kinds of documents, at all kinds of hours; the report reads totals, the board adds up documents."""
    clock = Clock()
    shop = await open_shop(clock=clock)
    clock.at("2026-03-13T23:59:59+05:30")
    await shop.sale()
    for hour, minute in ((0, 0), (9, 29), (9, 30), (14, 59), (23, 59)):
        clock.at(f"2026-03-14T{hour:02}:{minute:02}:00+05:30")
        kept = await shop.sale(items=[line(10.1 + hour)], sale_by="Asha", payment_mode="Card")
        await shop.sale(items=[line(99.99)], sale_by="Ravi", payment_mode="UPI: Asha", amount_paid=50.0)
        estimate = await shop.estimate(items=[line(70)])
        await shop.convert(estimate["estimate_id"])
        await shop.estimate(items=[line(30)])
        for status in ("Cancelled", "Refunded"):
            order = await shop.sale()
            await shop.ok("PUT", f"/api/orders/{order['order_id']}/status", params={"status": status})
    await shop.ok("DELETE", f"/api/orders/{kept['order_id']}")

    board, report = await shop.get("/api/board"), await shop.get("/api/reports/today", items=0)
    assert board["date"] == report["date"] == "2026-03-14"
    for name in ("summary", "estimates", "orders", "statistics", "staff_performance"):
        assert board[name] == report[name]
    busy = {row["hour"]: (row["orders"]["count"], row["estimates"]["count"]) for row in board["by_hour"]}
    assert {hour: counts for hour, counts in busy.items() if any(counts)} == {
        0: (3, 2),
        9: (6, 4),
        14: (3, 2),
        23: (2, 2),
    }
    assert board["by_hour"][9]["orders"]["amount"] == round(2 * (19.1 + 50 + 70), 2)
    assert [hour["hour"] for hour in board["by_hour"]] == list(range(24))
    newest = await shop.get("/api/orders/all", limit=500)
    newest = [order["order_id"] for order in newest if order["type"] == "order"][:12]
    assert [sale["order_id"] for sale in board["latest"]] == newest
    assert "customer_name" not in board["latest"][0]


@pytest.mark.parametrize(
    ("zone", "hour"), [("Asia/Kathmandu", 5), ("America/St_Johns", 21), ("Pacific/Chatham", 13), ("UTC", 0)]
)
async def test_hours_are_those_of_the_shops_zone(open_shop: OpenShop, zone: str, hour: int) -> None:
    clock = Clock()
    clock.at("2026-03-14T00:10:00+00:00")
    shop = await open_shop(clock=clock, timezone=ZoneInfo(zone))
    await shop.sale()
    assert [row["hour"] for row in (await shop.get("/api/board"))["by_hour"] if row["orders"]["count"]] == [hour]


def test_a_day_lasts_as_long_as_its_clocks_say() -> None:
    def hours(day: date, zone: str) -> float:
        begin, end = day_bounds(day, ZoneInfo(zone))
        return (end - begin).total_seconds() / 3_600

    assert hours(date(2026, 3, 29), "Europe/Berlin") == 23
    assert hours(date(2026, 10, 25), "Europe/Berlin") == 25
    assert hours(date(2026, 3, 14), "Asia/Kolkata") == 24


async def test_asking_again_is_cheap_and_never_wrong(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock, currency="EUR")
    await shop.sale()
    first = await shop.http.get("/api/board")
    body = first.json()
    assert (body["currency"], body["timezone"]) == ("EUR", "Asia/Kolkata")
    assert body["position"].endswith(f".{first.headers['x-stream-position']}")
    held = {"If-None-Match": first.headers["etag"]}
    assert (await shop.http.get("/api/board", headers=held)).status_code == 304
    await shop.sale()
    second = await shop.http.get("/api/board", headers=held)
    assert (second.status_code, second.json()["orders"]["count"]) == (200, 2)
    clock.advance(days=1)
    third = await shop.http.get("/api/board", headers={"If-None-Match": second.headers["etag"]})
    assert (third.status_code, third.json()["orders"]["count"]) == (200, 0)


async def test_the_page_is_guarded_and_held(shop: Shop) -> None:
    assert (await shop.get("/"))["board"] == "/board"
    for path in ("/board", *(f"/board/{name}" for name in ASSETS if name != "board.html")):
        response = await shop.http.get(path)
        assert response.status_code == 200, path
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        held = await shop.http.get(path, headers={"If-None-Match": response.headers["etag"]})
        assert (held.status_code, held.content) == (304, b"")
    assert (await shop.http.get("/board/board.html")).status_code == 404
    assert (await shop.http.get("/board/..%2Fboard.py")).status_code == 404


async def test_a_sale_appears_within_a_second(shop: Shop, screen: Open) -> None:
    board = await screen(shop)
    await board.shows("₹0.00", 0)
    seconds = []
    for count, revenue in enumerate(("₹1,23,456.50", "₹2,46,913.00", "₹3,70,369.50"), start=1):
        await shop.sale(items=[line(1_23_456.5)], sale_by="Asha", payment_mode="UPI: Ravi")
        began = time.monotonic()
        await board.shows(revenue, count)
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 1
    await expect(board.page).to_have_title("₹3,70,370 · 3 sales")
    assert [row[1:] for row in await board.rows("latest")] == [
        [f"#{number:03} Asha · UPI: Ravi", "₹1,23,456.50"] for number in (3, 2, 1)
    ]
    assert await board.rows("payment") == [["UPI 3 sales", "₹3,70,369.50"]]
    assert await board.rows("staff") == [["Asha 3 sales", "₹3,70,369.50"]]
    assert board.complaints == []
    assert {re.sub(r"^\w+://", "", url).split("/")[0] for url in board.asked} == {f"127.0.0.1:{shop.port}"}


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


async def test_the_chart_says_what_its_table_says(open_shop: OpenShop, screen: Open) -> None:
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


async def test_a_cut_is_said_and_mended(shop: Shop, screen: Open) -> None:
    board = await screen(shop, clock=datetime.now(UTC))
    for count, code in enumerate((RESTARTING, TOO_SLOW, TRY_LATER), start=1):
        board.said.clear()
        dismiss_all(shop, code)
        await shop.sale()
        await board.has_said(NOT_LIVE)
        await board.page.clock.fast_forward(8_000)
        await board.is_live()
        await board.shows(f"₹{count}00.00", count)
    assert board.complaints == []


@pytest.mark.parametrize(("code", "sentence"), [(BAD_FRAME, "load it again"), (FORBIDDEN, "may not listen")])
async def test_where_coming_back_is_no_use_it_says_so(shop: Shop, screen: Open, code: int, sentence: str) -> None:
    board = await screen(shop)
    dismiss_all(shop, code)
    await expect(board.page.get_by_role("status")).to_have_text(re.compile(NOT_LIVE.pattern + f".*{sentence}"))
    await expect(board.page.locator("html")).to_have_attribute("data-state", "off")
    # The figures are still asked for each minute, and do not make it look live.
    await board.page.evaluate("dispatchEvent(new Event('online'))")
    await shop.sale()
    await expect(board.page.get_by_role("status")).to_contain_text(sentence)


async def test_a_full_house_is_asked_again_later(open_shop: OpenShop, screen: Open) -> None:
    shop = await open_shop(max_connections=1)
    async with shop.listen():
        board = await screen(shop, until=NOT_LIVE, clock=datetime.now(UTC))
    await shop.sale()
    await board.page.clock.fast_forward(8_000)
    await board.is_live()
    await board.shows("₹100.00", 1)


async def test_figures_that_do_not_come_are_not_live(shop: Shop, screen: Open) -> None:
    board = await screen(shop, clock=datetime.now(UTC))
    away = asyncio.Event()

    async def refuse(route: Route) -> None:
        away.set()
        await route.fulfill(status=503)

    await board.page.route("**/api/board", refuse)
    await shop.sale()
    await asyncio.wait_for(away.wait(), 5)
    await board.has_said(NOT_LIVE)
    await board.page.unroute("**/api/board")
    await board.page.clock.fast_forward(3_000)
    await board.is_live()
    await board.shows("₹100.00", 1)


async def test_a_line_that_went_dead_without_a_word_is_noticed(shop: Shop, screen: Open) -> None:
    """A proxy holds the socket, and lets nothing through any more."""
    lines: list[asyncio.Event] = []

    def hold(route: WebSocketRoute) -> None:
        server, is_dead = route.connect_to_server(), asyncio.Event()
        route.on_message(lambda message: None if is_dead.is_set() else server.send(message))
        server.on_message(lambda message: None if is_dead.is_set() else route.send(message))
        lines.append(is_dead)

    board = await screen(shop, sockets=hold, clock=datetime.now(UTC))
    lines[0].set()
    await shop.sale()
    await board.page.clock.fast_forward(11_000)
    await board.page.clock.fast_forward(9_000)
    await board.has_said(NOT_LIVE)
    await board.is_live()
    await board.shows("₹100.00", 1)


async def test_a_killed_server_loses_nothing(open_shop: OpenShop, mongodb_url: str, browser: Browser) -> None:
    """Two servers on one store: the one that the screen hangs on is killed, the other sells on."""
    shop = await open_shop()
    context = await browser.new_context()
    async with services(mongodb_url, shop.store, 1) as (server,):
        board = await Screen(await context.new_page()).opened(server.port)
        await shop.sale()
        await board.shows("₹100.00", 1)
        await server.kill()
        await board.has_said(NOT_LIVE)
        await shop.sale()
        await server.start()
        await board.is_live()
        await board.shows("₹200.00", 2)
    await context.close()


async def test_a_new_log_is_followed_from_its_head(open_shop: OpenShop, screen: Open) -> None:
    """What was missed is gone: the board is told to reset, and loads everything anew."""
    shop = await open_shop(ring_capacity=4)
    board = await screen(shop)
    page = board.page
    await page.evaluate(
        """() => {
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (text) { send.call(this, text.replace(/[.][0-9]+/, '.99999')); };
        }"""
    )
    dismiss_all(shop, RESTARTING)
    await shop.sale()
    await board.has_said(NOT_LIVE)
    await board.is_live()
    await board.shows("₹100.00", 1)
    await shop.sale()
    await board.shows("₹200.00", 2)


async def test_a_new_version_brings_its_own_page(shop: Shop, screen: Open) -> None:
    board = await screen(shop)

    async def answer_as_newer(route: Route) -> None:
        figures = await (await route.fetch()).json()
        await route.fulfill(json={**figures, "version": "newer"})

    await board.page.route("**/api/board", answer_as_newer)
    async with board.page.expect_event("load"):
        await shop.sale()
    await board.shows("₹100.00", 1)
    await board.is_live()
    assert len([url for url in board.asked if url.endswith(f":{shop.port}/board")]) == 2


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


async def test_fifty_screens_cost_one_answer(shop: Shop) -> None:
    """While the log stands still the day is added up once, however many ask."""
    await shop.sale()
    hours, added_up = shop.state["hours"], 0
    ask = hours.today

    async def counted() -> Any:
        nonlocal added_up
        added_up += 1
        return await ask()

    hours.today = counted
    answers = await asyncio.gather(*(shop.get("/api/board") for _ in range(50)))
    assert added_up == 1
    assert all(answer == answers[0] for answer in answers)


async def test_a_dear_question_rests_between_two_times() -> None:
    loop = asyncio.get_running_loop()
    began: list[float] = []
    ended: list[float] = []

    async def ask() -> int:
        began.append(loop.time())
        await asyncio.sleep(0.02)
        ended.append(loop.time())
        return len(ended)

    together = Together(ask, share=0.25)
    assert await asyncio.gather(*(together() for _ in range(5))) == [1] * 5
    assert await asyncio.gather(*(together() for _ in range(5))) == [2] * 5
    assert began[1] - ended[0] >= 3 * (ended[0] - began[0]) - 0.001


async def test_many_sales_at_once_are_asked_for_a_few_times(shop: Shop, screen: Open) -> None:
    board = await screen(shop)
    before, began = board.loads, time.monotonic()
    await asyncio.gather(*(shop.sale() for _ in range(60)))
    await board.shows("₹6,000.00", 60)
    assert board.loads - before <= 2 + (time.monotonic() - began) / 0.4
