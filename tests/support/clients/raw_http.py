"""Requests as raw bytes, which no client library would send, and the answers to them."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import Receive, Scope, Send

from tests.support.shop import serving

Json = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]


def chunked(path: str, body: bytes, *trailers: str, headers: tuple[str, ...] = ()) -> bytes:
    """Return a POST whose body is one chunk, followed by trailers."""
    head = ("POST " + path + " HTTP/1.1", "Host: localhost", "Transfer-Encoding: chunked", *headers, "", "")
    chunk = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    return "\r\n".join(head).encode() + chunk + "".join(f"{line}\r\n" for line in (*trailers, "")).encode()


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """Return the next answer, which must have a length."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return int(first.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def send_pieces(port: int, *pieces: bytes) -> Answer:
    """Send pieces of a request one by one, and return the first answer."""
    async with connected(port) as (reader, writer), asyncio.timeout(20):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await read_answer(reader)


async def echo_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the received request, once it is complete."""
    if scope["type"] != "http":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, is_more = b"", True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message["body"]
        is_more = message["more_body"]
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    seen = {"method": scope["method"], "path": scope["path"], "headers": headers, "body": body.decode("latin-1")}
    content = json.dumps(seen).encode()
    start = [(b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": start})
    await send({"type": "http.response.body", "body": content})


@asynccontextmanager
async def serve_echo(**flags: Any) -> AsyncIterator[int]:
    """Serve `echo_app`, and yield the port."""
    async with serving(echo_app, **flags) as (port, _):
        yield port
