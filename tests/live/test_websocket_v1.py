"""`/ws` with the subprotocol `pos.v1`, frame by frame."""

import asyncio
import json
from typing import Any

import pytest
import websockets

from tests.support.clients.live_client import Live, closed_with, live, seqs_of
from tests.support.clock import Clock
from tests.support.faults.failpoints import failing
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]


async def some_sales(shop: Shop, count: int) -> None:
    await asyncio.gather(*(shop.sale() for _ in range(count)))


async def test_the_welcome_frame_has_the_state_of_the_log(shop: Shop) -> None:
    await some_sales(shop, 3)
    status = await shop.get("/api/websocket/status")
    async with live(shop) as client:
        assert client.socket.subprotocol == "pos.v1"
        welcome = await client.next()
    assert {**welcome, "conn": ""} == {
        "type": "welcome",
        "conn": "",
        "epoch": status["epoch"],
        "head": 3,
        "low": 1,
        "ping": 20.0,
        "max": 65_536,
    }


async def test_events_are_sent_only_after_a_subscription(shop: Shop) -> None:
    async with live(shop) as client:
        await client.next()
        await some_sales(shop, 2)
        await client.send("subscribe", id="a")
        assert await client.next() == {"type": "subscribed", "id": "a", "seq": 2, "recovered": False}
        await some_sales(shop, 2)
        assert await client.seqs(2) == [3, 4]


@pytest.mark.parametrize("since", [0, 1, 7, 8])
async def test_a_subscription_replays_from_a_position_and_continues_live(shop: Shop, since: int) -> None:
    await some_sales(shop, 8)
    async with live(shop) as client:
        await client.send("subscribe", id=7, since=since)
        frames = await client.until("subscribed")
        assert seqs_of(frames) == list(range(since + 1, 9))
        assert frames[-1] == {"type": "subscribed", "id": 7, "seq": 8, "recovered": True}
        await shop.sale()
        assert await client.seqs(1) == [9]


async def test_the_position_may_be_in_the_address_without_the_subprotocol(shop: Shop) -> None:
    await some_sales(shop, 3)
    async with websockets.connect(shop.ws_url + "?since=1&topics=orders") as socket:
        client = Live(socket)
        frames = await client.until("subscribed")
        assert [frame["type"] for frame in frames] == ["welcome", "events", "subscribed"]
        assert seqs_of(frames) == [2, 3]


async def test_topics_filter_events_and_others_send_progress(shop: Shop) -> None:
    async with live(shop, "?topics=orders") as orders, live(shop) as single:
        await orders.until("subscribed")
        estimate = await shop.estimate()
        await single.send("subscribe", topics=[f"estimates/{estimate['estimate_id']}"])
        await single.until("subscribed")
        await shop.estimate()
        order = await shop.convert(estimate["estimate_id"])
        await shop.estimate()
        sale = await shop.sale()
        received = [await orders.next(), await orders.next()]
        assert [frame["event"]["seq"] for frame in received] == [3, 5]
        assert received[0]["event"]["order_id"] == order["order_id"]
        assert received[1]["event"]["id"] == sale["order_id"]
        assert (await single.next())["event"]["action"] == "convert_to_order"
        assert await single.next() == {"type": "progress", "seq": 5}


async def test_a_new_subscription_replaces_the_old_one(shop: Shop) -> None:
    async with live(shop) as client:
        await client.send("subscribe", id=1, topics=["estimates"])
        await client.until("subscribed")
        await shop.sale()
        await client.send("subscribe", id=2, topics=["*"], since=0)
        frames = await client.until("subscribed")
        assert seqs_of(frames) == [1]
        assert frames[-1]["id"] == 2


async def test_waiting_events_are_sent_in_one_frame(shop: Shop) -> None:
    await some_sales(shop, 150)
    async with live(shop) as client:
        await client.send("subscribe", since=0)
        frames = await client.until("subscribed")
    assert [len(frame["events"]) for frame in frames if frame["type"] == "events"] == [100, 50]


@pytest.mark.parametrize(
    ("since", "reason"),
    [(9, "ahead"), ("00000000.1", "other_log")],
)
async def test_an_impossible_position_gets_a_reset_without_a_replay(shop: Shop, since: Any, reason: str) -> None:
    await some_sales(shop, 2)
    async with live(shop) as client:
        epoch = (await client.next())["epoch"]
        await client.send("subscribe", id="x", since=since)
        assert await client.next() == {"type": "reset", "reason": reason, "epoch": epoch, "head": 2}
        assert await client.next() == {"type": "subscribed", "id": "x", "seq": 2, "recovered": False}
        await shop.sale()
        assert await client.seqs(1) == [3]


async def test_an_expired_position_gets_a_reset(open_shop: OpenShop) -> None:
    shop = await open_shop(clock=Clock.days_ago(100))
    await some_sales(shop, 12)
    await shop.expire(12)
    await some_sales(shop, 8)
    later = await open_shop(store_id=shop.store, ring_capacity=5)
    async with live(later) as client:
        assert (await client.next())["low"] == 13
        await client.send("subscribe", since=11)
        assert (await client.next())["reason"] == "expired"
        await client.send("subscribe", since=12)
        assert (await client.until("subscribed"))[-1]["recovered"] is False
        assert seqs_of(await client.until("subscribed")) == list(range(13, 21))


async def test_a_position_with_an_epoch_is_valid_in_the_same_log(shop: Shop) -> None:
    await some_sales(shop, 3)
    async with live(shop) as client:
        epoch = (await client.next())["epoch"]
    async with live(shop, f"?since={epoch}.1") as client:
        assert seqs_of(await client.until("subscribed")) == [2, 3]


async def test_pings_are_answered_with_their_id(shop: Shop) -> None:
    async with live(shop) as client:
        await client.next()
        await client.send("ping", id=5)
        assert await client.next() == {"type": "pong", "id": 5}


async def test_a_replay_continues_after_a_failure_of_the_database(open_shop: OpenShop) -> None:
    shop = await open_shop(ring_capacity=5)
    await some_sales(shop, 30)
    async with live(shop) as client:
        async with failing(shop.database, "find", closeConnection=True):
            await client.send("subscribe", since=0)
            await asyncio.sleep(0.3)
        frames = await client.until("subscribed")
        assert seqs_of(frames) == list(range(1, 31))


async def test_the_standard_websocket_protocol_works_too(open_shop: OpenShop) -> None:
    shop = await open_shop(server_flags={"ws": "websockets-sansio"})
    async with shop.listen() as plain, live(shop) as client:
        await client.send("subscribe", since=0)
        await client.until("subscribed")
        await some_sales(shop, 200)
        assert await client.seqs(200) == list(range(1, 201))
        assert [json.loads(await plain.recv())["seq"] for _ in range(200)] == list(range(1, 201))
        await client.socket.send("nonsense")
        assert await closed_with(client.socket) == 4400
