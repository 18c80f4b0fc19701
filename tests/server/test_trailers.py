"""Trailers after a chunked body: they are read, limited, and not treated as headers."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Scope

from app.middleware.host_guard import HostOriginGuard
from app.server.http_protocol import MAX_LINES
from tests.support.clients.raw_http import chunked, connected, read_answer, send_pieces, serve_echo
from tests.support.credentials import credential_of
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop

FORBIDDEN_AS_TRAILERS = (
    "Authorization: Bearer x",
    "Cookie: session=x",
    "Host: evil.example",
    "X-Forwarded-For: 203.0.113.9",
    "X-Request-ID: chosen",
    "X-Store: other",
    "Idempotency-Key: chosen",
    "Content-Type: text/plain",
    "Origin: https://evil.example",
    "If-Match: 1",
    "Expect: 100-continue",
    "X-Anything: at all",
)


@pytest.mark.parametrize("trailer", FORBIDDEN_AS_TRAILERS)
async def test_a_trailer_does_not_become_a_header(trailer: str) -> None:
    async with serve_echo() as port:
        whole = chunked("/", b"{}", trailer)
        for pieces in ([whole], [whole[:-30], whole[-30:-4], whole[-4:]]):
            _, _, content = await send_pieces(port, *pieces)
            seen = json.loads(content)
            assert seen["body"] == "{}"
            assert seen["headers"] == [["host", "localhost"], ["transfer-encoding", "chunked"]]


async def test_a_trailer_does_not_sign_in(open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="on", public_base_url="http://127.0.0.1:8000")
    ((name, value),) = (await credential_of(shop, "owner")).items()
    body, kind = json.dumps(sale_body()).encode(), "Content-Type: application/json"
    path = "/api/orders/create-sale"
    status, _, content = await send_pieces(shop.port, chunked(path, body, f"{name}: {value}", headers=(kind,)))
    assert (status, json.loads(content)["code"]) == (401, "not_signed_in")
    status, _, _ = await send_pieces(shop.port, chunked(path, body, headers=(kind, f"{name}: {value}")))
    assert status == 201


async def test_a_trailer_sets_neither_client_address_nor_request_id(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []

    def note_client(_: HostOriginGuard, scope: Scope) -> None:
        seen.append(scope["client"][0])

    monkeypatch.setattr(HostOriginGuard, "_refusal", note_client)
    shop = await open_shop(trusted_proxies=1)
    trailers = ("X-Forwarded-For: 203.0.113.9", "X-Request-ID: chosen")
    _, headers, _ = await send_pieces(shop.port, chunked("/nothing", b"{}", *trailers))
    assert seen == ["127.0.0.1"]
    assert headers["x-request-id"] != "chosen"


async def test_a_request_after_trailers_is_answered() -> None:
    async with serve_echo() as port, connected(port) as (reader, writer), asyncio.timeout(20):
        for path in ("/one", "/two"):
            writer.write(chunked(path, b"{}", "X-Checksum: 1", "X-Other: 2"))
            _, _, content = await read_answer(reader)
            assert json.loads(content)["path"] == path
        # Both in one packet.
        writer.write(chunked("/three", b"3", "A: b") + chunked("/four", b"4", "C: d"))
        for path in ("/three", "/four"):
            assert json.loads((await read_answer(reader))[2])["path"] == path


async def test_the_lines_of_a_trailer_are_limited() -> None:
    async with serve_echo() as port:
        status, _, _ = await send_pieces(port, chunked("/", b"{}", *["a: b"] * MAX_LINES))
        assert status == 200
        status, _, content = await send_pieces(port, chunked("/", b"{}", *["a: b"] * (MAX_LINES + 1)))
        assert (status, json.loads(content)["code"]) == (413, "body_too_large")
