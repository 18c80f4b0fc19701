"""Clients that send slowly: they are disconnected, and other clients do not wait."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from app.server.http_protocol import MAX_HEAD
from tests.conftest import LongRun
from tests.support.faults.soak_report import p99, reporting
from tests.support.payloads import sale_body
from tests.support.processes import Service
from tests.support.shop import Shop

pytestmark = pytest.mark.soak

SALE = "/api/orders/create-sale"
HEAD = b"POST /api/orders/create-sale HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BODY = HEAD + b"Content-Length: 1000\r\n\r\n"
CLOSED_WITHIN = 15.0
# What is sent first, and then each second: before the method ends, among the headers, in the body.
KINDS = ((b"P", b"O"), (HEAD, b"x: y\r\n"), (BODY, b" "))


class ShortDeadlineService(Service):
    """A server with a deadline of four seconds for a request."""

    program = (
        "-c",
        "from app.server import http_protocol; http_protocol.RECEIVE_SECONDS = 4.0; from app.cli import main; main()",
    )


@asynccontextmanager
async def running(server: Service) -> AsyncIterator[Service]:
    try:
        await server.start()
        yield server
    finally:
        await server.kill()


async def send_slowly(port: int, opening: bytes, piece: bytes) -> tuple[float, bytes]:
    """Send an opening, then a piece each second; return the seconds until the server hung up, and its reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()

    async def send() -> None:
        writer.write(opening)
        while True:
            await asyncio.sleep(1)
            writer.write(piece)

    sending = asyncio.create_task(send())
    try:
        reply = await asyncio.wait_for(reader.read(), CLOSED_WITHIN + 5)
    except ConnectionError:
        reply = b""
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    writer.transport.abort()
    return time.monotonic() - began, reply


def problem_in(reply: bytes) -> tuple[int, dict[str, Any]]:
    head, _, content = reply.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert b"connection: close" in head
    return int(head.split()[1]), json.loads(content)


async def window_of_sales(
    http: httpx.AsyncClient, url: str, figure: Callable[[list[float]], float], sales: int = 100
) -> float:
    """Return a statistic of the durations of sales, one after another."""
    waits = []
    for _ in range(sales):
        began = time.monotonic()
        assert (await http.post(url + SALE, json=sale_body())).status_code == 201
        waits.append(time.monotonic() - began)
    return figure(waits)


@pytest.mark.alone
async def test_b2_clients_that_send_a_byte_a_second_are_disconnected_and_others_do_not_wait(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    count, kind = (500, Service) if long_run.is_long else (90, ShortDeadlineService)
    # The p99 of a few windows depends more on the machine than on the service.
    figure = p99 if long_run.is_long else statistics.median
    before: list[float] = []
    during: list[float] = []
    with reporting("B2 connections that send a byte a second", long_run) as report:
        async with (
            running(kind(mongodb_url, f"{shop.store}-slow")) as server,
            httpx.AsyncClient(timeout=20, verify=False) as http,  # noqa: S501
        ):
            await window_of_sales(http, server.url, figure)
            for _ in long_run.rounds(1, 5):
                before += [await window_of_sales(http, server.url, figure) for _ in range(3 if long_run.is_long else 2)]
                slow = [
                    asyncio.create_task(send_slowly(server.port, *KINDS[number % len(KINDS)]))
                    for number in range(count)
                ]
                await asyncio.sleep(1)
                while not any(task.done() for task in slow):
                    during.append(await window_of_sales(http, server.url, figure))
                ends = await asyncio.gather(*slow)
                report.back += [seconds for seconds, _ in ends]
                report.rounds += 1
                report.operations += count
                check_ends(ends)
        report.waited(statistics.median(during))
        report.besides += [
            f"sale p99 {statistics.median(during) * 1_000:.1f} ms with them",
            f"{statistics.median(before) * 1_000:.1f} ms without",
        ]
        # The median of windows, because a single p99 of 200 depends more on the machine than on the service.
        assert statistics.median(during) < 2 * statistics.median(before) + (0 if long_run.is_long else 0.02)


def check_ends(ends: list[tuple[float, bytes]]) -> None:
    """Check that each client was disconnected in time, with a reason."""
    assert max(seconds for seconds, _ in ends) < CLOSED_WITHIN
    problems = [problem_in(reply) for _, reply in ends]
    assert {(status, problem["code"]) for status, problem in problems} <= {
        (408, "request_timeout"),
        (400, "invalid_http"),
    }
    assert all(isinstance(problem["detail"], str) for _, problem in problems)
    assert 408 in {status for status, _ in problems}


async def test_a_slow_body_within_the_deadline_is_accepted(shop: Shop) -> None:
    body = json.dumps(sale_body()).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
    for place in range(0, len(body), 100):
        writer.write(body[place : place + 100])
        await asyncio.sleep(0.05)
    reply = await reader.read()
    assert reply.startswith(b"HTTP/1.1 201")
    writer.close()


async def test_an_active_connection_outlives_the_deadline(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the deadline applies to a request, not to a connection."""
    monkeypatch.setattr("app.server.http_protocol.RECEIVE_SECONDS", 2.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    for _ in range(3):
        writer.write(b"GET /livez HTTP/1.1\r\n")
        await asyncio.sleep(0.1)
        writer.write(b"Host: localhost\r\n\r\n")
        assert b"200" in await reader.readline()
        while await reader.readline() != b"\r\n":
            pass
        await reader.read(100)
        await asyncio.sleep(1)
    assert not reader.at_eof()
    writer.close()


def one_long_header() -> bytes:
    return b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * (2 * MAX_HEAD)


def many_headers() -> bytes:
    return b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(20_000))


def a_long_address() -> bytes:
    return b"GET /" + b"a" * (2 * MAX_HEAD)


@pytest.mark.parametrize("made", [one_long_header, many_headers, a_long_address])
async def test_endless_headers_are_rejected(shop: Shop, made: Callable[[], bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(made())
    reply = await asyncio.wait_for(reader.read(), 30)
    status, problem = problem_in(reply)
    assert (status, problem["code"]) == (431, "headers_too_large")
    writer.close()
    assert (await shop.http.get("/livez")).status_code == 200
