"""Sockets that violate the protocol: each is closed with the documented code, and memory stays limited."""

import asyncio
import socket
import time

import httpx
import pytest

from tests.conftest import LongRun
from tests.support.clients.concurrent_requests import at_once
from tests.support.clients.raw_websocket import frame, open_websocket, read_close_code
from tests.support.faults.soak_report import reporting
from tests.support.processes import Service, services
from tests.support.shop import Shop

pytestmark = pytest.mark.soak

V1 = "Sec-WebSocket-Protocol: pos.v1"
# The headers, the data, and the close code.
VIOLATIONS = {
    "a foreign origin": (("Origin: https://evil.example",), b"", 4403),
    "an oversized message": ((), frame(b"x" * 70_000), 1009),
    "an oversized message, pos.v1": ((V1,), frame(b"x" * 70_000), 1009),
    "bytes, pos.v1": ((V1,), frame(b"\0\1\2", 2), 4400),
    "text that is not JSON, pos.v1": ((V1,), frame(b"hello"), 4400),
    "text that is not UTF-8": ((), frame(b"\xff\xfe"), 1007),
    "10,000 messages at once": ((), frame(b"ping") * 10_000, 4429),
    "10,000 messages at once, pos.v1": ((V1,), frame(b'{"type":"ping"}') * 10_000, 4429),
    "10,000 subscriptions at once": ((V1,), frame(b'{"type":"subscribe","since":0}') * 10_000, 4429),
}
#: The most memory of one client, and the most that a server keeps after all have disconnected.
MOST_KILOBYTES = 64
MOST_MEGABYTES_KEPT = 16


async def violate(port: int, headers: tuple[str, ...], data: bytes) -> int | None:
    """Send data on a new socket, and return the close code."""
    client = await open_websocket(port, *headers)
    loop = asyncio.get_running_loop()
    sending = asyncio.create_task(loop.sock_sendall(client, data))
    try:
        return await read_close_code(client)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        client.close()


async def wait_until_all_left(server: Service, http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(20):
        while (await http.get(server.url + "/api/websocket/status")).json()["connected_clients"]:
            await asyncio.sleep(0.05)


@pytest.fixture
def http() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=20, verify=False)  # noqa: S501


async def test_b3_each_violation_has_its_close_code_and_memory_is_limited(
    shop: Shop, mongodb_url: str, long_run: LongRun, http: httpx.AsyncClient
) -> None:
    at_a_time = 20 if long_run.is_long else 5
    with reporting("B3 WebSocket protocol violations", long_run) as report:
        async with services(mongodb_url, f"{shop.store}-sockets", 1) as (server,), http:
            memory = []
            for _ in long_run.rounds(2, 50):
                for name, (headers, data, code) in VIOLATIONS.items():
                    began = time.monotonic()
                    codes = await asyncio.gather(*(violate(server.port, headers, data) for _ in range(at_a_time)))
                    report.waited(time.monotonic() - began)
                    report.operations += at_a_time
                    assert set(codes) == {code}, name
                await wait_until_all_left(server, http)
                memory.append(server.megabytes)
                report.rounds += 1
            kept = memory[-1] - memory[0]
            report.besides.append(f"memory {memory[0]:.0f} MB after the first round, {kept:+.1f} MB after the last")
            assert kept < MOST_MEGABYTES_KEPT
            assert (await http.get(server.url + "/readyz")).status_code == 200


async def test_b3_thousands_come_and_go(
    shop: Shop, mongodb_url: str, long_run: LongRun, http: httpx.AsyncClient
) -> None:
    count = 5_000 if long_run.is_long else 150
    with reporting("B3 thousands of WebSockets come and go", long_run) as report:
        async with services(mongodb_url, f"{shop.store}-crowd", 1) as (server,), http:
            before = server.megabytes
            connected, after = [], []
            for _ in long_run.rounds(2, 10):
                began = time.monotonic()
                clients: list[socket.socket] = await at_once(
                    (open_websocket(server.port) for _ in range(count)), most=200
                )
                report.back.append(time.monotonic() - began)
                connected.append(server.megabytes)
                for client in clients:
                    client.close()
                await wait_until_all_left(server, http)
                after.append(server.megabytes)
                report.rounds += 1
                report.operations += count
            each = (max(connected) - before) * 1_024 / count
            report.besides += [
                f"{count:,} at once, {each:.0f} KB each",
                f"memory without them {after[0]:.0f} MB the first time, {after[-1] - after[0]:+.1f} MB the last",
            ]
            assert each < MOST_KILOBYTES
            assert after[-1] - after[0] < MOST_MEGABYTES_KEPT
            assert (await http.get(server.url + "/readyz")).status_code == 200
