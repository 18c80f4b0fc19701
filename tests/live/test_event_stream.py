"""The event log over HTTP, page by page and as Server-Sent Events; and what describes it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.support.clients.live_client import DOCUMENT, PLAIN, TOLD, validator_of
from tests.support.clock import Clock
from tests.support.faults.failpoints import failing
from tests.support.shop import DATABASE, OpenShop, Shop

Json = dict[str, Any]
EVENTS, STREAM = "/api/events", "/api/events/stream"


async def trade(shop: Shop) -> Json:
    """Five events: three of estimates, of which one is a conversion, and two of orders."""
    estimate: Json = await shop.estimate()
    await shop.sale()
    await shop.convert(estimate["estimate_id"])
    await shop.sale()
    await shop.estimate()
    return estimate


def seqs(page: Json) -> list[int]:
    return [event["seq"] for event in page["events"]]


@pytest.mark.parametrize("capacity", [2, 10_000])
async def test_the_log_is_read_page_by_page(open_shop: OpenShop, capacity: int) -> None:
    shop = await open_shop(ring_capacity=capacity)
    await trade(shop)
    first = await shop.get(EVENTS, limit=2)
    status = await shop.get("/api/websocket/status")
    assert {**first, "events": 0} == {"epoch": status["epoch"], "head": 5, "low": 1, "next": 2, "events": 0}
    assert seqs(first) == [1, 2]
    second = await shop.get(EVENTS, limit=2, since=first["next"])
    assert seqs(second) == [3, 4]
    assert seqs(await shop.get(EVENTS, since=f"{status['epoch']}.4")) == [5]
    last = await shop.get(EVENTS, since=5)
    assert (seqs(last), last["next"]) == ([], 5)
    for event in (await shop.get(EVENTS))["events"]:
        PLAIN.validate(event)


async def test_topics_leave_the_rest_out_and_still_move_on(shop: Shop) -> None:
    estimate = await trade(shop)
    assert seqs(await shop.get(EVENTS, topics="orders")) == [2, 3, 4]
    page = await shop.get(EVENTS, topics=f"estimates/{estimate['estimate_id']}")
    assert (seqs(page), page["next"]) == ([1, 3], 5)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("since=6", 410, "events_gone"),
        ("since=abcd.1", 410, "events_gone"),
        ("since=-1", 422, "invalid_subscription"),
        ("since=x", 422, "invalid_subscription"),
        ("since=1&since=2", 422, "invalid_query"),
        ("topics=customers", 422, "invalid_subscription"),
        ("limit=0", 422, "invalid_query"),
        ("limit=1001", 422, "invalid_query"),
    ],
)
async def test_a_wrong_question_is_refused(shop: Shop, query: str, status: int, code: str) -> None:
    await trade(shop)
    response = await shop.http.get(f"{EVENTS}?{query}")
    assert (response.status_code, response.json()["code"]) == (status, code)
    if status == 410:
        assert (response.json()["head"], response.json()["low"]) == (5, 1)


async def test_what_retention_has_taken_is_gone_not_left_out(open_shop: OpenShop) -> None:
    shop = await open_shop(ring_capacity=1, clock=Clock.days_ago(100))
    await trade(shop)
    await shop.expire(2)
    assert (await shop.http.get(EVENTS, params={"since": 1})).status_code == 410
    assert seqs(await shop.get(EVENTS, since=2)) == [3, 4, 5]


@asynccontextmanager
async def streaming(shop: Shop, query: str = "", **headers: str) -> AsyncIterator[AsyncIterator[Json]]:
    """The messages of an event stream, as objects of their fields."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def messages(response: httpx.Response) -> AsyncIterator[Json]:
        message: Json = {}
        async for line in response.aiter_lines():
            if line:
                name, _, value = line.partition(": ")
                message[name] = value
            elif message:
                yield message
                message = {}

    async with shop.http.stream("GET", STREAM + query, headers=named) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield messages(response)


async def following(messages: AsyncIterator[Json], count: int) -> list[Json]:
    found: list[Json] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            message = await anext(messages)
            if "data" in message:
                found.append(message)
    return found


async def test_a_stream_tells_of_every_event_from_now_on(shop: Shop) -> None:
    await trade(shop)
    async with streaming(shop) as messages:
        assert (await anext(messages))["retry"] == "2000"
        await trade(shop)
        told = await following(messages, 5)
    assert [json.loads(message["data"])["seq"] for message in told] == [6, 7, 8, 9, 10]
    for message in told:
        PLAIN.validate(json.loads(message["data"]))


@pytest.mark.parametrize("capacity", [2, 10_000])
async def test_a_stream_resumes_after_the_last_event_id(open_shop: OpenShop, capacity: int) -> None:
    shop = await open_shop(ring_capacity=capacity)
    await trade(shop)
    async with streaming(shop, "?since=0&topics=orders") as messages:
        told = await following(messages, 1)
        last = told[0]["id"]
    await trade(shop)
    async with streaming(shop, "?since=0&topics=orders", last_event_id=last) as messages:
        told = await following(messages, 5)
    assert [json.loads(message["data"])["seq"] for message in told] == [3, 4, 7, 8, 9]


