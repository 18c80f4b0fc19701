"""Concurrent requests with one connection each, so that hundreds cost little and reach all processes."""

import asyncio
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

T = TypeVar("T")


@dataclass(frozen=True)
class Answer:
    """A response.

    :ivar headers: with names in lower case.
    :ivar seconds: from the first byte sent to the last received.
    """

    status: int
    headers: dict[str, str]
    content: Any
    seconds: float


async def send(port: int, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """Send a request on a new connection, which is closed after the answer."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    payload = b"" if body is None else orjson.dumps(body)
    lines = {"host": "localhost", "connection": "close", "content-length": str(len(payload)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + payload)
    raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    start, _, content = raw.partition(b"\r\n\r\n")
    status, *fields = start.decode("latin-1").split("\r\n")
    named = dict(field.lower().split(": ", 1) for field in fields)
    return Answer(int(status.split()[1]), named, orjson.loads(content), time.monotonic() - began)


async def at_once(awaitables: Iterable[Awaitable[T]], most: int = 300) -> list[T]:
    """Await all, at most `most` at a time, and return their results in order."""
    places = asyncio.Semaphore(most)

    async def one(awaitable: Awaitable[T]) -> T:
        async with places:
            return await awaitable

    return await asyncio.gather(*(one(each) for each in awaitables))
