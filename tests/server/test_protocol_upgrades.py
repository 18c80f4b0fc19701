"""Requests to switch the protocol: each gets a clear response."""

import asyncio
import json

import pytest

from tests.support.clients.raw_http import connected, read_answer, send_pieces, serve_echo
from tests.support.clients.raw_websocket import handshake
from tests.support.shop import Shop

BODIES = {
    "Content-Length": ("Content-Length: 5", b"hello"),
    "Content-Length, body not sent": ("Content-Length: 5", b""),
    "chunks": ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n"),
    "no chunks": ("Transfer-Encoding: chunked", b"0\r\n\r\n"),
    "Expect": ("Content-Length: 5\r\nExpect: 100-continue", b""),
}


@pytest.mark.parametrize("path", ["/ws", "/nothing"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_handshake_with_a_body_gets_a_json_error(shop: Shop, path: str, body: tuple[str, bytes]) -> None:
    line, content = body
    status, headers, answer = await send_pieces(shop.port, handshake(path, line) + content)
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    problem = json.loads(answer)
    assert problem["code"] == "invalid_http"
    assert isinstance(problem["detail"], str)


@pytest.mark.parametrize(
    "request_line", ["POST /ws HTTP/1.1", "PUT /ws HTTP/1.1", "HEAD /ws HTTP/1.1", "GET /ws HTTP/1.0"]
)
async def test_a_handshake_without_get_or_http_1_1_gets_a_json_error(shop: Shop, request_line: str) -> None:
    status, headers, _ = await send_pieces(shop.port, handshake().replace(b"GET /ws HTTP/1.1", request_line.encode()))
    assert 400 <= status < 500
    assert headers["content-type"] == "application/problem+json"


async def test_a_handshake_may_have_an_empty_body(shop: Shop) -> None:
    async with connected(shop.port) as (reader, writer), asyncio.timeout(20):
        writer.write(handshake("/ws", "Content-Length: 0"))
        assert b" 101 " in await reader.readline()


async def test_a_pipelined_handshake_is_rejected_after_the_first_response(shop: Shop) -> None:
    async with connected(shop.port) as (reader, writer), asyncio.timeout(20):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" + handshake())
        assert (await read_answer(reader))[0] == 200
        status, _, content = await read_answer(reader)
        assert (status, json.loads(content)["code"]) == (400, "invalid_http")
        assert await reader.read() == b""


@pytest.mark.parametrize("upgrade", ["h2c", "TLS/1.0", "websocket, h2c", "x"])
async def test_an_unknown_upgrade_is_ignored_and_its_body_is_read(upgrade: str) -> None:
    lines = ("Host: localhost", "Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMA")
    post = "\r\n".join(("POST /one HTTP/1.1", *lines, "Content-Length: 5", "", "hello")).encode()
    get = "\r\n".join(("GET /two HTTP/1.1", *lines, "X-Other: x", "", "")).encode()
    async with serve_echo() as port:
        for pieces in ([post + get + get], [post, get, get], [post[:-2], post[-2:] + get[:9], get[9:], get]):
            async with connected(port) as (reader, writer), asyncio.timeout(20):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                answers = [json.loads((await read_answer(reader))[2]) for _ in range(3)]
                assert [(each["method"], each["path"], each["body"]) for each in answers] == [
                    ("POST", "/one", "hello"),
                    ("GET", "/two", ""),
                    ("GET", "/two", ""),
                ]
                assert ["x-other", "x"] in answers[1]["headers"]


async def test_connect_gets_a_json_error() -> None:
    async with serve_echo() as port:
        status, _, content = await send_pieces(port, b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
        assert (status, json.loads(content)["code"]) == (400, "invalid_http")
