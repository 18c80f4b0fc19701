"""Responses that a client does not read: the connection is closed and its memory freed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.http.test_abandoned_streams import WHOLE_LIST, copy, idle_cursors, waiting_cursor
from tests.live.test_backpressure import publish
from tests.support.clients.non_reading_client import answer_begins, is_cut, non_reading_clients, wait_until_closed
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import add_token_holder

STREAM = "/api/events/stream"


@pytest.fixture
def short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.unread_connections.WRITE_SECONDS", 1.5)


@pytest.fixture
async def shop(open_shop: OpenShop) -> AsyncIterator[Shop]:
    shop = await open_shop()
    yield shop
    await shop.database.orders.delete_many({"_id": {"$regex": f"^COPY-{shop.store}-"}})


async def test_an_unread_complete_list_is_cut_off(short_timeout: None, shop: Shop) -> None:
    await shop.sale()
    await copy(shop, 12_000)
    async with non_reading_clients(shop.port, WHOLE_LIST) as (client,):
        await waiting_cursor(shop)
        async with asyncio.timeout(20):
            while await idle_cursors(shop):
                await asyncio.sleep(0.05)
        assert await is_cut(client)


async def test_an_unread_event_stream_is_closed(short_timeout: None, shop: Shop) -> None:
    async with non_reading_clients(shop.port, STREAM) as (client,):
        assert await answer_begins(client) == b"HTTP/1.1 200 OK"
        hub = shop.state["hub"]
        assert hub.readers == 1
        await publish(shop, 1, 9_000)
        async with asyncio.timeout(20):
            while hub.readers:
                await asyncio.sleep(0.05)
        assert await is_cut(client)


async def test_a_slow_reader_is_not_disconnected(short_timeout: None, shop: Shop) -> None:
    await shop.sale()
    await copy(shop, 12_000)
    loop = asyncio.get_running_loop()
    async with non_reading_clients(shop.port, WHOLE_LIST) as (client,):
        # Longer than the timeout of a client that reads nothing.
        until = loop.time() + 4
        while loop.time() < until:
            assert await loop.sock_recv(client, 1_024)
            await asyncio.sleep(0.05)


async def test_an_unread_event_stream_ends_when_its_device_is_revoked(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endpoints.live.connections.CHECK_SECONDS", 0.02)
    monkeypatch.setattr("endpoints.live.event_log._GOODBYE_SECONDS", 0.1)
    shop = await open_shop(sign_in="on")
    device = await add_token_holder(shop, "device")
    async with non_reading_clients(shop.port, STREAM, headers=device.headers) as (client,):
        assert await answer_begins(client) == b"HTTP/1.1 200 OK"
        hub = shop.state["hub"]
        await publish(shop, 1, 9_000)
        await device.revoke()
        # Much earlier than the timeout of a client that reads nothing.
        await wait_until_closed(client)
        async with asyncio.timeout(20):
            while hub.readers:
                await asyncio.sleep(0.02)
