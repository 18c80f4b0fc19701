"""Floods of frames: pings, pongs and fragments are limited, and the memory of a connection too."""

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
OPENING = frame(b"p", is_last=False)
COUNT = 20
#: The most memory for twenty flooding sockets; without limits a single one took 549 MB.
MOST_MEGABYTES = 16

FLOODS = {
    "pings": (b"", frame(b"x" * 125, PING), 4429),
    "empty pings": (b"", frame(b"", PING), 4429),
    "unsolicited pongs": (b"", frame(b"x" * 125, PONG), 4429),
    "empty fragments": (OPENING, frame(b"", MORE, is_last=False), 4429),
    "tiny fragments": (OPENING, frame(b"i", MORE, is_last=False), 4429),
    "large fragments": (OPENING, frame(b"i" * 4_000, MORE, is_last=False), 1009),
    "pings between fragments": (OPENING, frame(b"", MORE, is_last=False) + frame(b"", PING), 4429),
    "messages of two fragments": (b"", OPENING + frame(b"ing", MORE), 4429),
    "pings and pongs": (b"", frame(b"", PING) + frame(b"", PONG), 4429),
    "empty messages": (b"", frame(b""), 4429),
    "empty bytes": (b"", frame(b"", 2), 4429),
}
#: Violations of the WebSocket protocol, and their close codes of RFC 6455.
VIOLATIONS = {
    "a continuation without a beginning": (frame(b"x", MORE), 1002),
    "a message within a message": (OPENING + frame(b"x"), 1002),
    "a fragmented ping": (frame(b"x", PING, is_last=False), 1002),
    "an oversized ping": (frame(b"x" * 126, PING), 1002),
    "an unknown opcode": (frame(b"x", 3), 1002),
    "compression that was not negotiated": (frame(b"\xaa\x56\x4a\x04\x00", reserved=0x40), 1002),
    "an invalid close within a message": (OPENING + frame((1000).to_bytes(2), 8), 1002),
    "an oversized length": (b"\x81\xff" + (2**40).to_bytes(8), 1009),
    "fragments that are too large together": (frame(b"x" * 40_000, is_last=False) + frame(b"x" * 40_000, MORE), 1009),
}


