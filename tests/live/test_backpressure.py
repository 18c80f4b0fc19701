"""Slow clients: they cost little memory, delay no sale, and are disconnected if they fall too far behind."""

import asyncio
import gc
import json

import pytest

from endpoints.live.session import ClientSession
from tests.support.clients.live_client import live
from tests.support.clients.raw_websocket import open_websocket, read_all, stalled_clients
from tests.support.payloads import an_event
from tests.support.shop import OpenShop, Shop, opened

TOO_SLOW = (4430).to_bytes(2)


_AT_ONCE = 500


async def publish(shop: Shop, first: int, last: int) -> None:
    """Publish events that are in no database, as fast as the event loop allows."""
    for seq in range(first, last + 1):
        shop.state["hub"].notify([an_event(seq)])
        if seq % 50 == 0:
            await asyncio.sleep(0)


async def wait_for_clients(shop: Shop, count: int) -> None:
    async with asyncio.timeout(30):
        while len(shop.state["client_sessions"]) > count or shop.state["hub"].readers > count:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    # Without our protocol the kernel buffers some megabytes for each client.
    ("flags", "events"),
    [({}, 6_000), ({"ws": "websockets-sansio"}, 17_000)],
    ids=["frames", "plain"],
)
async def test_clients_that_do_not_read_are_disconnected_and_others_receive_all(
    open_shop: OpenShop, flags: dict[str, str], events: int
) -> None:
    shop = await open_shop(server_flags=flags)
    async with stalled_clients(shop.port, 20), shop.listen() as reading:
        for first in range(1, events + 1, _AT_ONCE):
            # In parts, since on a busy machine this client could fall too far behind, too.
            await publish(shop, first, first + _AT_ONCE - 1)
            received = [json.loads(await reading.recv())["seq"] for _ in range(_AT_ONCE)]
            assert received == list(range(first, first + _AT_ONCE))
        await wait_for_clients(shop, 1)
        assert len(shop.state["client_sessions"]) == 1


async def test_a_slow_client_that_reads_again_receives_the_close_code(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.ABORT_SECONDS", 4.0)
    async with stalled_clients(shop.port, 1) as (client,):
        await publish(shop, 1, 6_000)
        await wait_for_clients(shop, 0)
        data = await read_all(client)
    assert data.endswith(b"\x88\x0a" + TOO_SLOW + b"too slow")
    # The frames before the close frame are complete and in order.
    received = [json.loads(part.split(b"}}")[0])["seq"] for part in _frames(data)]
    assert received == list(range(1, len(received) + 1))


def _frames(data: bytes) -> list[bytes]:
    frames = []
    while data[0] == 0x81:
        assert data[1] == 126
        end = 4 + int.from_bytes(data[2:4])
        frames.append(data[4:end])
        data = data[end:]
    return frames


async def test_a_send_that_takes_too_long_disconnects_the_client(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoints.live.session.SEND_SECONDS", 0.2)
    monkeypatch.setattr("endpoints.live.session.MAX_EVENTS_BEHIND", 1_000_000)
    monkeypatch.setattr("endpoints.live.session.MAX_BYTES_BEHIND", 1_000_000_000)
    async with stalled_clients(shop.port, 3):
        await publish(shop, 1, 6_000)
        await wait_for_clients(shop, 0)


async def test_the_write_buffer_of_a_client_that_does_not_read_is_limited(shop: Shop) -> None:
    async with stalled_clients(shop.port, 1):
        await publish(shop, 1, 1_900)
        await asyncio.sleep(0.1)
        (session,) = shop.state["client_sessions"]
        transport = session._sink._transport.transport
        assert not session._sink.has_room
        assert transport.get_write_buffer_size() < 256 * 1024


async def test_a_shutdown_does_not_wait_for_clients_that_do_not_read(
    mongodb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.ABORT_SECONDS", 0.5)
    async with asyncio.timeout(30):
        async with opened(mongodb_url, store_id="stops", server_flags={"timeout_graceful_shutdown": 60}) as shop:
            clients = [await open_websocket(shop.port, buffer=4_096) for _ in range(3)]
            await publish(shop, 1, 1_500)
            await asyncio.sleep(0.1)
    for client in clients:
        client.close()


async def test_closed_sessions_leave_nothing_for_the_garbage_collector(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check this because the collector runs rarely, and thousands of closed sessions would fill the memory."""
    # The monitor looks at each session while it is connected.
    monkeypatch.setattr("endpoints.live.sessions._TICK_SECONDS", 0.01)
    shop = await open_shop()
    gc.collect()
    gc.disable()
    try:
        async with shop.listen(), live(shop) as client:
            await client.send("subscribe")
            await client.until("subscribed")
            assert len(sessions_in_memory(shop)) == 2
        async with asyncio.timeout(30):
            while sessions_in_memory(shop):
                await asyncio.sleep(0.05)
    finally:
        gc.enable()


def sessions_in_memory(shop: Shop) -> list[ClientSession]:
    return [each for each in gc.get_objects() if type(each) is ClientSession and each._hub is shop.state["hub"]]
