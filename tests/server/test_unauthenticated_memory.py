"""Memory of connections before sign-in: it is limited for all of them together."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest

from app.server.connection_limits import MOST_OF_BODIES, MOST_OF_HEADS, Budget
from app.server.http_protocol import MAX_LINES
from tests.support.clients.concurrent_requests import at_once
from tests.support.clients.raw_http import connected, send_pieces
from tests.support.payloads import sale_body
from tests.support.processes import Service, services
from tests.support.shop import OpenShop, Shop

SALE = "/api/orders/create-sale"
HEADS, BODIES = MOST_OF_HEADS >> 20, MOST_OF_BODIES >> 20
GET = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /api/orders/create-sale HTTP/1.1\r\nHost: localhost\r\n"
COUNT = 900
#: The cost of the connections themselves, and what is left over after they close.
MOST_OF_CONNECTIONS = 24

# What each connection sends, and how many megabytes all of them may cost.
ATTACKS = {
    "heads of many short lines": (GET + b"a: b\r\n" * 7_900, HEADS),
    "heads of as many lines as may be": (
        GET + (b"a: " + b"b" * 600 + b"\r\n") * (MAX_LINES - 2),
        2 * HEADS,
    ),
    "one long line": (GET + b"a: " + b"b" * 65_000, 2 * HEADS),
    "one long line behind a request": (GET + b"\r\n" + GET + b"a: " + b"b" * 65_000, 2 * HEADS),
    "pipelined requests": ((GET + b"\r\n") * 150_000, HEADS),
    "unfinished bodies": (
        POST + b"Content-Type: application/json\r\nContent-Length: 262144\r\n\r\n" + b" " * 262_000,
        3 * BODIES // 2,
    ),
    "unfinished trailers": (
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: " + b"b" * 900_000,
        3 * BODIES // 2,
    ),
}


@asynccontextmanager
async def unread_connections(port: int, data: bytes, count: int) -> AsyncIterator[None]:
    """Open connections that send data, and read nothing."""
    sending: list[asyncio.Task[None]] = []
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> None:
        client = socket.socket()
        # So that unread responses soon fill the server's buffers.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
        _, writer = await asyncio.open_connection(sock=client, limit=1)
        writers.append(writer)
        writer.write(data)
        sending.append(asyncio.create_task(_drained(writer)))

    try:
        await at_once((connect() for _ in range(count)), most=50)
        yield
    finally:
        for task in sending:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*sending, return_exceptions=True)


async def _drained(writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        await writer.drain()


@pytest.mark.parametrize("attack", ATTACKS)
async def test_incomplete_requests_of_all_connections_are_limited_in_memory(
    shop: Shop, mongodb_url: str, attack: str
) -> None:
    data, most = ATTACKS[attack]
    async with services(mongodb_url, f"{shop.store}-memory", 1) as (server,):
        await send_pieces(server.port, GET + b"\r\n")
        before = server.megabytes
        async with unread_connections(server.port, data, 20 if attack.startswith("pipelined") else COUNT):
            grown = 0.0
            for _ in range(10):
                # A short request is answered meanwhile, since it needs little memory.
                status, _, _ = await send_pieces(server.port, GET + b"\r\n")
                assert status == 200
                grown = max(grown, server.megabytes - before)
                await asyncio.sleep(0.1)
            await sell(server)
        assert grown < most + MOST_OF_CONNECTIONS


async def sell(server: Service) -> None:
    async with httpx.AsyncClient(timeout=20, verify=False) as http:  # noqa: S501
        assert (await http.post(server.url + SALE, json=sale_body())).status_code == 201


class Holder:
    """A connection that records whether it was closed."""

    has_given_way = False

    def give_way(self) -> None:
        self.has_given_way = True


def test_the_largest_connection_is_closed_and_small_ones_stay() -> None:
    budget = Budget(1_000)
    small, large, largest = Holder(), Holder(), Holder()
    budget.hold(small, 100)
    budget.hold(large, 300)
    budget.hold(largest, 500)
    budget.hold(largest, 600)
    assert budget.size == 1_000
    budget.hold(large, 301)
    assert (small.has_given_way, large.has_given_way, largest.has_given_way) == (False, False, True)
    assert budget.size == 401
    budget.release(large)
    budget.release(large)
    assert budget.size == 100


async def test_closed_connections_free_their_budget(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count no connection that was closed, cut, or whose requests were answered."""
    budgets: list[Budget] = []

    def new_budget(most: int) -> Budget:
        budgets.append(Budget(most))
        return budgets[-1]

    monkeypatch.setattr("app.server.connection_limits.Budget", new_budget)
    shop = await open_shop()
    for sent in (GET, GET + b"\r\n" + GET, POST + b"Content-Length: 9\r\n\r\n{", (GET + b"\r\n") * 3_000):
        for is_cut in (False, True):
            async with connected(shop.port) as (_, writer):
                writer.write(sent)
                await until(lambda: sum(budget.size for budget in budgets) > 0)
                if not is_cut:
                    writer.close()
            await until(lambda: not any(budget.size for budget in budgets))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.002)
