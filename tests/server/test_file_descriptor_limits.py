"""More connections than file descriptors: idle connections are closed, and sales continue."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from app.server.open_files import RESERVED, attainable_files, most_connections, raise_limit
from tests.support.clients.concurrent_requests import at_once
from tests.support.clients.raw_http import connected, read_answer, serve_echo
from tests.support.payloads import sale_body
from tests.support.processes import Service
from tests.support.shop import Shop

SALE = "/api/orders/create-sale"
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
USUAL = 1_024
IDLE = {
    "silent": b"",
    "a blank line": b"\r\n",
    "an unfinished head": GET,
    "idle after an answer": GET + b"\r\n",
}


@pytest.fixture
def many_files() -> Iterator[None]:
    """Raise the limit of the test, which has as many connections as the server."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_limit()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def limited(mongodb_url: str, store: str, limit: str) -> AsyncIterator[Service]:
    """Start a server with a limit of files, given as arguments of `ulimit`."""
    server = Service(mongodb_url, store)
    server.under("/bin/sh", "-c", f'ulimit {limit} && exec "$0" "$@"')
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


async def open_idle_connection(port: int, head: bytes) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    with suppress(ConnectionError):
        await loop.sock_sendall(client, head)
    return client


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("kind", IDLE)
async def test_more_idle_connections_than_files_do_not_block_sales(shop: Shop, mongodb_url: str, kind: str) -> None:
    async with limited(mongodb_url, f"{shop.store}-files", f"-n {USUAL}") as server:
        clients = await at_once((open_idle_connection(server.port, IDLE[kind]) for _ in range(USUAL + 76)), most=200)
        try:
            async with asyncio.timeout(30):
                await asyncio.gather(*(sell(server) for _ in range(10)))
            assert len(open_files(server)) <= USUAL - 50
        finally:
            for client in clients:
                client.close()


async def sell(server: Service) -> None:
    """Book a sale, retrying after lost connections as a till does."""
    body = sale_body()
    while True:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(timeout=20, verify=False) as http:  # noqa: S501
                assert (await http.post(server.url + SALE, json=body)).status_code in (200, 201)
                return


def open_files(server: Service) -> list[Path]:
    return list(Path(f"/proc/{server.pid}/fd").iterdir())


async def test_the_soft_limit_is_raised_to_the_hard_limit(shop: Shop, mongodb_url: str) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > USUAL
    async with limited(mongodb_url, f"{shop.store}-soft", f"-Sn {USUAL}") as server:
        soft, hard = resource.prlimit(server.pid or 0, resource.RLIMIT_NOFILE)
        assert soft == attainable_files()
        assert soft <= hard


async def test_the_longest_idle_connection_is_closed_first_and_busy_ones_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.connection_limits.most_connections", lambda _: 3)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve_echo())
        idle, used, busy = [await stack.enter_async_context(connected(port)) for _ in range(3)]
        await stack.enter_async_context(asyncio.timeout(20))
        used[1].write(GET + b"\r\n")
        assert (await read_answer(used[0]))[0] == 200
        await begin_request(*busy)
        newest = await stack.enter_async_context(connected(port))
        assert await idle[0].read() == b""
        for reader, writer in (newest, used):
            writer.write(GET + b"\r\n")
            assert (await read_answer(reader))[0] == 200
        busy[1].write(b"}")
        assert (await read_answer(busy[0]))[0] == 200


async def test_a_connection_beyond_the_limit_is_rejected_if_all_are_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.server.connection_limits.most_connections", lambda _: 1)
    async with serve_echo() as port, connected(port) as busy, asyncio.timeout(20):
        await begin_request(*busy)
        async with connected(port) as (reader, _):
            status, headers, _ = await read_answer(reader)
            assert (status, headers["retry-after"]) == (503, "1")


async def begin_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a request with an incomplete body."""
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"{")


@pytest.mark.parametrize(("files", "most"), [(1_024, 824), (300, 150), (1, 1), (1_048_576, 1_048_376)])
def test_some_files_are_reserved_for_other_uses(files: int, most: int) -> None:
    assert most_connections(files) == most
    assert RESERVED == 200
