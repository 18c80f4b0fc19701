"""Pipelined requests: they are answered in order, and read one after another."""

import asyncio
import gc
import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.support.clients.raw_http import chunked, connected, read_answer, serve_echo
from tests.support.shop import serving

GET = b"GET /%d HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Gate:
    """An application that answers when the gate is opened.

    :ivar left: how many streams noticed that their client disconnected.
    """

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.left = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            for kind in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{kind}.complete"})
            return
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            disconnected = asyncio.create_task(_until_gone(receive))
            while not disconnected.done():
                await send({"type": "http.response.body", "body": b":", "more_body": True})
                await asyncio.wait([disconnected], timeout=0.05)
            self.left += 1
            return
        # Starlette also listens for a disconnect while it answers.
        await receive()
        await self.opened.wait()
        content = scope["path"].encode()
        headers = [(b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@pytest.mark.parametrize("size", [1, 7, 255, 256, 257, 100_000])
async def test_pipelined_requests_in_pieces_of_any_size_are_answered_in_order(size: int) -> None:
    count = 40 if size == 1 else 400
    whole = b"".join(chunked(f"/{n}", b"{}", "A: b") if n % 3 else GET % n for n in range(count))
    async with serve_echo() as port, connected(port) as (reader, writer), asyncio.timeout(30):

        async def send() -> None:
            for start in range(0, len(whole), size):
                writer.write(whole[start : start + size])
                await writer.drain()

        sending = asyncio.create_task(send())
        assert [json.loads((await read_answer(reader))[2])["path"] for _ in range(count)] == [
            f"/{n}" for n in range(count)
        ]
        await sending


async def test_megabytes_of_pipelined_requests_are_all_answered() -> None:
    count = 50_000
    async with serve_echo() as port, connected(port) as (reader, writer), asyncio.timeout(120):
        sending = asyncio.create_task(_send(writer, b"".join(GET % n for n in range(count))))
        for n in range(count):
            assert b'"path": "/%d"' % n in (await read_answer(reader))[2]
        await sending


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def test_few_requests_are_read_during_a_response() -> None:
    gate = Gate()
    async with serving(gate) as (port, _), connected(port) as (reader, writer), asyncio.timeout(60):
        sending = asyncio.create_task(_send(writer, GET % 1 * 200_000))
        await _until(lambda: len(_cycles()) > 1)
        # Iterations of the event loop in which more requests could be read.
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(_cycles()) < 20
        assert not sending.done()
        gate.opened.set()
        for _ in range(1_000):
            assert (await read_answer(reader))[2] == b"/1"
        assert len(_cycles()) < 40
        sending.cancel()


def _cycles() -> list[Any]:
    return [each for each in gc.get_objects() if type(each) is RequestResponseCycle and each.scope["path"] == "/1"]


async def _until(holds: Any) -> None:
    while not holds():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("wrong", "status"), [(b"NONSENSE\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200, 431)]
)
async def test_a_rejection_follows_the_responses_to_earlier_requests(wrong: bytes, status: int) -> None:
    gate = Gate()
    async with serving(gate) as (port, _), connected(port) as (reader, writer), asyncio.timeout(20):
        writer.write(GET % 1 + GET % 2 + wrong)
        reading = asyncio.create_task(reader.read(1))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not reading.done()
        gate.opened.set()
        first = await reading
        whole = first + await reader.read()
        assert [int(each[:3]) for each in whole.split(b"HTTP/1.1 ")[1:]] == [200, 200, status]


async def test_a_stream_before_another_request_notices_the_disconnect() -> None:
    gate = Gate()
    async with serving(gate) as (port, _):
        async with connected(port) as (reader, writer), asyncio.timeout(20):
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET % 1)
            assert await reader.readuntil(b"\r\n\r\n")
        async with asyncio.timeout(20):
            await _until(lambda: gate.left)
