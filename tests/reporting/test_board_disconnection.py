"""The live board in a real browser with a lost connection, missing events or errors: it reports and recovers."""

import asyncio
import re
from datetime import UTC, datetime

import pytest
from playwright.async_api import Browser, Route, WebSocketRoute, expect

from tests.support.board_page import FORBIDDEN, NOT_LIVE, Open, Screen, disconnect_all
from tests.support.processes import services
from tests.support.shop import OpenShop, Shop

RESTARTING, TRY_LATER, BAD_FRAME, TOO_SLOW = 1012, 1013, 4400, 4430


async def test_a_lost_connection_is_shown_and_restored(shop: Shop, screen: Open) -> None:
    board = await screen(shop, clock=datetime.now(UTC))
    for count, code in enumerate((RESTARTING, TOO_SLOW, TRY_LATER), start=1):
        board.statuses.clear()
        disconnect_all(shop, code)
        await shop.sale()
        await board.has_shown(NOT_LIVE)
        await board.page.clock.fast_forward(8_000)
        await board.is_live()
        await board.shows(f"₹{count}00.00", count)
    assert board.console_errors == []


@pytest.mark.parametrize(("code", "sentence"), [(BAD_FRAME, "load it again"), (FORBIDDEN, "may not listen")])
async def test_a_close_code_without_reconnection_is_shown(shop: Shop, screen: Open, code: int, sentence: str) -> None:
    board = await screen(shop)
    disconnect_all(shop, code)
    await expect(board.page.get_by_role("status")).to_have_text(re.compile(NOT_LIVE.pattern + f".*{sentence}"))
    await expect(board.page.locator("html")).to_have_attribute("data-state", "off")
    # The figures are still requested each minute, but the board stays not live.
    await board.page.evaluate("dispatchEvent(new Event('online'))")
    await shop.sale()
    await expect(board.page.get_by_role("status")).to_contain_text(sentence)


async def test_the_board_reconnects_when_the_server_has_room(open_shop: OpenShop, screen: Open) -> None:
    shop = await open_shop(max_connections=1)
    async with shop.listen():
        board = await screen(shop, until=NOT_LIVE, clock=datetime.now(UTC))
    await shop.sale()
    await board.page.clock.fast_forward(8_000)
    await board.is_live()
    await board.shows("₹100.00", 1)


async def test_the_board_is_not_live_without_figures(shop: Shop, screen: Open) -> None:
    board = await screen(shop, clock=datetime.now(UTC))
    is_refused = asyncio.Event()

    async def reject(route: Route) -> None:
        is_refused.set()
        await route.fulfill(status=503)

    await board.page.route("**/api/board", reject)
    await shop.sale()
    await asyncio.wait_for(is_refused.wait(), 30)
    await board.has_shown(NOT_LIVE)
    await board.page.unroute("**/api/board")
    await board.page.clock.fast_forward(3_000)
    await board.is_live()
    await board.shows("₹100.00", 1)


async def test_a_silently_broken_connection_is_detected(shop: Shop, screen: Open) -> None:
    """Keep the socket open, as a proxy may, but forward nothing."""
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
    await board.has_shown(NOT_LIVE)
    await board.is_live()
    await board.shows("₹100.00", 1)


async def test_no_sale_is_missed_after_a_killed_server(open_shop: OpenShop, mongodb_url: str, browser: Browser) -> None:
    """Kill the server of the board; another server on the store continues to sell."""
    shop = await open_shop()
    context = await browser.new_context()
    async with services(mongodb_url, shop.store, 1) as (server,):
        board = await Screen(await context.new_page()).opened(server.port)
        await shop.sale()
        await board.shows("₹100.00", 1)
        await server.kill()
        await board.has_shown(NOT_LIVE)
        await shop.sale()
        await server.start()
        await board.is_live()
        await board.shows("₹200.00", 2)
    await context.close()


async def test_a_reset_reloads_the_board(open_shop: OpenShop, screen: Open) -> None:
    """Send a reset, since the missed events are no longer stored, so that the board reloads."""
    shop = await open_shop(ring_capacity=4)
    board = await screen(shop)
    page = board.page
    await page.evaluate(
        """() => {
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (text) { send.call(this, text.replace(/[.][0-9]+/, '.99999')); };
        }"""
    )
    disconnect_all(shop, RESTARTING)
    await shop.sale()
    await board.has_shown(NOT_LIVE)
    await board.is_live()
    await board.shows("₹100.00", 1)
    await shop.sale()
    await board.shows("₹200.00", 2)


async def test_an_error_of_the_page_is_logged_in_the_console(shop: Shop, screen: Open) -> None:
    board = await screen(shop)

    async def send_malformed_figures(route: Route) -> None:
        figures = await (await route.fetch()).json()
        await route.fulfill(json={**figures, "orders": None})

    await board.page.route("**/api/board", send_malformed_figures)
    await shop.sale()
    await board.has_shown(NOT_LIVE)
    assert any("TypeError" in error for error in board.console_errors), board.console_errors
