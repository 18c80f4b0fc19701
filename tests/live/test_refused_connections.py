"""Rejected and closed connections: each has a close code that a page can read."""

import asyncio
import json
from typing import Any

import pytest
import websockets

from tests.support.clients.live_client import closed_with, live
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import add_token_holder

Json = dict[str, Any]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "topics": ["customers"]},
        {"type": "subscribe", "topics": []},
        {"type": "subscribe", "topics": "x" * 10},
        {"type": "subscribe", "topics": ["orders"] * 101},
        {"type": "subscribe", "topics": [1]},
        {"type": "subscribe", "since": -1},
        {"type": "subscribe", "since": True},
        {"type": "subscribe", "since": "yesterday"},
        {"type": "subscribe", "since": 1.5},
        {"type": "unsubscribe"},
    ],
)
async def test_an_invalid_message_gets_an_error_and_changes_nothing(shop: Shop, message: Json) -> None:
    async with live(shop) as client:
        await client.send("subscribe", topics=["orders"])
        await client.until("subscribed")
        await client.socket.send(json.dumps({"id": "w", **message}))
        answer = await client.next()
        assert (answer["type"], answer["id"], answer["code"]) == ("error", "w", "invalid_subscription")
        await shop.sale()
        assert await client.seqs(1) == [1]


@pytest.mark.parametrize(
    "message", ["", "hello", "[]", "7", '{"type": 1}', '{"id": 1}', '{"type": "ping", "id": {}}', b"\0"]
)
async def test_a_malformed_message_closes_the_connection(shop: Shop, message: Any) -> None:
    async with live(shop) as client:
        await client.socket.send(message)
        assert await closed_with(client.socket) == 4400


@pytest.mark.parametrize("query", ["?since=x", "?since=-1", "?topics=customers", "?topics=", "?since=1&topics=%00"])
async def test_an_invalid_address_closes_the_connection(shop: Shop, query: str) -> None:
    async with live(shop, query) as client:
        assert await closed_with(client.socket) == 4400


@pytest.mark.parametrize("query", ["", "?since=0"])
async def test_a_flood_of_messages_closes_the_connection(shop: Shop, query: str) -> None:
    async with websockets.connect(shop.ws_url + query) as socket:
        for _ in range(30):
            await socket.send('{"type": "ping"}')
        assert await closed_with(socket) == 4429


async def test_an_oversized_message_closes_the_connection(shop: Shop) -> None:
    async with live(shop) as client:
        await client.socket.send("x" * 65_537)
        assert await closed_with(client.socket) == 1009


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        (None, True),
        ("https://shop.example", True),
        ("https://SHOP.example", True),
        ("https://till.example:8443", True),
        ("http://127.0.0.1:{port}", True),
        ("https://evil.example", False),
        ("http://shop.example", False),
        ("https://shop.example.evil.example", False),
        ("null", False),
        ("file://", False),
        ("http://[::1", False),
        ("http://", False),
        ("x", False),
    ],
)
async def test_a_foreign_origin_is_rejected(open_shop: OpenShop, origin: str | None, is_allowed: bool) -> None:
    shop = await open_shop(
        public_base_url="https://shop.example", cors_origins=("https://till.example:8443",), sign_in="off"
    )
    origin = origin and origin.format(port=shop.port)
    async with shop.listen(origin=origin) as socket:
        if is_allowed:
            await socket.send("ping")
            assert await socket.recv() == "pong"
        else:
            assert await closed_with(socket) == 4403


async def test_a_connection_beyond_the_limit_is_asked_to_retry_later(open_shop: OpenShop) -> None:
    shop = await open_shop(max_connections=2)
    async with shop.listen(), shop.listen(), shop.listen() as third:
        assert await closed_with(third) == 1013
        stream = await shop.http.get("/api/events/stream")
        assert stream.status_code == 503


async def test_the_limit_of_connections_is_for_the_process_not_for_a_store(open_shop: OpenShop) -> None:
    there = await open_shop(sign_in="on")
    here = await open_shop(sign_in="on", max_connections=2)
    owner = await add_token_holder(here, "owner")
    elsewhere = {**owner.headers, "X-Store": there.store}
    async with here.listen(additional_headers=owner.headers) as first:
        await first.send("ping")
        assert await first.recv() == "pong"
        async with here.http.stream("GET", "/api/events/stream", headers=elsewhere) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            for headers in (owner.headers, elsewhere):
                async with here.listen(additional_headers=headers) as third:
                    assert await closed_with(third) == 1013
                assert (await here.http.get("/api/events/stream", headers=headers)).status_code == 503
        # A closed connection makes room for one of any store.
        async with asyncio.timeout(30):
            while here.state["stores"].is_full:
                await asyncio.sleep(0.01)
        async with here.listen(additional_headers=elsewhere) as again:
            await again.send("ping")
            assert await again.recv() == "pong"


async def test_new_connections_are_rejected_during_a_shutdown(shop: Shop) -> None:
    async with shop.listen() as socket:
        await socket.send("ping")
        await socket.recv()
        shop.state["shutdown"].has_begun = True
        try:
            async with shop.listen() as late:
                assert await closed_with(late) == 1012
        finally:
            shop.state["shutdown"].has_begun = False


async def test_an_incomplete_handshake_gets_a_json_error(shop: Shop) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b" 400 " in head.split(b"\r\n")[0]
    assert isinstance(json.loads(body)["detail"], str)
