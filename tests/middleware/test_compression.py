"""Compression: large responses are compressed once for all clients that accept gzip."""

import asyncio
import gzip
import json
import secrets
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from app.middleware.compression import Compression
from endpoints.transfer.gzip import MIN_SIZE, takes_gzip
from endpoints.transfer.response_cache import OVERHEAD, CacheVersion, ResponseCache
from repositories.event_log.event_log import Head
from tests.support.payloads import estimate_body, line
from tests.support.shop import Shop

GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


async def fill(shop: Shop, count: int) -> None:
    await asyncio.gather(*(shop.estimate(customer_name=f"Customer {n}") for n in range(count)))


async def raw(shop: Shop, path: str, method: str = "GET", **headers: str) -> tuple[httpx.Response, bytes]:
    """Return a response, and its body as it was transferred."""
    async with shop.http.stream(method, path, headers=headers) as answer:
        return answer, b"".join([chunk async for chunk in answer.aiter_raw()])


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("deflate, GZIP", True),
        ("x-gzip", True),
        ("gzip;q=0.5", True),
        ("gzip; q=1.0, identity; q=0.5", True),
        ("*", True),
        ("*;q=0.1", True),
        ("br;q=1, *;q=0.3", True),
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("br, zstd", False),
        ("gzip;q=0.3, identity;q=0.8", False),
        ("gzip;q=nonsense", False),
        ("*;q=0", False),
        ("gzipped", False),
    ],
)
def test_accept_encoding_decides_whether_a_client_takes_gzip(accepted: str | None, takes: bool) -> None:
    assert takes_gzip(accepted) is takes


@pytest.mark.parametrize(
    "path", ["/api/estimates/all", "/api/estimates/all?limit=50", "/api/reports/today", "/metrics"]
)
async def test_a_large_response_is_compressed_with_the_same_content(shop: Shop, path: str) -> None:
    await fill(shop, 60)
    for _ in range(2):
        packed, body = await raw(shop, path, **GZIP)
        plain, plain_body = await raw(shop, path, **PLAIN)
        assert packed.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        if path != "/metrics":
            assert gzip.decompress(body) == plain_body
            assert packed.headers["etag"] == plain.headers["etag"]
        assert len(body) < len(plain_body) / 2
        for answer in (packed, plain):
            assert answer.headers.get_list("vary") == ["Accept-Encoding"]
        if "content-length" in packed.headers:
            assert int(packed.headers["content-length"]) == len(body)


@pytest.mark.parametrize("path", ["/api/estimates/all?limit=1", "/livez", "/nothing"])
async def test_a_small_response_is_not_compressed(shop: Shop, path: str) -> None:
    await fill(shop, 2)
    answer, body = await raw(shop, path, **GZIP)
    assert "content-encoding" not in answer.headers
    assert json.loads(body) is not None


@pytest.mark.parametrize("path", ["/api/estimates/all", "/api/estimates/all?limit=50"])
async def test_conditional_requests_get_304_in_both_encodings(shop: Shop, path: str) -> None:
    await fill(shop, 60)
    for headers in (GZIP, PLAIN):
        first, _ = await raw(shop, path, **headers)
        again, body = await raw(shop, path, **headers, **{"If-None-Match": first.headers["etag"]})
        assert (again.status_code, body) == (304, b"")
        assert again.headers["vary"] == "Accept-Encoding"
        assert "content-encoding" not in again.headers
    head, body = await raw(shop, path, "HEAD", **GZIP)
    assert (head.status_code, body) == (200, b"")
    assert head.headers["content-encoding"] == "gzip"


