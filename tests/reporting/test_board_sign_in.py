"""The board with sign-in: roles, renewal of the session, and the end of a session."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from playwright.async_api import Browser, BrowserContext, Route, expect

from schemas.core.collections import CREDENTIALS
from tests.reporting.test_board_accessibility import FAINT_TEXTS, SIZE
from tests.support.accounts import PASSWORD, add, signed_in_shop
from tests.support.board_page import NOT_LIVE, OUT, Open, Screen
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import TokenHolder, add_token_holder


class Account(NamedTuple):
    id: str
    login: str


#: Chromium logs each error response; the page can only avoid such requests.
REFUSED = re.compile(r"^Failed to load resource: the server responded with a status of 40[13]")


@pytest.fixture
async def guarded(open_shop: OpenShop) -> Shop:
    return await signed_in_shop(open_shop)


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context()
    yield context
    await context.close()


@pytest.fixture
async def meera(guarded: Shop) -> Account:
    return await add_account(guarded, "viewer")


async def add_account(shop: Shop, role: str) -> Account:
    user = await add(shop, role)
    return Account(user["_id"], user["login"])


@pytest.fixture
async def seller(guarded: Shop) -> TokenHolder:
    return await add_token_holder(guarded, "cashier")


def renewals(board: Screen) -> int:
    return sum(url.endswith("/api/auth/refresh") for url in board.requested)


async def sell(seller: TokenHolder) -> None:
    await seller.shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=seller.headers)


async def board_of(context: BrowserContext, shop: Shop) -> Screen:
    return await Screen(await context.new_page()).opened(shop.port, OUT)


async def test_a_signed_in_user_sees_each_sale_and_stays_signed_in(
    guarded: Shop, context: BrowserContext, meera: Account, seller: TokenHolder
) -> None:
    board = await board_of(context, guarded)
    await expect(board.page.get_by_role("main")).to_be_hidden()
    await board.sign_in(meera.login, PASSWORD)
    await board.is_live()
    await expect(board.page.get_by_role("form")).to_be_hidden()
    for count in (1, 2, 3):
        await sell(seller)
        await board.shows(f"₹{count}00.00", count)
    board.statuses.clear()
    await board.page.reload()
    await board.is_live()
    await board.shows("₹300.00", 3)
    assert "Not signed in" not in board.statuses
    assert board.console_errors == []
    assert "pos_r_" in str(await context.storage_state(indexed_db=True))
    # Long-lived tokens are never in an address, and all requests go to the service itself.
    assert not any("pos_a_" in url or "pos_r_" in url for url in board.requested)
    sockets = [url for url in board.requested if url.startswith("ws:")]
    assert len(sockets) == len(set(sockets)) == 2
    assert all(f"127.0.0.1:{guarded.port}/ws?ticket=pos_t_" in url for url in sockets)
    assert renewals(board) == 1


async def test_a_wrong_password_is_reported(guarded: Shop, context: BrowserContext, meera: Account) -> None:
    board = await board_of(context, guarded)
    await board.sign_in(meera.login, "something else")
    await expect(board.page.get_by_role("alert")).to_have_text("The name or the password is wrong.")
    await board.page.get_by_label("Password").fill(PASSWORD)
    await board.page.keyboard.press("Enter")
    await board.is_live()
    assert [each for each in board.console_errors if not REFUSED.match(each)] == []


async def test_an_unreachable_shop_is_reported(guarded: Shop, context: BrowserContext, meera: Account) -> None:
    board = await board_of(context, guarded)
    await context.set_offline(True)
    await board.sign_in(meera.login, PASSWORD)
    await expect(board.page.get_by_role("alert")).to_have_text("The shop does not answer. Please try again.")


async def test_an_ended_session_shows_the_form_without_figures(
    guarded: Shop, context: BrowserContext, meera: Account, seller: TokenHolder
) -> None:
    board = await board_of(context, guarded)
    await board.sign_in(meera.login, PASSWORD)
    await board.is_live()
    await sell(seller)
    await board.shows("₹100.00", 1)
    await guarded.database[CREDENTIALS].delete_many({"owner": meera.id})
    await expect(board.page.get_by_role("form")).to_be_visible()
    await expect(board.page.get_by_role("main")).to_be_hidden()
    await expect(board.page.get_by_role("status")).to_have_text("Not signed in")
    await expect(board.page).to_have_title("Today")
    await expect(board.page.locator("#username")).to_be_focused()
    assert "pos_r_" not in str(await context.storage_state(indexed_db=True))
    assert [each for each in board.console_errors if not REFUSED.match(each)] == []
    await board.sign_in(meera.login, PASSWORD)
    await board.is_live()
    await sell(seller)
    await board.shows("₹200.00", 2)


async def test_the_board_stays_live_while_its_session_is_renewed(
    guarded: Shop, context: BrowserContext, meera: Account, seller: TokenHolder
) -> None:
    page = await context.new_page()
    await page.clock.install(time=datetime.now(UTC))
    board = await Screen(page).opened(guarded.port, OUT)
    await board.sign_in(meera.login, PASSWORD)
    await board.is_live()
    old = next(iter(guarded.state["connections"]))
    await page.clock.fast_forward(56 * 60_000)
    async with asyncio.timeout(20):
        while list(guarded.state["connections"]) in ([old], []) or len(list(guarded.state["client_sessions"])) > 1:
            await asyncio.sleep(0.01)
    assert renewals(board) == 1
    for count in (1, 2):
        await sell(seller)
        await page.clock.run_for(2_000)
        await board.shows(f"₹{count}00.00", count)
    await board.is_live()
    assert not any(NOT_LIVE.search(each) for each in board.statuses)
    assert board.console_errors == []


async def test_several_tabs_renew_one_after_another(guarded: Shop, context: BrowserContext, meera: Account) -> None:
    """Refresh all pages at their start; a refresh token that is used twice would end the session of all."""
    boards = [await board_of(context, guarded) for _ in range(4)]
    await boards[0].sign_in(meera.login, PASSWORD)
    # The other tabs notice the sign-in.
    await asyncio.gather(*(board.is_live() for board in boards))
    for _ in range(2):
        await asyncio.gather(*(board.page.reload() for board in boards))
        await asyncio.gather(*(board.is_live() for board in boards))
    assert [renewals(board) for board in boards] == [2, 3, 3, 3]


async def test_a_renewal_with_a_lost_response_keeps_the_session(
    guarded: Shop, context: BrowserContext, meera: Account
) -> None:
    board = await board_of(context, guarded)
    await board.sign_in(meera.login, PASSWORD)
    await board.is_live()
    lost = []

    async def lose(route: Route) -> None:
        """Drop the response of the service."""
        lost.append((await route.fetch()).status)
        await route.abort()

    await board.page.route("**/api/auth/refresh", lose, times=1)
    await board.page.reload()
    await board.is_live()
    assert lost == [200]
    await board.page.reload()
    await board.is_live()


async def test_signing_out_ends_the_session_permanently(guarded: Shop, context: BrowserContext, meera: Account) -> None:
    board = await board_of(context, guarded)
    await expect(board.page.get_by_role("button", name="Sign out")).to_be_hidden()
    await board.sign_in(meera.login, PASSWORD)
    await board.is_live()
    async with board.page.expect_request("**/api/auth/logout"):
        await board.page.get_by_role("button", name="Sign out").click()
    await expect(board.page.get_by_role("form")).to_be_visible()
    await expect(board.page.get_by_role("button", name="Sign out")).to_be_hidden()
    async with asyncio.timeout(30):
        while guarded.state["hub"].readers:
            await asyncio.sleep(0.01)
    board.statuses.clear()
    await board.page.reload()
    await board.has_shown(OUT)
    assert board.console_errors == []
    assert await guarded.database[CREDENTIALS].find_one({"owner": meera.id}) is None


async def test_a_forbidden_role_is_reported(guarded: Shop, context: BrowserContext, meera: Account) -> None:
    ravi = await add_account(guarded, "cashier")
    board = await board_of(context, guarded)
    await board.sign_in(ravi.login, PASSWORD)
    await expect(board.page.get_by_role("alert")).to_have_text("Your role does not allow this. Please ask the owner.")
    await expect(board.page.get_by_role("main")).to_be_hidden()
    # The session is ended, too, instead of staying unused.
    assert await guarded.database[CREDENTIALS].find_one({"owner": ravi.id}) is None
    assert "pos_r_" not in str(await context.storage_state(indexed_db=True))


async def test_an_open_service_has_no_form_and_no_ticket(shop: Shop, screen: Open) -> None:
    board = await screen(shop)
    await expect(board.page.get_by_role("form")).to_be_hidden()
    await expect(board.page.get_by_role("button", name="Sign out")).to_be_hidden()
    assert not any("ticket" in url or "auth" in url for url in board.requested)
    assert board.console_errors == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_form_fits_phones_and_wall_screens_with_enough_contrast(
    guarded: Shop, screen: Open, scheme: str
) -> None:
    board = await screen(guarded, until=OUT, color_scheme=scheme)
    page = board.page
    await page.locator("#sign-in-error").evaluate("each => { each.textContent = 'The name or the password is wrong.' }")
    assert await page.evaluate(FAINT_TEXTS) == []
    await expect(page.get_by_role("form", name="Sign in to see today")).to_be_visible()
    for width, height in ((320, 640), (1366, 768), (3840, 2160)):
        await page.set_viewport_size({"width": width, "height": height})
        assert (await page.evaluate(SIZE))[0] <= width
        box = await page.get_by_label("Password").bounding_box()
        assert box is not None
        assert box["height"] >= height / 30
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    await page.get_by_label("Username").focus()
    for name in ("Password", "Sign in"):
        await page.keyboard.press("Tab")
        assert name in await page.evaluate(
            "document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent"
        )
