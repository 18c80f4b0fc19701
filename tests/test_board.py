"""The live board: its figures over HTTP, and its page in a real browser."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, WebSocketRoute, async_playwright, expect

from schemas.calendar import day_bounds
from tests.browser import launched
from tests.clock import Clock
from tests.payloads import line, sale_body
from tests.picture import crowd_the_day
from tests.processes import services
from tests.shop import OpenShop, Shop

ASSETS = sorted(path.name for path in Path(__file__).parents[1].joinpath("endpoints", "board").iterdir())
RESTARTING, TRY_LATER, BAD_FRAME, FORBIDDEN, TOO_SLOW = 1012, 1013, 4400, 4403, 4430


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launched(playwright)
        yield browser
        await browser.close()


LIVE = re.compile("^Live$")
NOT_LIVE = re.compile(r"^Not live since \d\d:\d\d — showing what was known then\.")

# Tells of every sentence that the status line shows, since one may be gone before anybody looks.
TELL = """addEventListener('DOMContentLoaded', () => {
  const state = document.getElementById('state');
  new MutationObserver(() => said(state.textContent)).observe(state, { childList: true });
});"""

# The texts of a page whose colour stands out too little from the colour behind it.
FAINT_TEXTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
      .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'white';
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const element = text.parentElement, style = getComputedStyle(element);
    if (!text.textContent.trim() || !element.checkVisibility()) continue;
    const [a, b] = [light(element instanceof SVGElement ? style.fill : style.color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${text.textContent.trim()}: ${contrast.toFixed(2)}`);
  }
  return faint;
}"""


def dismiss_all(shop: Shop, code: int) -> None:
    """Closes every socket of a shop from its own side."""
    for each in shop.state["screens"]:
        shop.state["screens"].dismiss(each, code)