async def test_the_etag_of_a_compressed_document_is_weak_and_names_its_version(shop: Shop) -> None:
    items = [line(name=f"Item {n}", id=n) for n in range(40)]
    written = await shop.ok("POST", "/api/estimates/create", json=estimate_body(items))
    path = f"/api/estimates/{written['estimate_id']}"
    packed, _ = await raw(shop, path, **GZIP)
    plain, content = await raw(shop, path, **PLAIN)
    assert (plain.headers["etag"], packed.headers["etag"]) == ('"1"', 'W/"1"')
    body = {name: value for name, value in json.loads(content).items() if name in _BODY}
    answer = await shop.http.put(path, json={**body, "items": items}, headers={"If-Match": packed.headers["etag"]})
    assert answer.status_code == 200, answer.text
    stale = await shop.http.put(path, json={**body, "items": items}, headers={"If-Match": packed.headers["etag"]})
    assert stale.status_code == 412


_BODY = (
    *("customer_name", "customer_phone", "customer_address", "sale_by", "subtotal", "discount_amount"),
    *("is_percentage_discount", "total"),
)


async def test_an_event_stream_is_not_compressed(shop: Shop) -> None:
    async with shop.http.stream("GET", "/api/events/stream", headers=GZIP) as stream:
        assert "content-encoding" not in stream.headers
        chunks = stream.aiter_raw()
        assert await anext(chunks) == b"retry: 2000\n\n"
        await shop.sale()
        async with asyncio.timeout(30):
            assert b'"action":"create"' in await anext(chunks)


async def test_a_cached_response_is_compressed_once_and_counted() -> None:
    cache = ResponseCache(most_bytes=100_000)
    response = Response(secrets.token_hex(10_000), headers={"ETag": 'W/"1"'}, media_type="application/json")

    async def respond(_: CacheVersion) -> Response:
        return response

    version = CacheVersion(Head("epoch", 1), "1")
    plain = await cache.of("/", version, respond)
    assert cache.size == len("/") + OVERHEAD + len(response.body)
    assert len(response.body) == 20_000
    packed = await asyncio.gather(*(cache.of("/", version, respond, accepts_gzip=True) for _ in range(5)))
    again = await cache.of("/", version, respond, accepts_gzip=True)
    assert plain is response
    assert again in packed
    assert {gzip.decompress(each.body) for each in packed} == {response.body}
    assert (again.headers["etag"], again.headers["content-encoding"]) == ('W/"1"', "gzip")
    assert cache.size == len("/") + 2 * OVERHEAD + len(response.body) + len(again.body)
    for n in range(20):
        await cache.of(f"/{n}", version, respond, accepts_gzip=True)
        assert cache.size <= 100_000


class _Recorder:
    """Receives a response, and records the peak of the memory used."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.sent = self.messages = self.peak = 0
        self.unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self.unpacked = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.messages += 1
        self.sent += len(message["body"])
        self.unpacked += len(self.unpack.decompress(message["body"]))
        self.peak = max(self.peak, tracemalloc.get_traced_memory()[0])


async def test_a_streamed_response_is_compressed_without_buffering_it() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield secrets.token_hex(32 * 1024).encode()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(chunks(), media_type="application/json")(scope, receive, send)

    async def receive() -> Any:
        await asyncio.Event().wait()

    scope = {
        "type": "http",
        "method": "GET",
        "headers": [(b"accept-encoding", b"gzip")],
        "asgi": {"spec_version": "2.4"},
    }
    sent = _Recorder()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await Compression(app)(scope, receive, sent)
    tracemalloc.stop()
    assert sent.unpacked == 300 * 64 * 1024
    assert sent.messages > 100
    assert sent.sent < sent.unpacked
    assert sent.peak - before < 2 * 1024 * 1024
    headers = dict(sent.start["headers"])
    assert headers[b"content-encoding"] == b"gzip"
    assert b"content-length" not in headers


async def test_an_exception_before_the_first_chunk_is_an_error_response(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shop, 3)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("endpoints.sales.lists.joined", broken)
    answer = await shop.http.get("/api/estimates/all", headers=GZIP)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")


def test_the_threshold_is_the_documented_one() -> None:
    assert f"{MIN_SIZE:,}" in (Compression.__doc__ or "")
