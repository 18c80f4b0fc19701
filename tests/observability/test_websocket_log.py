"""The log of live connections: a line when each opens, one when it closes, and none for what is said on it."""

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
    """The lines, when there are so many."""
    async with asyncio.timeout(30):
        while len(found := stream.getvalue().splitlines()) < count:
            await asyncio.sleep(0.002)
    return [json.loads(each) for each in found]


def known(line: Line, *names: str) -> tuple[Any, ...]:
    return tuple(line[name] for name in ("event", "route", *names))


async def test_a_connection_makes_two_lines_whatever_is_said_on_it(open_shop: OpenShop, written: io.StringIO) -> None:
    shop = await open_shop(socket_log=LineWriter("json", written))
    headers = {"X-Request-ID": "screen-7", "Cookie": TOKEN}
    async with websockets.connect(f"{shop.ws_url}?name={NAME.split()[0]}", additional_headers=headers) as screen:
        for _ in range(5):
            await screen.send("ping")
            assert await screen.recv() == "pong"
            await shop.sale(customer_name=NAME)
            assert NAME in str(await screen.recv())
        (opened,) = await lines(written, 1)
        async with shop.listen(subprotocols=["pos.v1"]):
            _, second = await lines(written, 2)
    closed = (await lines(written, 4))[-1]
    assert known(opened, "level", "clients", "subprotocol") == ("socket opened", "/ws", "info", 1, None)
    assert known(second, "clients", "subprotocol") == ("socket opened", "/ws", 2, "pos.v1")
    assert known(closed, "code", "clients", "request_id") == ("socket closed", "/ws", 1000, 0, "screen-7")
    assert opened["request_id"] == "screen-7" != second["request_id"]
    assert 0 < closed["seconds"] < 30
    assert opened["timestamp"] <= closed["timestamp"]
    assert [secret for secret in (*NAME.split(), TOKEN) if secret in written.getvalue()] == []


@pytest.mark.parametrize(
    ("said", "code"),
    [('{"type": 7}', 4400), (b"\x00", 4400), ("x" * 70_000, 1009)],
    ids=["nonsense", "bytes", "too large"],
)
async def test_it_says_with_what_code_a_screen_was_sent_away(
    open_shop: OpenShop, written: io.StringIO, said: str | bytes, code: int
) -> None:
    shop = await open_shop(socket_log=LineWriter("json", written))
    async with shop.listen(subprotocols=["pos.v1"]) as screen:
        await screen.send(said)
        # Until it is sent away.
        with suppress(ConnectionClosed):
            while await screen.recv():
                pass
    _, closed = await lines(written, 2)
    assert known(closed, "code", "clients") == ("socket closed", "/ws", code, 0)


@pytest.mark.parametrize(("path", "status"), [(NAME.split()[0], 404), ("a%0ab%1b[31m", 403)])
async def test_who_may_not_come_in_is_in_the_log_too(
    open_shop: OpenShop, written: io.StringIO, caplog: pytest.LogCaptureFixture, path: str, status: int
) -> None:
    shop = await open_shop(socket_log=LineWriter("json", written))
    with pytest.raises(InvalidStatus) as refusal:
        await websockets.connect(f"ws://127.0.0.1:{shop.port}/{path}")
    headers = refusal.value.response.headers
    (refused,) = await lines(written, 1)
    assert known(refused, "status", "clients") == ("socket refused", "unmatched", status, 0)
    assert len(headers["X-Request-ID"]) == len(refused["request_id"]) == 32
    assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
    with pytest.raises(ConnectionClosed):
        async with shop.listen(origin="https://elsewhere.example") as screen:
            await screen.recv()
    *_, closed = await lines(written, 3)
    assert [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")] == []
    assert known(closed, "code") == ("socket closed", "/ws", 4403)


async def test_a_screen_that_answers_no_ping_is_told_apart(open_shop: OpenShop, written: io.StringIO) -> None:
    flags = {"ws_ping_interval": 0.05, "ws_ping_timeout": 0.1}
    shop = await open_shop(socket_log=LineWriter("json", written), server_flags=flags)
    silent = await open_websocket(shop.port)
    _, closed = await lines(written, 2)
    assert known(closed, "code", "clients") == ("socket closed", "/ws", 1011, 0)
    assert shop.state["hub"].readers == 0
    assert b"keepalive" in await read_all(silent)
    silent.close()


async def test_without_the_log_there_is_nothing_in_the_way(shop: Shop) -> None:
    assert "SocketObservation" not in {getattr(each.cls, "__name__", "") for each in shop.app.user_middleware}


async def test_on_a_terminal_they_are_for_people() -> None:
    ours, theirs = pty.openpty()
    with open(theirs, "w") as terminal, open(ours, "rb", buffering=0) as reader:  # noqa: ASYNC230, PTH123
        log = LineWriter("auto", terminal)
        log.write("socket closed", {"route": "/ws", "code": 1000})
        await asyncio.sleep(0)
        shown = reader.read(1_000).decode()
    assert "socket closed" in shown
    assert "\x1b[" in shown
    assert not shown.startswith("{")
