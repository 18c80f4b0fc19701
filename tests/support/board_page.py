"""The live board in a real browser: fixtures for tests of the page (`browser`, `screen`)."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, WebSocketRoute, async_playwright, expect

from tests.support.browser import launched
from tests.support.shop import Shop

LIVE = re.compile("^Live$")
OUT = re.compile("^Not signed in$")
NOT_LIVE = re.compile(r"^Not live since \d\d:\d\d — showing what was known then\.")

# Reports each sentence of the status line, since a sentence may be replaced before the test reads it.
REPORT_STATUS = """addEventListener('DOMContentLoaded', () => {
  const state = document.getElementById('state');
  new MutationObserver(() => reportStatus(state.textContent)).observe(state, { childList: true });
});"""

FORBIDDEN = 4403

# A long timeout, for a busy machine.
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await launched(playwright)
        yield browser
        await browser.close()


def disconnect_all(shop: Shop, code: int) -> None:
    """Close all sockets of a shop from the server's side."""
    for each in shop.state["client_sessions"]:
        shop.state["client_sessions"].disconnect(each, code)


class Screen:
    """A board in a browser, with a record of its requests and console messages."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requested: list[str] = []
        self.console_errors: list[str] = []
        self.statuses: list[str] = []
        self._has_changed = asyncio.Event()
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("websocket", lambda socket: self.requested.append(socket.url))
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.on("console", self._note)

    async def opened(self, port: int, until: re.Pattern[str] = LIVE) -> "Screen":
        """Open the page, and wait for its first status."""
        await self.page.expose_function("reportStatus", self._add_status)
        await self.page.add_init_script(REPORT_STATUS)
        await self.page.goto(f"http://127.0.0.1:{port}/board")
        await self.has_shown(until)
        return self

    async def sign_in(self, username: str, password: str) -> None:
        """Fill in the sign-in form."""
        await self.page.get_by_label("Username").fill(username)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Sign in").click()

    async def is_live(self) -> None:
        await expect(self.page.get_by_role("status")).to_have_text("Live")

    async def has_shown(self, sentence: re.Pattern[str]) -> None:
        """Wait until the status line has shown a sentence."""
        async with asyncio.timeout(20):
            while not any(sentence.search(each) for each in self.statuses):
                self._has_changed.clear()
                await self._has_changed.wait()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console_errors.append(message.text)

    def _add_status(self, sentence: str) -> None:
        self.statuses.append(sentence)
        self._has_changed.set()

    @property
    def loads(self) -> int:
        """Return how often the page requested its figures."""
        return sum(url.endswith("/api/board") for url in self.requested)

    async def shows(self, revenue: str, orders: int) -> None:
        await expect(self.page.locator("#revenue")).to_have_text(revenue)
        await expect(self.page.locator("#orders")).to_have_text(str(orders))

    async def rows(self, name: str) -> list[list[str]]:
        """Return the visible texts of the cells of a table."""
        rows = await self.page.locator(f"#{name}-rows tr").all()
        cells = [await row.locator("th, td:not(:has(svg))").all_inner_texts() for row in rows]
        return [[" ".join(text.split()) for text in each] for each in cells]


Open = Callable[..., Any]


@pytest.fixture
async def screen(browser: Browser) -> AsyncIterator[Open]:
    """Return a function that opens boards: `await screen(shop, width=360)`."""
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
