"""Frames that are no messages: pings, pongs and pieces are counted, and what is held for a screen is bounded."""

import asyncio
import socket

import pytest

from app.server.connection_limits import Budget
from app.server.websocket_protocol import MOST_FRAGMENTS
from tests.support.clients.raw_websocket import close_code, frame, handshake, open_websocket, read_close_code
from tests.support.processes import Service, services
from tests.support.shop import OpenShop, Shop

V1 = "Sec-WebSocket-Protocol: pos.v1"
PING, PONG, MORE = 9, 10, 0
BEGUN = frame(b"p", is_last=False)
COUNT = 20
#: What twenty sockets that flood may cost together; one of them alone took 549 before.
MOST_MEGABYTES = 16

FLOODS = {
    "pings": (b"", frame(b"x" * 125, PING), 4429),
    "empty pings": (b"", frame(b"", PING), 4429),
    "pongs that nobody asked for": (b"", frame(b"x" * 125, PONG), 4429),
    "empty pieces": (BEGUN, frame(b"", MORE, is_last=False), 4429),
    "tiny pieces": (BEGUN, frame(b"i", MORE, is_last=False), 4429),
    "large pieces": (BEGUN, frame(b"i" * 4_000, MORE, is_last=False), 1009),
    "pings among pieces": (BEGUN, frame(b"", MORE, is_last=False) + frame(b"", PING), 4429),
    "messages of two pieces": (b"", BEGUN + frame(b"ing", MORE), 4429),
    "pings and pongs": (b"", frame(b"", PING) + frame(b"", PONG), 4429),
    "empty messages": (b"", frame(b""), 4429),
    "empty bytes": (b"", frame(b"", 2), 4429),
}
#: What is no WebSocket at all, at once, with the code of RFC 6455.
WRONG = {
    "a piece of nothing": (frame(b"x", MORE), 1002),
    "a message within a message": (BEGUN + frame(b"x"), 1002),
    "a ping in pieces": (frame(b"x", PING, is_last=False), 1002),
    "a ping that is too long": (frame(b"x" * 126, PING), 1002),
    "a frame of no kind": (frame(b"x", 3), 1002),
    "packed, though nobody offered that": (frame(b"\xaa\x56\x4a\x04\x00", reserved=0x40), 1002),
    "a goodbye within a message": (BEGUN + frame((1000).to_bytes(2), 8), 1002),
    "a length that is too large": (b"\x81\xff" + (2**40).to_bytes(8), 1009),
    "pieces that are too large together": (frame(b"x" * 40_000, is_last=False) + frame(b"x" * 40_000, MORE), 1009),
}


