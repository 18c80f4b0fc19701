"""SIGTERM while clients do not read or send slowly: the service ends within ten seconds."""

import asyncio
import secrets
import socket
import time
from contextlib import AsyncExitStack

import httpx
import pytest

from app.application import create_app
from app.config.settings import Settings
from repositories.database.errors import Unavailable
from tests.http.test_abandoned_streams import WHOLE_LIST
from tests.support.clients.concurrent_requests import at_once
from tests.support.clients.non_reading_client import answer_begins, non_reading_clients
from tests.support.clients.raw_websocket import stalled_clients
from tests.support.payloads import line, sale_body
from tests.support.processes import Service, services
from tests.support.shop import Shop

MOST_SECONDS = 10.0
_HEAD = "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 90000\r\n\r\n"


async def slow_sender(port: int, path: str, kind: str) -> socket.socket:
    """Return a client that has sent a small part of a long body."""
    loop = asyncio.get_running_loop()
    client = socket.socket()
    client.setblocking(False)
    await loop.sock_connect(client, ("127.0.0.1", port))
    await loop.sock_sendall(client, _HEAD.format(path=path, kind=kind).encode() + b"{")
    return client


async def fill(server: Service, sales: int) -> None:
    """Make lists and event streams longer than the system buffers for a client that does not read."""
    body = sale_body(items=[line(name="x" * 400)] * 400)
    async with httpx.AsyncClient(base_url=server.url, timeout=30, verify=False) as http:  # noqa: S501
        for answer in await at_once((http.post("/api/orders/create-sale", json=body) for _ in range(sales)), most=4):
            assert answer.status_code == 201, answer.text


@pytest.mark.alone
async def test_a_shutdown_does_not_wait_for_inactive_clients(shop: Shop, mongodb_url: str) -> None:
    """Stop one process, and a server with two workers, concurrently because both mostly wait."""
    seconds = await asyncio.gather(*(seconds_of_shutdown(mongodb_url, shop.store, workers) for workers in ("1", "2")))
    assert max(seconds) < MOST_SECONDS, seconds


async def seconds_of_shutdown(mongodb_url: str, store: str, workers: str) -> float:
    options = ("--workers", workers)
    async with services(mongodb_url, f"{store}-{workers}", 1, *options) as (server,), AsyncExitStack() as stack:
        streams = await stack.enter_async_context(non_reading_clients(server.port, "/api/events/stream", 4))
        for client in streams:
            assert b" 200 " in await answer_begins(client)
        await stack.enter_async_context(stalled_clients(server.port, 4))
        await fill(server, 40)
        lists = await stack.enter_async_context(non_reading_clients(server.port, WHOLE_LIST, 4))
        for client in lists:
            assert b" 200 " in await answer_begins(client)
        for path, kind in (
            ("/api/orders/create-sale", "application/json"),
            ("/api/whatsapp/send-estimate-pdf", "multipart/form-data; boundary=x"),
        ):
            stack.callback((await slow_sender(server.port, path, kind)).close)
        began = time.monotonic()
        assert await server.stop() == 0
        return time.monotonic() - began


def test_a_failed_startup_stops_the_started_parts(mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise Unavailable

    async def start() -> None:
        app = create_app(Settings(mongodb_url=mongodb_url, database_name=f"pos_tests_{secrets.token_hex(4)}"))
        with pytest.raises(Unavailable):
            async with app.router.lifespan_context(app):
                raise AssertionError("The application has started.")
        assert asyncio.all_tasks() == {asyncio.current_task()}

    monkeypatch.setattr("app.application.log_setup_instructions", fail)
    # In an event loop of its own, since other shops close in that of the tests.
    asyncio.run(start())