@pytest.mark.parametrize("place", ["99", "00ff.1"])
async def test_a_stream_that_cannot_resume_says_so_and_goes_on(shop: Shop, place: str) -> None:
    await trade(shop)
    async with streaming(shop, last_event_id=place) as messages:
        (reset,) = await following(messages, 1)
        assert reset["event"] == "reset"
        assert json.loads(reset["data"])["head"] == 5
        await shop.sale()
        (told,) = await following(messages, 1)
        assert json.loads(told["data"])["seq"] == 6


async def test_a_wrong_last_event_id_is_refused(shop: Shop) -> None:
    assert (await shop.http.get(STREAM, headers={"Last-Event-ID": "nonsense"})).status_code == 422


async def test_a_stream_ends_when_the_server_stops(shop: Shop) -> None:
    async with streaming(shop) as messages:
        await anext(messages)
        shop.state["shutdown"].has_begun = True
        async with asyncio.timeout(30):
            assert [message async for message in messages] == []
        shop.state["shutdown"].has_begun = False


async def test_a_reader_that_leaves_is_forgotten(shop: Shop) -> None:
    hub = shop.state["hub"]
    async with streaming(shop) as messages:
        await anext(messages)
        assert hub.readers == 1
    async with asyncio.timeout(30):
        while hub.readers:
            await shop.sale()


async def test_the_document_describes_every_frame(shop: Shop) -> None:
    served = await shop.get("/asyncapi.json")
    assert served["asyncapi"] == "3.0.0"
    assert served["components"] == DOCUMENT["components"]
    messages = served["channels"]["live"]["messages"]
    assert set(messages) == set(served["components"]["messages"])
    for operation in served["operations"].values():
        for reference in operation["messages"]:
            assert reference["$ref"].removeprefix("#/channels/live/messages/") in messages
    for name in served["components"]["schemas"]:
        validator_of(name).check_schema(validator_of(name).schema)
    assert set(TOLD) >= {"welcome", "subscribed", "event", "events", "progress", "reset", "pong", "error"}


async def test_the_status_says_how_the_hub_stands(shop: Shop) -> None:
    await trade(shop)
    status = await shop.get("/api/websocket/status")
    assert (status["status"], status["head"], status["lag"], status["connected_clients"]) == ("active", 5, 0, 0)
    assert 0 <= status["doorbell_age_seconds"] < 10
    assert 0 <= status["looked_seconds_ago"] < 10


async def test_a_hub_that_cannot_follow_is_not_ready(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoints.live.hub.STALE_SECONDS", 0.3)
    async with failing(shop.database, "find", namespace=f"{DATABASE}.log", closeConnection=True):
        await shop.sale()
        async with asyncio.timeout(30):
            while (await shop.get("/api/websocket/status"))["status"] != "degraded":
                await asyncio.sleep(0.05)
        response = await shop.http.get("/readyz")
        assert (response.status_code, response.json()["detail"]) == (
            503,
            "Live updates do not follow the event log just now.",
        )
    monkeypatch.undo()
    assert (await shop.http.get("/readyz")).status_code == 200


@pytest.mark.parametrize("code", [286, 280, 260, 136, 43])
async def test_a_doorbell_that_breaks_is_opened_again_and_nothing_is_missed(open_shop: OpenShop, code: int) -> None:
    here = await open_shop()
    there = await open_shop(store_id=here.store)
    there_too = f"{DATABASE}.counters"
    async with here.listen() as socket:
        for round_number in range(2):
            async with failing(here.database, "getMore", "aggregate", times=4, namespace=there_too, errorCode=code):
                for _ in range(3):
                    await there.sale()
                    await asyncio.sleep(0.05)
            heard = [json.loads(await asyncio.wait_for(socket.recv(), 30))["seq"] for _ in range(3)]
            assert heard == [round_number * 3 + each for each in (1, 2, 3)]


async def test_the_head_of_a_stream_comes_to_an_end(shop: Shop) -> None:
    async with asyncio.timeout(30):
        response = await shop.http.head("/api/events/stream")
        assert (await shop.http.get("/livez")).status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.content == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_stream_that_cannot_begin_is_refused_whole(shop: Shop, method: str) -> None:
    await trade(shop)
    async with failing(shop.database, "find", closeConnection=True):
        response = await shop.http.request(method, STREAM, headers={"Last-Event-ID": "99"})
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in response.headers


async def test_a_stream_whose_database_goes_away_ends_and_is_taken_up_again(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await open_shop(ring_capacity=1)
    await trade(shop)
    async with (
        failing(shop.database, "find", closeConnection=True),
        asyncio.timeout(20),
        streaming(shop, last_event_id="2") as messages,
    ):
        assert [message async for message in messages if "data" in message] == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    async with streaming(shop, last_event_id="2") as messages:
        assert [json.loads(message["data"])["seq"] for message in await following(messages, 3)] == [3, 4, 5]
