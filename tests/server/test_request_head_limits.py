"""Request heads: size limits, and responses to what is not a valid request."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from app.server.http_protocol import MAX_HEAD
from tests.support.clients.raw_websocket import handshake
from tests.support.shop import Shop

LONG = b"a" * 70_000
SMALL = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"

Answer = tuple[int, dict[str, str], bytes]


async def exchange(port: int, *pieces: bytes) -> list[Answer]:
    """Send pieces one after another, and return the responses until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            # So that each arrives separately.
            await asyncio.sleep(0.02)
        async with asyncio.timeout(30):
            return [answer async for answer in _responses(reader)]
    finally:
        writer.transport.abort()


async def _responses(reader: asyncio.StreamReader) -> AsyncIterator[Answer]:
    is_last = False
    while not is_last:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        yield int(first.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))
        is_last = headers.get("connection") == "close"


def large(request_line: bytes = b"GET /livez HTTP/1.1", *headers: bytes) -> bytes:
    return b"\r\n".join([request_line, b"host: localhost", b"connection: close", *headers, b"", b""])


LARGE = {
    "a header": large(b"GET /livez HTTP/1.1", b"x-long: " + LONG),
    "many headers": large(b"GET /livez HTTP/1.1", *[b"x: " + b"a" * 995] * 70),
    "a path": large(b"GET /livez/" + LONG + b" HTTP/1.1"),
    "a query": large(b"GET /livez?q=" + LONG + b" HTTP/1.1"),
    "a name": large(b"GET /livez HTTP/1.1", LONG + b": x"),
    "a handshake": large(b"GET /ws HTTP/1.1", b"upgrade: websocket", b"connection: upgrade", b"x-long: " + LONG),
    "with a body": large(b"POST /livez HTTP/1.1", b"content-length: 2", b"x-long: " + LONG) + b"{}",
}


@pytest.mark.parametrize("pieces", [1, 2, 5])
@pytest.mark.parametrize("kind", LARGE)
async def test_a_large_head_is_rejected_in_one_or_several_pieces(shop: Shop, kind: str, pieces: int) -> None:
    head = LARGE[kind]
    size = len(head) // pieces + 1
    (answer,) = await exchange(shop.port, *[head[start : start + size] for start in range(0, len(head), size)])
    assert (answer[0], json.loads(answer[2])["code"]) == (431, "headers_too_large")


async def test_a_large_head_after_another_request_is_rejected(shop: Shop) -> None:
    first, second = await exchange(shop.port, SMALL, LARGE["a header"])
    assert (first[0], second[0]) == (200, 431)


async def test_a_head_just_below_the_limit_is_accepted(shop: Shop) -> None:
    head = large(b"GET /livez HTTP/1.1", b"x-long: " + b"a" * (MAX_HEAD - 200))
    for pieces in ([head], [head[:40_000], head[40_000:]]):
        ((status, _, _),) = await exchange(shop.port, *pieces)
        assert status == 200


async def test_a_preceding_body_does_not_count_for_the_size_of_a_head(shop: Shop) -> None:
    body = b"x" * 64_000
    post = b"POST /nothing HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    last = large(b"GET /livez HTTP/1.1", b"x: " + b"a" * 3_000)
    first, second = await exchange(shop.port, post, body + last[:2_500], last[2_500:])
    assert (first[0], second[0]) == (404, 200)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (LARGE["a header"], 431),
        (large(b"GET /ws HTTP/1.1", b"connection: upgrade", b"upgrade: websocket"), 400),
    ],
    ids=["not HTTP", "too large", "incomplete handshake"],
)
async def test_rejections_of_the_parser_have_the_usual_headers(shop: Shop, sent: bytes, status: int) -> None:
    usual = (await shop.http.get("/nothing")).headers
    ((received, headers, content),) = await exchange(shop.port, sent)
    assert received == status
    varying = {"date", "content-length", "x-request-id"}
    assert {name: value for name, value in usual.items() if name not in varying}.items() <= headers.items()
    assert headers["x-request-id"] == json.loads(content)["instance"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws", ["X-Long: " + "a" * 9_000], 431),
        ("/ws?" + "a" * 9_000, [], 414),
        ("/ws", [f"X-{number}: y" for number in range(200)], 431),
    ],
    ids=["a header", "a query", "many headers"],
)
async def test_a_handshake_that_the_parser_rejects_is_answered(
    shop: Shop, path: str, headers: list[str], status: int
) -> None:
    ((received, response_headers, content),) = await exchange(shop.port, handshake(path, *headers))
    assert received == status
    assert response_headers["content-type"] == "application/problem+json"
    assert json.loads(content)["status"] == status


async def test_lists_of_tags_may_span_several_header_lines(shop: Shop) -> None:
    order = (await shop.sale())["order_id"]
    tag = (await shop.http.get("/api/orders/all")).headers["etag"]
    held = [("If-None-Match", '"7"'), ("If-None-Match", tag)]
    assert (await shop.http.get("/api/orders/all", headers=held)).status_code == 304
    path = f"/api/orders/{order}"
    assert (await shop.http.delete(path, headers=[("If-Match", '"7"'), ("If-Match", '"8"')])).status_code == 412
    assert (await shop.http.delete(path, headers=[("If-Match", '"7"'), ("If-Match", '"1"')])).status_code == 200


@pytest.mark.parametrize("extra", [b"0\r\n" + b"x: y\r\n" * 300_000, b"0\r\nx: " + LONG * 16, b"2;" + LONG * 16])
async def test_trailers_and_chunk_extensions_are_limited(shop: Shop, extra: bytes) -> None:
    head = b"POST /api/orders/create-sale HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"
    ((status, _, content),) = await exchange(shop.port, head, extra)
    assert (status, json.loads(content)["code"]) == (413, "body_too_large")


async def test_a_connection_with_an_unread_large_body_is_closed_after_the_response(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that the response ends the connection, not the deadline of the body."""
    monkeypatch.setattr("app.server.http_protocol.RECEIVE_SECONDS", 3_600.0)
    head = b"POST /nothing HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(head)
    assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 404")
    writer.write(chunk * 20)
    async with asyncio.timeout(30):
        assert b" 413 " not in await reader.read()
    writer.transport.abort()
