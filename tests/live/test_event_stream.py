"""The event log over HTTP: pages and Server-Sent Events; and its documentation."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.support.clients.live_client import DOCUMENT, PLAIN, SERVER_FRAMES, validator_of
from tests.support.clock import Clock
from tests.support.faults.failpoints import failing
from tests.support.shop import DATABASE, OpenShop, Shop

Json = dict[str, Any]
EVENTS, STREAM = "/api/events", "/api/events/stream"


async def create_documents(shop: Shop) -> Json:
    """Create five events: three of estimates, of which one is a conversion, and two of orders."""
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
    await create_documents(shop)
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


async def test_topics_filter_events_and_the_position_advances(shop: Shop) -> None:
    estimate = await create_documents(shop)
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
async def test_an_invalid_query_is_rejected(shop: Shop, query: str, status: int, code: str) -> None:
    await create_documents(shop)
    response = await shop.http.get(f"{EVENTS}?{query}")
    assert (response.status_code, response.json()["code"]) == (status, code)
    if status == 410:
        assert (response.json()["head"], response.json()["low"]) == (5, 1)


async def test_expired_events_are_an_error_and_not_skipped(open_shop: OpenShop) -> None:
    shop = await open_shop(ring_capacity=1, clock=Clock.days_ago(100))
    await create_documents(shop)
    await shop.expire(2)
    assert (await shop.http.get(EVENTS, params={"since": 1})).status_code == 410
    assert seqs(await shop.get(EVENTS, since=2)) == [3, 4, 5]


@asynccontextmanager
async def streaming(shop: Shop, query: str = "", **headers: str) -> AsyncIterator[AsyncIterator[Json]]:
    """Open an event stream, and yield its messages as dictionaries of their fields."""
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


async def next_messages(messages: AsyncIterator[Json], count: int) -> list[Json]:
    found: list[Json] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            message = await anext(messages)
            if "data" in message:
                found.append(message)
    return found


async def test_a_stream_sends_all_new_events(shop: Shop) -> None:
    await create_documents(shop)
    async with streaming(shop) as messages:
        assert (await anext(messages))["retry"] == "2000"
        await create_documents(shop)
        received = await next_messages(messages, 5)
    assert [json.loads(message["data"])["seq"] for message in received] == [6, 7, 8, 9, 10]
    for message in received:
        PLAIN.validate(json.loads(message["data"]))


@pytest.mark.parametrize("capacity", [2, 10_000])
async def test_a_stream_resumes_after_the_last_event_id(open_shop: OpenShop, capacity: int) -> None:
    shop = await open_shop(ring_capacity=capacity)
    await create_documents(shop)
    async with streaming(shop, "?since=0&topics=orders") as messages:
        received = await next_messages(messages, 1)
        last = received[0]["id"]
    await create_documents(shop)
    async with streaming(shop, "?since=0&topics=orders", last_event_id=last) as messages:
        received = await next_messages(messages, 5)
    assert [json.loads(message["data"])["seq"] for message in received] == [3, 4, 7, 8, 9]


@pytest.mark.parametrize("place", ["99", "00ff.1"])
async def test_a_stream_that_cannot_resume_sends_a_reset_and_continues(shop: Shop, place: str) -> None:
    await create_documents(shop)
    async with streaming(shop, last_event_id=place) as messages:
        (reset,) = await next_messages(messages, 1)
        assert reset["event"] == "reset"
        assert json.loads(reset["data"])["head"] == 5
        await shop.sale()
        (received,) = await next_messages(messages, 1)
        assert json.loads(received["data"])["seq"] == 6


async def test_an_invalid_last_event_id_is_rejected(shop: Shop) -> None:
    assert (await shop.http.get(STREAM, headers={"Last-Event-ID": "nonsense"})).status_code == 422


async def test_a_stream_ends_when_the_server_stops(shop: Shop) -> None:
    async with streaming(shop) as messages:
        await anext(messages)
        shop.state["shutdown"].has_begun = True
        async with asyncio.timeout(30):
            assert [message async for message in messages] == []
        shop.state["shutdown"].has_begun = False


async def test_a_disconnected_reader_is_removed(shop: Shop) -> None:
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
    assert set(SERVER_FRAMES) >= {"welcome", "subscribed", "event", "events", "progress", "reset", "pong", "error"}


async def test_the_status_shows_the_state_of_the_hub(shop: Shop) -> None:
    await create_documents(shop)
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
async def test_a_broken_change_stream_is_reopened_and_no_event_is_missed(open_shop: OpenShop, code: int) -> None:
    here = await open_shop()
    there = await open_shop(store_id=here.store)
    counters = f"{DATABASE}.counters"
    async with here.listen() as socket:
        for round_number in range(2):
            async with failing(here.database, "getMore", "aggregate", times=4, namespace=counters, errorCode=code):
                for _ in range(3):
                    await there.sale()
                    await asyncio.sleep(0.05)
            seqs_received = [json.loads(await asyncio.wait_for(socket.recv(), 30))["seq"] for _ in range(3)]
            assert seqs_received == [round_number * 3 + each for each in (1, 2, 3)]


async def test_a_head_request_of_a_stream_ends(shop: Shop) -> None:
    async with asyncio.timeout(30):
        response = await shop.http.head("/api/events/stream")
        assert (await shop.http.get("/livez")).status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.content == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_stream_that_cannot_start_gets_an_error(shop: Shop, method: str) -> None:
    await create_documents(shop)
    async with failing(shop.database, "find", closeConnection=True):
        response = await shop.http.request(method, STREAM, headers={"Last-Event-ID": "99"})
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
    assert "retry-after" in response.headers


async def test_a_stream_ends_when_the_database_fails_and_can_be_resumed(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await open_shop(ring_capacity=1)
    await create_documents(shop)
    async with (
        failing(shop.database, "find", closeConnection=True),
        asyncio.timeout(20),
        streaming(shop, last_event_id="2") as messages,
    ):
        assert [message async for message in messages if "data" in message] == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
    async with streaming(shop, last_event_id="2") as messages:
        assert [json.loads(message["data"])["seq"] for message in await next_messages(messages, 3)] == [3, 4, 5]