async def flood_until_closed(port: int, opening: bytes, piece: bytes, *headers: str) -> int | None:
    """Send a piece repeatedly without reading, and return the close code."""
    client = await open_websocket(port, *headers, buffer=4_096)
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(client, opening)
        sending = asyncio.create_task(_send_repeatedly(client, piece * (65_536 // len(piece))))
        await asyncio.wait([sending], timeout=1)
        code = await read_close_code(client)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return code
    finally:
        client.close()


async def _send_repeatedly(client: socket.socket, data: bytes) -> None:
    while True:
        await asyncio.get_running_loop().sock_sendall(client, data)


@pytest.mark.parametrize("headers", [(), (V1,)], ids=["plain", "pos.v1"])
@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_is_closed_with_its_code(shop: Shop, flood: str, headers: tuple[str, ...]) -> None:
    opening, piece, code = FLOODS[flood]
    # In the subprotocol, a malformed message has its own close code.
    expected = {code, 4400} if headers and flood.startswith(("empty messages", "empty bytes", "messages")) else {code}
    assert await flood_until_closed(shop.port, opening, piece, *headers) in expected


async def test_floods_with_unread_responses_do_not_grow_memory(shop: Shop, mongodb_url: str) -> None:
    async with services(mongodb_url, f"{shop.store}-floods", 1) as (server,):
        (await open_websocket(server.port)).close()
        before = server.megabytes
        watching = asyncio.create_task(_peak_memory(server))
        for opening, piece, _ in FLOODS.values():
            await asyncio.gather(*(flood_until_closed(server.port, opening, piece) for _ in range(COUNT)))
        watching.cancel()
        peak = max(server.megabytes, await watching)
        assert peak - before < MOST_MEGABYTES, f"{peak - before:+.1f} MB"


async def _peak_memory(server: Service) -> float:
    peak = 0.0
    try:
        while True:
            peak = max(peak, server.megabytes)
            await asyncio.sleep(0.05)
    except asyncio.CancelledError:
        return peak


@pytest.mark.parametrize("violation", VIOLATIONS)
async def test_a_protocol_violation_is_closed_with_its_standard_code(shop: Shop, violation: str) -> None:
    data, code = VIOLATIONS[violation]
    client = await open_websocket(shop.port, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
    await asyncio.get_running_loop().sock_sendall(client, data)
    assert await read_close_code(client) == code
    client.close()


async def test_compression_is_not_negotiated(shop: Shop) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(handshake("/ws", "Sec-WebSocket-Extensions: permessage-deflate"))
    head = await reader.readuntil(b"\r\n\r\n")
    assert b" 101 " in head
    assert b"extensions" not in head.lower()
    writer.close()


async def test_a_fragmented_message_and_pings_between_fragments_are_answered(shop: Shop) -> None:
    client = await open_websocket(shop.port)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(
        client, OPENING + frame(b"between", PING) + frame(b"in", MORE, is_last=False) + frame(b"g", MORE)
    )
    data = b""
    async with asyncio.timeout(30):
        while b"pong" not in data.lower():
            data += await loop.sock_recv(client, 1_000)
    assert data.startswith(b"\x8a\x07between")
    client.close()


async def test_the_number_of_fragments_of_a_message_is_limited(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.FRAMES_PER_SECOND", 10 * MOST_FRAGMENTS)
    client = await open_websocket(shop.port)
    await asyncio.get_running_loop().sock_sendall(client, OPENING + frame(b"", MORE, is_last=False) * MOST_FRAGMENTS)
    assert await read_close_code(client) == 4429
    client.close()


@pytest.mark.parametrize("data", [OPENING, frame(b"x" * 100)[:-1], OPENING + frame(b"x" * 100, MORE)[:-1]])
async def test_an_incomplete_message_closes_the_connection_after_its_deadline(
    shop: Shop, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.MESSAGE_SECONDS", 0.2)
    client = await open_websocket(shop.port)
    await asyncio.get_running_loop().sock_sendall(client, data)
    assert await read_close_code(client) == 4430
    client.close()


async def test_each_message_has_its_own_deadline(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.websocket_protocol.MESSAGE_SECONDS", 1.0)
    client = await open_websocket(shop.port)
    loop = asyncio.get_running_loop()
    ping = frame(b"ping")
    await loop.sock_sendall(client, ping[:5])
    for _ in range(12):
        await asyncio.sleep(0.15)
        # The end of one message and the beginning of the next.
        await loop.sock_sendall(client, ping[5:] + ping[:5])
    client.setblocking(False)
    data = await loop.sock_recv(client, 100_000)
    assert close_code(data) is None
    client.close()


async def test_the_memory_of_a_disconnected_client_is_freed(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets: list[Budget] = []

    def new_budget(most: int) -> Budget:
        budgets.append(Budget(most))
        return budgets[-1]

    monkeypatch.setattr("app.server.connection_limits.Budget", new_budget)
    shop = await open_shop()
    client = await open_websocket(shop.port)
    await asyncio.get_running_loop().sock_sendall(client, OPENING + frame(b"x" * 30_000, MORE)[:-1])
    async with asyncio.timeout(20):
        while sum(budget.size for budget in budgets) < 30_000:
            await asyncio.sleep(0.002)
        client.close()
        while any(budget.size for budget in budgets):
            await asyncio.sleep(0.002)


async def test_the_client_with_the_most_unread_data_is_closed(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.connection_limits.MOST_OF_BODIES", 50_000)
    shop = await open_shop()
    small, large = await open_websocket(shop.port), await open_websocket(shop.port)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(small, OPENING + frame(b"x" * 100, MORE)[:-1])
    await loop.sock_sendall(large, frame(b"x" * 60_000)[:-1])
    assert await read_close_code(large) == 1013
    # The smaller connection still works.
    await loop.sock_sendall(small, b"x" + frame(b"again", PING))
    assert b"again" in await loop.sock_recv(small, 1_000)
    small.close()
    large.close()
