"""A slow client takes no memory, delays no sale, and is disconnected when it has fallen too far behind."""

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
    """Events that no database knows, as fast as the loop goes round."""
    for seq in range(first, last + 1):
        shop.state["hub"].notify([an_event(seq)])
        if seq % 50 == 0:
            await asyncio.sleep(0)


async def only_left(shop: Shop, count: int) -> None:
    async with asyncio.timeout(30):
        while len(shop.state["client_sessions"]) > count or shop.state["hub"].readers > count:
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    # Without our protocol the kernel keeps some megabytes for each before it says that there is no room.
    ("flags", "events"),
    [({}, 6_000), ({"ws": "websockets-sansio"}, 17_000)],
    ids=["frames", "plain"],
)
async def test_those_that_do_not_read_are_closed_and_the_others_hear_everything(
    open_shop: OpenShop, flags: dict[str, str], events: int
) -> None:
    shop = await open_shop(server_flags=flags)
    async with stalled_clients(shop.port, 20), shop.listen() as quick:
        for first in range(1, events + 1, _AT_ONCE):
            # On a busy machine this client, too, would be behind by more events than are allowed.
            await publish(shop, first, first + _AT_ONCE - 1)
            heard = [json.loads(await quick.recv())["seq"] for _ in range(_AT_ONCE)]
            assert heard == list(range(first, first + _AT_ONCE))
        await only_left(shop, 1)
        assert len(shop.state["client_sessions"]) == 1


async def test_one_that_wakes_up_in_time_is_told_why(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.ABORT_SECONDS", 4.0)
    async with stalled_clients(shop.port, 1) as (client,):
        await publish(shop, 1, 6_000)
        await only_left(shop, 0)
        data = await read_all(client)
    assert data.endswith(b"\x88\x0a" + TOO_SLOW + b"too slow")
    # What it was sent before is whole and in order.
    heard = [json.loads(part.split(b"}}")[0])["seq"] for part in _frames(data)]
    assert heard == list(range(1, len(heard) + 1))


def _frames(data: bytes) -> list[bytes]:
    frames = []
    while data[0] == 0x81:
        assert data[1] == 126
        end = 4 + int.from_bytes(data[2:4])
        frames.append(data[4:end])
        data = data[end:]
    return frames


async def test_a_single_send_may_not_take_too_long(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoints.live.session.SEND_SECONDS", 0.2)
    monkeypatch.setattr("endpoints.live.session.MAX_EVENTS_BEHIND", 1_000_000)
    monkeypatch.setattr("endpoints.live.session.MAX_BYTES_BEHIND", 1_000_000_000)
    async with stalled_clients(shop.port, 3):
        await publish(shop, 1, 6_000)
        await only_left(shop, 0)


async def test_what_a_screen_that_does_not_read_holds_is_bounded(shop: Shop) -> None:
    async with stalled_clients(shop.port, 1):
        await publish(shop, 1, 1_900)
        await asyncio.sleep(0.1)
        (screen,) = shop.state["client_sessions"]
        transport = screen._sink._transport.transport
        assert not screen._sink.has_room
        assert transport.get_write_buffer_size() < 256 * 1024


async def test_a_server_that_stops_does_not_wait_for_those_that_do_not_read(
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


async def test_those_that_have_gone_leave_nothing_for_the_garbage_collector(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes seldom, and what thousands of them left would fill the memory until then."""
    # The monitor looks at each session while it is connected.
    monkeypatch.setattr("endpoints.live.sessions._TICK_SECONDS", 0.01)
    shop = await open_shop()
    gc.collect()
    gc.disable()
    try:
        async with shop.listen(), live(shop) as screen:
            await screen.say("subscribe")
            await screen.until("subscribed")
            assert len(those_in_memory(shop)) == 2
        async with asyncio.timeout(30):
            while those_in_memory(shop):
                await asyncio.sleep(0.05)
    finally:
        gc.enable()


def those_in_memory(shop: Shop) -> list[ClientSession]:
    return [each for each in gc.get_objects() if type(each) is ClientSession and each._hub is shop.state["hub"]]
