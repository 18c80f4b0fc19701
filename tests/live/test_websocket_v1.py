"""`/ws` with the subprotocol `pos.v1`: what a screen that wants more gets, frame by frame."""

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


async def test_the_welcome_says_where_the_log_stands(shop: Shop) -> None:
    await some_sales(shop, 3)
    status = await shop.get("/api/websocket/status")
    async with live(shop) as screen:
        assert screen.socket.subprotocol == "pos.v1"
        welcome = await screen.next()
    assert {**welcome, "conn": ""} == {
        "type": "welcome",
        "conn": "",
        "epoch": status["epoch"],
        "head": 3,
        "low": 1,
        "ping": 20.0,
        "max": 65_536,
    }


async def test_nothing_comes_before_it_is_asked_for_and_then_everything_from_now_on(shop: Shop) -> None:
    async with live(shop) as screen:
        await screen.next()
        await some_sales(shop, 2)
        await screen.say("subscribe", id="a")
        assert await screen.next() == {"type": "subscribed", "id": "a", "seq": 2, "recovered": False}
        await some_sales(shop, 2)
        assert await screen.seqs(2) == [3, 4]


@pytest.mark.parametrize("since", [0, 1, 7, 8])
async def test_a_place_is_replayed_from_and_then_all_is_live(shop: Shop, since: int) -> None:
    await some_sales(shop, 8)
    async with live(shop) as screen:
        await screen.say("subscribe", id=7, since=since)
        frames = await screen.until("subscribed")
        assert seqs_of(frames) == list(range(since + 1, 9))
        assert frames[-1] == {"type": "subscribed", "id": 7, "seq": 8, "recovered": True}
        await shop.sale()
        assert await screen.seqs(1) == [9]


async def test_the_address_can_name_the_place_instead_of_the_subprotocol(shop: Shop) -> None:
    await some_sales(shop, 3)
    async with websockets.connect(shop.ws_url + "?since=1&topics=orders") as socket:
        screen = Live(socket)
        frames = await screen.until("subscribed")
        assert [frame["type"] for frame in frames] == ["welcome", "events", "subscribed"]
        assert seqs_of(frames) == [2, 3]


async def test_topics_choose_what_is_told_and_the_rest_is_told_in_passing(shop: Shop) -> None:
    async with live(shop, "?topics=orders") as orders, live(shop) as one:
        await orders.until("subscribed")
        estimate = await shop.estimate()
        await one.say("subscribe", topics=[f"estimates/{estimate['estimate_id']}"])
        await one.until("subscribed")
        await shop.estimate()
        order = await shop.convert(estimate["estimate_id"])
        await shop.estimate()
        sale = await shop.sale()
        heard = [await orders.next(), await orders.next()]
        assert [frame["event"]["seq"] for frame in heard] == [3, 5]
        assert heard[0]["event"]["order_id"] == order["order_id"]
        assert heard[1]["event"]["id"] == sale["order_id"]
        assert (await one.next())["event"]["action"] == "convert_to_order"
        assert await one.next() == {"type": "progress", "seq": 5}


async def test_a_new_subscription_takes_the_place_of_the_old_one(shop: Shop) -> None:
    async with live(shop) as screen:
        await screen.say("subscribe", id=1, topics=["estimates"])
        await screen.until("subscribed")
        await shop.sale()
        await screen.say("subscribe", id=2, topics=["*"], since=0)
        frames = await screen.until("subscribed")
        assert seqs_of(frames) == [1]
        assert frames[-1]["id"] == 2


async def test_many_that_wait_come_in_one_frame(shop: Shop) -> None:
    await some_sales(shop, 150)
    async with live(shop) as screen:
        await screen.say("subscribe", since=0)
        frames = await screen.until("subscribed")
    assert [len(frame["events"]) for frame in frames if frame["type"] == "events"] == [100, 50]


@pytest.mark.parametrize(
    ("since", "reason"),
    [(9, "ahead"), ("00000000.1", "other_log")],
)
async def test_a_place_that_cannot_be_had_is_a_reset_and_no_part_of_a_replay(
    shop: Shop, since: Any, reason: str
) -> None:
    await some_sales(shop, 2)
    async with live(shop) as screen:
        epoch = (await screen.next())["epoch"]
        await screen.say("subscribe", id="x", since=since)
        assert await screen.next() == {"type": "reset", "reason": reason, "epoch": epoch, "head": 2}
        assert await screen.next() == {"type": "subscribed", "id": "x", "seq": 2, "recovered": False}
        await shop.sale()
        assert await screen.seqs(1) == [3]


async def test_what_the_log_keeps_no_more_is_a_reset(open_shop: OpenShop) -> None:
    shop = await open_shop(clock=Clock.days_ago(100))
    await some_sales(shop, 12)
    await shop.expire(12)
    await some_sales(shop, 8)
    later = await open_shop(store_id=shop.store, ring_capacity=5)
    async with live(later) as screen:
        assert (await screen.next())["low"] == 13
        await screen.say("subscribe", since=11)
        assert (await screen.next())["reason"] == "expired"
        await screen.say("subscribe", since=12)
        assert (await screen.until("subscribed"))[-1]["recovered"] is False
        assert seqs_of(await screen.until("subscribed")) == list(range(13, 21))


async def test_the_own_position_of_another_visit_is_good_while_the_log_is_the_same(shop: Shop) -> None:
    await some_sales(shop, 3)
    async with live(shop) as screen:
        epoch = (await screen.next())["epoch"]
    async with live(shop, f"?since={epoch}.1") as screen:
        assert seqs_of(await screen.until("subscribed")) == [2, 3]


async def test_pings_are_answered_with_their_id(shop: Shop) -> None:
    async with live(shop) as screen:
        await screen.next()
        await screen.say("ping", id=5)
        assert await screen.next() == {"type": "pong", "id": 5}


async def test_a_replay_outlasts_a_database_that_is_away_for_a_moment(open_shop: OpenShop) -> None:
    shop = await open_shop(ring_capacity=5)
    await some_sales(shop, 30)
    async with live(shop) as screen:
        async with failing(shop.database, "find", closeConnection=True):
            await screen.say("subscribe", since=0)
            await asyncio.sleep(0.3)
        frames = await screen.until("subscribed")
        assert seqs_of(frames) == list(range(1, 31))


async def test_the_plain_way_serves_where_the_server_offers_no_frames(open_shop: OpenShop) -> None:
    shop = await open_shop(server_flags={"ws": "websockets-sansio"})
    async with shop.listen() as plain, live(shop) as screen:
        await screen.say("subscribe", since=0)
        await screen.until("subscribed")
        await some_sales(shop, 200)
        assert await screen.seqs(200) == list(range(1, 201))
        assert [json.loads(await plain.recv())["seq"] for _ in range(200)] == list(range(1, 201))
        await screen.socket.send("nonsense")
        assert await closed_with(screen.socket) == 4400