class Screen:
    """A board in a browser, and all that it did: what it asked for, what its console said."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.said: list[str] = []
        self._has_spoken = asyncio.Event()
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", lambda socket: self.asked.append(socket.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "console", lambda message: message.type in ("error", "warning") and self.complaints.append(message.text)
        )

    async def opened(self, port: int, until: re.Pattern[str] = LIVE) -> "Screen":
        await self.page.expose_function("said", self._hear)
        await self.page.add_init_script(TELL)
        await self.page.goto(f"http://127.0.0.1:{port}/board")
        await self.has_said(until)
        return self

    async def is_live(self) -> None:
        await expect(self.page.get_by_role("status")).to_have_text("Live", timeout=20_000)

    async def has_said(self, sentence: re.Pattern[str]) -> None:
        """Waits until the status line says a sentence, or finds that it has."""
        async with asyncio.timeout(20):
            while not any(sentence.search(each) for each in self.said):
                self._has_spoken.clear()
                await self._has_spoken.wait()

    def _hear(self, sentence: str) -> None:
        self.said.append(sentence)
        self._has_spoken.set()

    @property
    def loads(self) -> int:
        """How often the figures were asked for."""
        return sum(url.endswith("/api/board") for url in self.asked)

    async def shows(self, revenue: str, orders: int) -> None:
        await expect(self.page.locator("#revenue")).to_have_text(revenue)
        await expect(self.page.locator("#orders")).to_have_text(str(orders))

    async def rows(self, name: str) -> list[list[str]]:
        """The cells of the rows of a table of the page, as they can be read."""
        rows = await self.page.locator(f"#{name}-rows tr").all()
        cells = [await row.locator("th, td:not(:has(svg))").all_inner_texts() for row in rows]
        return [[" ".join(text.split()) for text in each] for each in cells]


Open = Callable[..., Any]


@pytest.fixture
async def screen(browser: Browser) -> AsyncIterator[Open]:
    """Opens boards: `await screen(shop, width=360)`."""
    contexts: list[BrowserContext] = []

    async def open_one(
        shop: Shop,
        *,
        width: int = 1280,
        height: int = 800,
        until: re.Pattern[str] = LIVE,
        clock: datetime | None = None,
        sockets: Callable[[WebSocketRoute], None] | None = None,
        **options: Any,
    ) -> Screen:
        contexts.append(await browser.new_context(viewport={"width": width, "height": height}, **options))
        page = await contexts[-1].new_page()
        if clock is not None:
            await page.clock.install(time=clock)
        if sockets is not None:
            await page.route_web_socket("**/ws", sockets)
        return await Screen(page).opened(shop.port, until)

    yield open_one
    for context in contexts:
        await context.close()


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
        "Takings by hour. Most so far from 12 to 13 o’clock: ₹400.00."
    )
    await board.page.get_by_text("Figures by hour").click()
    assert await board.rows("hour") == [
        ["08–09", "1", "₹100.00", "0"],
        ["12–13", "1", "₹400.00", "0"],
        ["17–18", "1", "₹200.00", "0"],
    ]


@pytest.mark.parametrize("code", [RESTARTING, TOO_SLOW, TRY_LATER])
async def test_a_cut_is_said_and_mended(shop: Shop, screen: Open, code: int) -> None:
    board = await screen(shop, clock=datetime.now(UTC))
    await shop.sale()
    await board.shows("₹100.00", 1)
    dismiss_all(shop, code)
    await shop.sale()
    await board.has_said(NOT_LIVE)
    await board.page.clock.fast_forward(8_000)
    await board.is_live()
    await board.shows("₹200.00", 2)
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
    held: list[WebSocketRoute] = []

    def hold(route: WebSocketRoute) -> None:
        if not held:
            server = route.connect_to_server()
            is_dead = asyncio.Event()
            route.on_message(lambda message: None if is_dead.is_set() else server.send(message))
            server.on_message(lambda message: None if is_dead.is_set() else route.send(message))
            route.die = is_dead.set  # type: ignore[attr-defined]
            held.append(route)
        else:
            route.connect_to_server()

    board = await screen(shop, sockets=hold, clock=datetime.now(UTC))
    held[0].die()  # type: ignore[attr-defined]
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


async def test_many_sales_at_once_are_asked_for_a_few_times(shop: Shop, screen: Open) -> None:
    board = await screen(shop)
    before, began = board.loads, time.monotonic()
    await asyncio.gather(*(shop.sale() for _ in range(60)))
    await board.shows("₹6,000.00", 60)
    assert board.loads - before <= 2 + (time.monotonic() - began) / 0.4


@pytest.mark.parametrize("width", [320, 360, 768, 1024, 1366])
async def test_nothing_is_wider_than_the_screen(shop: Shop, screen: Open, width: int) -> None:
    await crowd_the_day(shop)
    board = await screen(shop, width=width)
    assert await board.page.evaluate("document.documentElement.scrollWidth") <= width
    for each in ("#revenue", "#state", "#orders", "#average", "#latest-rows tr:last-child", "#chart"):
        box = await board.page.locator(each).bounding_box()
        assert box is not None
        assert box["x"] >= 0, each
        assert box["x"] + box["width"] <= width, each


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (3840, 2160)])
async def test_the_wall_holds_everything_at_once(shop: Shop, screen: Open, size: tuple[int, int]) -> None:
    await crowd_the_day(shop)
    board = await screen(shop, width=size[0], height=size[1])
    root = "document.documentElement"
    assert await board.page.evaluate(f"[{root}.scrollWidth, {root}.scrollHeight]") == list(size)
    letters = await board.page.evaluate(
        "parseFloat(getComputedStyle(document.querySelector('#latest-rows th')).fontSize)"
    )
    assert letters >= size[1] / 60
    for table in ("payment", "staff", "latest"):
        box = await board.page.locator(f"#{table}-rows").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= size[1]


async def test_it_is_still_for_those_who_want_it_still(shop: Shop, screen: Open) -> None:
    moving, still = await screen(shop, reduced_motion="no-preference"), await screen(shop, reduced_motion="reduce")
    await shop.sale()
    running = "document.querySelector('tr.fresh th').getAnimations().length"
    for board, count in ((moving, 1), (still, 0)):
        await expect(board.page.locator("tr.fresh")).to_have_count(1)
        assert await board.page.evaluate(running) == count
        transition = "getComputedStyle(document.querySelector('.bar')).transitionDuration"
        assert (await board.page.evaluate(transition) == "0s") == (count == 0)


async def test_it_reads_well(shop: Shop, screen: Open) -> None:
    """Landmarks, headings, tables with heads and rows that are named: what a screen reader goes by."""
    await shop.sale(sale_by="Asha")
    page = (await screen(shop)).page
    await expect(page.locator("html")).to_have_attribute("lang", "en")
    for landmark in ("banner", "main"):
        await expect(page.get_by_role(landmark)).to_have_count(1)
    assert await page.get_by_role("heading", level=2).all_inner_texts() == [
        "Takings today",
        "By hour",
        "By payment",
        "Staff",
        "Latest sales",
    ]
    for region in ("Takings today", "By hour", "By payment", "Staff", "Latest sales"):
        await expect(page.get_by_role("region", name=region, exact=True)).to_have_count(1)
    await expect(page.get_by_role("img", name="Takings by hour")).to_have_count(1)
    for region, heads, name in (
        ("By payment", ["Payment", "Takings"], "Cash 1 sale"),
        ("Staff", ["Name", "Takings"], "Asha 1 sale"),
        ("Latest sales", ["Time", "Sale", "Paid"], "#001 Asha · Cash"),
    ):
        table = page.get_by_role("region", name=region).get_by_role("table")
        assert await table.get_by_role("columnheader").all_text_contents() == heads
        await expect(table.get_by_role("rowheader", name=name)).to_have_count(1)
    snapshot = await page.get_by_role("region", name="Takings today").aria_snapshot()
    for words in ("paragraph: ₹100.00", "term: Sales", 'definition: "1"'):
        assert words in snapshot, snapshot


async def test_new_sales_are_announced_sparingly(shop: Shop, screen: Open) -> None:
    board = await screen(shop, clock=datetime.now(UTC))
    news = board.page.locator("#news")
    await expect(news).to_have_attribute("aria-live", "polite")
    await expect(news).to_be_empty()
    await shop.sale(items=[line(1_250)])
    await expect(news).to_have_text("Sale #001, ₹1,250.00, Cash. Takings today: ₹1,250.00.")
    await shop.sale()
    await shop.sale()
    await board.page.clock.fast_forward(1_000)
    await board.shows("₹1,450.00", 3)
    await expect(news).to_have_text("Sale #001, ₹1,250.00, Cash. Takings today: ₹1,250.00.")
    await board.page.clock.fast_forward(12_000)
    await expect(news).to_have_text("2 new sales. Takings today: ₹1,450.00.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_there_is_contrast_enough(shop: Shop, screen: Open, scheme: str) -> None:
    """4.5 to 1 for all text (WCAG 2, AA), live and not."""
    await shop.sale()
    order = await shop.sale(amount_paid=50.0)
    await shop.ok("PUT", f"/api/orders/{order['order_id']}/status", params={"status": "Cancelled"})
    board = await screen(shop, color_scheme=scheme, reduced_motion="reduce")
    faint = await board.page.evaluate(FAINT_TEXTS)
    assert faint == []
    dismiss_all(shop, FORBIDDEN)
    await expect(board.page.locator("html")).to_have_attribute("data-state", "off")
    assert await board.page.evaluate(FAINT_TEXTS) == []
