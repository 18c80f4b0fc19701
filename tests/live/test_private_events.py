"""Private events of users and devices are sent to no client, and no client sees a gap."""

import json
from collections.abc import Awaitable, Callable

import pytest
import websockets

from tests.live.test_event_stream import next_messages, streaming
from tests.support.account_commands import add_user, change_user
from tests.support.clients.live_client import live, seqs_of
from tests.support.shop import OpenShop, Shop

Change = Callable[[Shop], Awaitable[None]]


async def change_in_this_process(shop: Shop) -> None:
    """Change an account, and notify the hub of this process."""
    shop.state["hub"].notify((await add_user(shop)).events)


async def change_in_another_process(shop: Shop) -> None:
    """Change an account as another process does, which does not notify the hub."""
    await add_user(shop)


CHANGES = pytest.mark.parametrize("change", [change_in_this_process, change_in_another_process])


@CHANGES
async def test_a_plain_client_receives_no_private_events(shop: Shop, change: Change) -> None:
    async with websockets.connect(shop.ws_url) as client:
        await shop.sale()
        await change(shop)
        await shop.sale()
        assert [json.loads(await client.recv())["seq"] for _ in range(2)] == [1, 3]


@CHANGES
async def test_a_v1_client_receives_a_progress_frame(shop: Shop, change: Change) -> None:
    async with live(shop, "?topics=*") as client:
        await client.until("subscribed")
        await shop.sale()
        await change(shop)
        frames = await client.until("progress")
        assert (seqs_of(frames), frames[-1]["seq"]) == ([1], 2)
        await shop.sale()
        assert await client.seqs(1) == [3]


@pytest.mark.parametrize("capacity", [1, 10_000])
async def test_a_client_can_resume_across_a_private_event(open_shop: OpenShop, capacity: int) -> None:
    """Resume from memory and from the log."""
    shop = await open_shop(ring_capacity=capacity)
    await shop.sale()
    await change_in_this_process(shop)
    await shop.sale()
    await shop.sale()
    for since, expected in ((0, [1, 3, 4]), (1, [3, 4]), (2, [3, 4])):
        async with live(shop, f"?since={since}&topics=*") as client:
            frames = await client.until("subscribed")
            assert seqs_of(frames) == expected
            assert (frames[-1]["seq"], frames[-1]["recovered"]) == (4, True)


async def test_a_client_can_resume_if_only_a_private_event_followed(shop: Shop) -> None:
    await shop.sale()
    await change_in_this_process(shop)
    async with live(shop, "?since=1&topics=*") as client:
        frames = await client.until("subscribed")
        assert (seqs_of(frames), frames[-1]["seq"], frames[-1]["recovered"]) == ([], 2, True)


@CHANGES
async def test_the_stream_skips_private_events(shop: Shop, change: Change) -> None:
    async with streaming(shop, "?since=0") as messages:
        await shop.sale()
        await change(shop)
        await shop.sale()
        received = await next_messages(messages, 2)
        assert [json.loads(message["data"])["seq"] for message in received] == [1, 3]
    async with streaming(shop, last_event_id=received[0]["id"]) as messages:
        (again,) = await next_messages(messages, 1)
        assert json.loads(again["data"])["seq"] == 3


@CHANGES
async def test_the_log_over_http_skips_private_events_and_advances(shop: Shop, change: Change) -> None:
    async with live(shop, "?topics=*") as client:
        await client.until("subscribed")
        await shop.sale()
        await change(shop)
        await client.until("progress")
    page = await shop.get("/api/events", since=1)
    assert (page["events"], page["next"]) == ([], 2)
    for topics in ("*", "orders", f"orders/USER-{shop.store}"):
        page = await shop.get("/api/events", topics=topics)
        assert page["next"] == 2
        assert all(event["type"] == "order" for event in page["events"])


async def test_private_topics_are_rejected(shop: Shop) -> None:
    for topics in ("users", "devices", f"users/USER-{shop.store}"):
        assert (await shop.http.get("/api/events", params={"topics": topics})).status_code == 422


async def test_lists_stay_the_same_after_a_private_event(shop: Shop) -> None:
    """Check that the event advances the position of the log, but changes no list."""
    await shop.sale()
    first = await shop.http.get("/api/orders/orders-only")
    await change_in_this_process(shop)
    shop.state["hub"].notify((await change_user(shop, role="viewer")).events)
    second = await shop.http.get("/api/orders/orders-only")
    assert first.json() == second.json()
    assert (first.headers["x-stream-position"], second.headers["x-stream-position"]) == ("1", "3")
