"""The log of WebSockets: a line for each opening and each closing, and none for messages."""

import asyncio
import io
import json
import pty
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from app.observability.line_writer import LineWriter
from tests.observability.test_logs import NAME, TOKEN
from tests.support.clients.raw_websocket import open_websocket, read_all
from tests.support.shop import OpenShop, Shop

Line = dict[str, Any]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    with io.StringIO() as stream:
        yield stream


async def lines(stream: io.StringIO, count: int) -> list[Line]:
    """Wait for a number of lines, and return them."""
    async with asyncio.timeout(30):
        while len(found := stream.getvalue().splitlines()) < count:
            await asyncio.sleep(0.002)
    return [json.loads(each) for each in found]


def values_of(line: Line, *names: str) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("event", "route", *names))


async def test_a_connection_makes_two_lines_without_its_messages(open_shop: OpenShop, written: io.StringIO) -> None:
    shop = await open_shop(socket_log=LineWriter("json", written))
    headers = {"X-Request-ID": "client-7", "Cookie": TOKEN}
    async with websockets.connect(f"{shop.ws_url}?name={NAME.split()[0]}", additional_headers=headers) as client:
        for _ in range(5):
            await client.send("ping")
            assert await client.recv() == "pong"
            await shop.sale(customer_name=NAME)
            assert NAME in str(await client.recv())
        (opened,) = await lines(written, 1)
        async with shop.listen(subprotocols=["pos.v1"]):
            _, second = await lines(written, 2)
    closed = (await lines(written, 4))[-1]
    assert values_of(opened, "level", "clients", "subprotocol") == ("socket opened", "/ws", "info", 1, None)
    assert values_of(second, "clients", "subprotocol") == ("socket opened", "/ws", 2, "pos.v1")
    assert values_of(closed, "code", "clients", "request_id") == ("socket closed", "/ws", 1000, 0, "client-7")
    assert opened["request_id"] == "client-7" != second["request_id"]
    assert 0 < closed["seconds"] < 30
    assert opened["timestamp"] <= closed["timestamp"]
    assert [secret for secret in (*NAME.split(), TOKEN) if secret in written.getvalue()] == []


@pytest.mark.parametrize(
    ("data", "code"),
    [('{"type": 7}', 4400), (b"\x00", 4400), ("x" * 70_000, 1009)],
    ids=["nonsense", "bytes", "too large"],
)
async def test_the_close_code_is_logged(
    open_shop: OpenShop, written: io.StringIO, data: str | bytes, code: int
) -> None:
    shop = await open_shop(socket_log=LineWriter("json", written))
    async with shop.listen(subprotocols=["pos.v1"]) as client:
        await client.send(data)
        # Until the connection is closed.
        with suppress(ConnectionClosed):
            while await client.recv():
                pass
    _, closed = await lines(written, 2)
    assert values_of(closed, "code", "clients") == ("socket closed", "/ws", code, 0)


@pytest.mark.parametrize(("path", "status"), [(NAME.split()[0], 404), ("a%0ab%1b[31m", 403)])
async def test_rejected_connections_are_logged(
    open_shop: OpenShop, written: io.StringIO, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    shop = await open_shop(socket_log=LineWriter("json", written))
    with pytest.raises(InvalidStatus) as refusal:
        await websockets.connect(f"ws://127.0.0.1:{shop.port}/{path}")
    headers = refusal.value.response.headers
    (refused,) = await lines(written, 1)
    assert values_of(refused, "status", "clients") == ("socket refused", "unmatched", status, 0)
    assert len(headers["X-Request-ID"]) == len(refused["request_id"]) == 32
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
    with pytest.raises(ConnectionClosed):
        async with shop.listen(origin="https://elsewhere.example") as client:
            await client.recv()
    *_, closed = await lines(written, 3)
    assert [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")] == []
    assert values_of(closed, "code") == ("socket closed", "/ws", 4403)


async def test_a_ping_timeout_is_logged(open_shop: OpenShop, written: io.StringIO) -> None:
    flags = {"ws_ping_interval": 0.05, "ws_ping_timeout": 0.1}
    shop = await open_shop(socket_log=LineWriter("json", written), server_flags=flags)
    silent = await open_websocket(shop.port)
    _, closed = await lines(written, 2)
    assert values_of(closed, "code", "clients") == ("socket closed", "/ws", 1011, 0)
    assert shop.state["hub"].readers == 0
    assert b"keepalive" in await read_all(silent)
    silent.close()


async def test_without_a_log_there_is_no_middleware(shop: Shop) -> None:
    assert "SocketObservation" not in {getattr(each.cls, "__name__", "") for each in shop.app.user_middleware}


async def test_lines_on_a_terminal_are_formatted_for_people() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, open(ours, "rb", buffering=0) as reader:  # noqa: ASYNC230, PTH123
        log = LineWriter("auto", terminal)
        log.write("socket closed", {"route": "/ws", "code": 1000})
        await asyncio.sleep(0)
        shown = reader.read(1_000).decode()
    assert "socket closed" in shown
    assert "\x1b[" in shown
    assert not shown.startswith("{")