async def flooded(port: int, begun: bytes, piece: bytes, *headers: str) -> int | None:
    """Sends the same without an end, and reads nothing until that is not taken any more; the close code."""
    client = await open_websocket(port, *headers, buffer=4_096)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(client, begun)
        sending = asyncio.create_task(_send_on(client, piece * (65_536 // len(piece))))
        await asyncio.wait([sending], timeout=1)
        code = await read_close_code(client)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return code
    finally:
        client.close()


async def _send_on(client: socket.socket, data: bytes) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, data)


@pytest.mark.parametrize("headers", [(), (V1,)], ids=["plain", "pos.v1"])
@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_is_closed_with_its_code(shop: Shop, flood: str, headers: tuple[str, ...]) -> None:
    begun, piece, code = FLOODS[flood]
    # In the subprotocol, what is no message is closed as such.
    expected = {code, 4400} if headers and flood.startswith(("empty messages", "empty bytes", "messages")) else {code}
    assert await flooded(shop.port, begun, piece, *headers) in expected


async def test_floods_whose_answers_are_not_read_cost_no_memory(shop: Shop, mongodb_url: str) -> None:
    async with services(mongodb_url, f"{shop.store}-floods", 1) as (server,):
        (await open_websocket(server.port)).close()
        before = server.megabytes
        watching = asyncio.create_task(_highest(server))
        for begun, piece, _ in FLOODS.values():
            await asyncio.gather(*(flooded(server.port, begun, piece) for _ in range(COUNT)))
        watching.cancel()
        highest = max(server.megabytes, await watching)
        assert highest - before < MOST_MEGABYTES, f"{highest - before:+.1f} MB"


async def _highest(server: Service) -> float:
    highest = 0.0
    try:
        while True:
            highest = max(highest, server.megabytes)
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return highest


@pytest.mark.parametrize("wrong", WRONG)
async def test_what_is_no_websocket_is_closed_as_the_standard_says(shop: Shop, wrong: str) -> None:
    said, code = WRONG[wrong]
    client = await open_websocket(shop.port, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    await asyncio.get_running_loop().sock_sendall(client, said)
    assert await read_close_code(client) == code
    client.close()


async def test_compression_is_not_agreed_on(shop: Shop) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate"))
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head
    assert b"extensions" not in head.lower()
    writer.close()


async def test_a_message_in_pieces_is_heard_and_pings_between_them_are_answered(shop: Shop) -> None:
    client = await open_websocket(shop.port)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(
        client, BEGUN + frame(b"between", PING) + frame(b"in", MORE, is_last=False) + frame(b"g", MORE)
    )
    said = b""
    async with asyncio.timeout(30):
        while b"pong" not in said.lower():
            said += await loop.sock_recv(client, 1_000)
    assert said.startswith(b"\x8a\x07between")
    client.close()


async def test_a_message_has_so_many_pieces_at_most_however_slowly_they_come(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.FRAMES_PER_SECOND", 10 * MOST_FRAGMENTS)
    client = await open_websocket(shop.port)
    await asyncio.get_running_loop().sock_sendall(client, BEGUN + frame(b"", MORE, is_last=False) * MOST_FRAGMENTS)
    assert await read_close_code(client) == 4429
    client.close()


@pytest.mark.parametrize("said", [BEGUN, frame(b"x" * 100)[:-1], BEGUN + frame(b"x" * 100, MORE)[:-1]])
async def test_a_message_that_does_not_end_in_time_is_closed(
    shop: Shop, said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.MESSAGE_SECONDS", 0.2)
    client = await open_websocket(shop.port)
    await asyncio.get_running_loop().sock_sendall(client, said)
    assert await read_close_code(client) == 4430
    client.close()


async def test_messages_that_each_come_in_time_have_no_deadline_together(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.MESSAGE_SECONDS", 1.0)
    client = await open_websocket(shop.port)
    loop = asyncio.get_running_loop()
    ping = frame(b"ping")
    await loop.sock_sendall(client, ping[:5])
    for _ in range(12):
        await asyncio.sleep(0.15)
        # The end of one and the beginning of the next.
        await loop.sock_sendall(client, ping[5:] + ping[:5])
    client.setblocking(False)
    said = await loop.sock_recv(client, 100_000)
    assert close_code(said) is None
    client.close()


async def test_what_a_screen_sent_is_not_held_when_it_has_gone(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets: list[Budget] = []

    def made(most: int) -> Budget:
        budgets.append(Budget(most))
        return budgets[-1]

    monkeypatch.setattr("app.server.connection_limits.Budget", made)
    shop = await open_shop()
    client = await open_websocket(shop.port)
    await asyncio.get_running_loop().sock_sendall(client, BEGUN + frame(b"x" * 30_000, MORE)[:-1])
    async with asyncio.timeout(20):
        while sum(budget.size for budget in budgets) < 30_000:
            await asyncio.sleep(0.002)
        client.close()
        while any(budget.size for budget in budgets):
            await asyncio.sleep(0.002)


async def test_screens_that_hold_too_much_together_are_closed_and_may_come_back(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.connection_limits.MOST_OF_BODIES", 50_000)
    shop = await open_shop()
    small, large = await open_websocket(shop.port), await open_websocket(shop.port)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(small, BEGUN + frame(b"x" * 100, MORE)[:-1])
    await loop.sock_sendall(large, frame(b"x" * 60_000)[:-1])
    assert await read_close_code(large) == 1013
    # The small one is still heard.
    await loop.sock_sendall(small, b"x" + frame(b"again", PING))
    assert b"again" in await loop.sock_recv(small, 1_000)
    small.close()
    large.close()
