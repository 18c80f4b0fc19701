"""Private events of users and devices are sent to no client, and no client sees a gap."""

import json
from collections.abc import Awaitable, Callable

import pytest
import websockets

from tests.live.test_event_stream import following, streaming
from tests.support.account_commands import add_user, change_user
from tests.support.clients.live_client import live, seqs_of
from tests.support.shop import OpenShop, Shop

Hand = Callable[[Shop], Awaitable[None]]


async def handed_over(shop: Shop) -> None:
    """An account that this process changed, and told its hub of."""
    shop.state["hub"].notify((await add_user(shop)).events)


async def read_from_the_log(shop: Shop) -> None:
    """An account that another process changed, as far as the hub knows."""
    await add_user(shop)


HANDS = pytest.mark.parametrize("change", [handed_over, read_from_the_log])


@HANDS
async def test_a_plain_screen_hears_of_sales_alone(shop: Shop, change: Hand) -> None:
    async with websockets.connect(shop.ws_url) as screen:
        await shop.sale()
        await change(shop)
        await shop.sale()
        assert [json.loads(await screen.recv())["seq"] for _ in range(2)] == [1, 3]


@HANDS
async def test_a_v1_screen_is_told_that_something_passed(shop: Shop, change: Hand) -> None:
    async with live(shop, "?topics=*") as screen:
        await screen.until("subscribed")
        await shop.sale()
        await change(shop)
        frames = await screen.until("progress")
        assert (seqs_of(frames), frames[-1]["seq"]) == ([1], 2)
        await shop.sale()
        assert await screen.seqs(1) == [3]


@pytest.mark.parametrize("capacity", [1, 10_000])
async def test_a_screen_resumes_across_one(open_shop: OpenShop, capacity: int) -> None:
    """From memory, and from the log."""
    shop = await open_shop(ring_capacity=capacity)
    await shop.sale()
    await handed_over(shop)
    await shop.sale()
    await shop.sale()
    for since, expected in ((0, [1, 3, 4]), (1, [3, 4]), (2, [3, 4])):
        async with live(shop, f"?since={since}&topics=*") as screen:
            frames = await screen.until("subscribed")
            assert seqs_of(frames) == expected
            assert (frames[-1]["seq"], frames[-1]["recovered"]) == (4, True)


async def test_a_screen_resumes_where_nothing_else_came(shop: Shop) -> None:
    await shop.sale()
    await handed_over(shop)
    async with live(shop, "?since=1&topics=*") as screen:
        frames = await screen.until("subscribed")
        assert (seqs_of(frames), frames[-1]["seq"], frames[-1]["recovered"]) == ([], 2, True)


@HANDS
async def test_the_stream_leaves_it_out(shop: Shop, change: Hand) -> None:
    async with streaming(shop, "?since=0") as messages:
        await shop.sale()
        await change(shop)
        await shop.sale()
        told = await following(messages, 2)
        assert [json.loads(message["data"])["seq"] for message in told] == [1, 3]
    async with streaming(shop, last_event_id=told[0]["id"]) as messages:
        (again,) = await following(messages, 1)
        assert json.loads(again["data"])["seq"] == 3


@HANDS
async def test_the_log_over_http_leaves_it_out_and_moves_on(shop: Shop, change: Hand) -> None:
    async with live(shop, "?topics=*") as screen:
        await screen.until("subscribed")
        await shop.sale()
        await change(shop)
        await screen.until("progress")
    page = await shop.get("/api/events", since=1)
    assert (page["events"], page["next"]) == ([], 2)
    for topics in ("*", "orders", f"orders/USER-{shop.store}"):
        page = await shop.get("/api/events", topics=topics)
        assert page["next"] == 2
        assert all(event["type"] == "order" for event in page["events"])


async def test_nobody_can_ask_for_them(shop: Shop) -> None:
    for topics in ("users", "devices", f"users/USER-{shop.store}"):
        assert (await shop.http.get("/api/events", params={"topics": topics})).status_code == 422


async def test_lists_are_not_stale_after_one(shop: Shop) -> None:
    """An account's change moves the position of the shop, and nothing that is shown."""
    await shop.sale()
    first = await shop.http.get("/api/orders/orders-only")
    await handed_over(shop)
    shop.state["hub"].notify((await change_user(shop, role="viewer")).events)
    second = await shop.http.get("/api/orders/orders-only")
    assert first.json() == second.json()
    assert (first.headers["x-stream-position"], second.headers["x-stream-position"]) == ("1", "3")
