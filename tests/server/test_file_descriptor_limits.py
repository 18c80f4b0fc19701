"""More connections than files: some of those that ask for nothing go, and the till sells all the while."""

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
    """The test has as many connections as the server."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    raise_limit()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@asynccontextmanager
async def limited(mongodb_url: str, store: str, limit: str) -> AsyncIterator[Service]:
    """A server that was started with few files. limit: what `ulimit` is asked for."""
    server = Service(mongodb_url, store)
    server.under("/bin/sh", "-c", f'ulimit {limit} && exec "$0" "$@"')
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


async def idle(port: int, head: bytes) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    with suppress(ConnectionError):
        await loop.sock_sendall(client, head)
    return client


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("kind", IDLE)
async def test_more_idle_connections_than_files_hinder_no_sale(shop: Shop, mongodb_url: str, kind: str) -> None:
    async with limited(mongodb_url, f"{shop.store}-files", f"-n {USUAL}") as server:
        clients = await at_once((idle(server.port, IDLE[kind]) for _ in range(USUAL + 76)), most=200)
        try:
            async with asyncio.timeout(30):
                await asyncio.gather(*(sells(server) for _ in range(10)))
            assert len(open_files(server)) <= USUAL - 50
        finally:
            for client in clients:
                client.close()


async def sells(server: Service) -> None:
    """As a till does, which sends again what had no answer."""
    body = sale_body()
    while True:
        with suppress(httpx.TransportError):
            async with httpx.AsyncClient(timeout=20, verify=False) as http:  # noqa: S501
                assert (await http.post(server.url + SALE, json=body)).status_code in (200, 201)
                return


def open_files(server: Service) -> list[Path]:
    return list(Path(f"/proc/{server.pid}/fd").iterdir())


async def test_the_soft_limit_is_raised_to_the_hard_one(shop: Shop, mongodb_url: str) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] > USUAL
    async with limited(mongodb_url, f"{shop.store}-soft", f"-Sn {USUAL}") as server:
        soft, hard = resource.prlimit(server.pid or 0, resource.RLIMIT_NOFILE)
        assert soft == attainable_files()
        assert soft <= hard


async def test_those_that_were_idle_longest_go_first_and_those_at_work_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.connection_limits.most_connections", lambda _: 3)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serve_echo())
        silent, used, at_work = [await stack.enter_async_context(connected(port)) for _ in range(3)]
        await stack.enter_async_context(asyncio.timeout(20))
        used[1].write(GET + b"\r\n")
        assert (await read_answer(used[0]))[0] == 200
        await begin(*at_work)
        newest = await stack.enter_async_context(connected(port))
        assert await silent[0].read() == b""
        for reader, writer in (newest, used):
            writer.write(GET + b"\r\n")
            assert (await read_answer(reader))[0] == 200
        at_work[1].write(b"}")
        assert (await read_answer(at_work[0]))[0] == 200


async def test_one_too_many_is_refused_where_all_the_others_are_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.connection_limits.most_connections", lambda _: 1)
    async with serve_echo() as port, connected(port) as at_work, asyncio.timeout(20):
        await begin(*at_work)
        async with connected(port) as (reader, _):
            status, headers, _ = await read_answer(reader)
            assert (status, headers["retry-after"]) == (503, "1")


async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A request whose body is being read, and is not whole."""
    writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert b" 100 " in await reader.readuntil(b"\r\n\r\n")
    writer.write(b"{")


@pytest.mark.parametrize(("files", "most"), [(1_024, 824), (300, 150), (1, 1), (1_048_576, 1_048_376)])
def test_some_files_are_kept_for_all_else(files: int, most: int) -> None:
    assert most_connections(files) == most
    assert RESERVED == 200
