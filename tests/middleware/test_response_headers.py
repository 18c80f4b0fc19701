"""Headers of all responses: security, CORS, request ids."""

import asyncio
import socket

import httpx
import pytest
from starlette.responses import Response

from endpoints import status as service
from tests.support.payloads import estimate_body
from tests.support.shop import OpenShop, Shop

TILL = "https://till.example"
PATHS = (
    "/",
    "/health",
    "/livez",
    "/nothing",
    "/api/orders/all",
    "/api/orders/X",
    "/metrics",
    "/api/reports/monthly/1/99",
)


@pytest.mark.parametrize("path", PATHS)
async def test_every_response_has_security_headers(shop: Shop, path: str) -> None:
    for method in ("GET", "PATCH"):
        headers = (await shop.http.request(method, path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert headers["cache-control"] in ("no-store", "no-cache")
        assert "strict-transport-security" not in headers
        assert "server" not in headers
        assert [name for name in set(headers) if len(headers.get_list(name)) > 1] == []


async def test_personal_data_is_not_cached(shop: Shop) -> None:
    written = await shop.estimate()
    for path in (f"/api/estimates/{written['estimate_id']}", "/api/events"):
        assert (await shop.http.get(path)).headers["cache-control"] == "no-store"
    posted = await shop.http.post("/api/estimates/create", json=estimate_body())
    assert posted.headers["cache-control"] == "no-store"
    # A list may be stored, but its ETag must be checked before each use.
    for _ in range(3):
        answer = await shop.http.get("/api/estimates/all")
        assert answer.headers.get_list("cache-control") == ["no-cache"]
        # The same cached response each time: sending it must not add headers to it.
        assert [name for name in set(answer.headers) if len(answer.headers.get_list(name)) > 1] == []


async def test_hsts_is_sent_only_with_an_https_address(open_shop: OpenShop) -> None:
    shop = await open_shop(public_base_url="https://shop.example")
    for path in PATHS:
        assert (await shop.http.get(path)).headers["strict-transport-security"] == "max-age=31536000"


async def test_a_page_may_have_its_own_policy(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = "default-src 'self'"

    async def page(*_: object) -> Response:
        return Response("<p>", headers={"Content-Security-Policy": policy, "Cache-Control": "max-age=60"})

    monkeypatch.setattr(service.Welcome, "get", page)
    headers = (await shop.http.get("/")).headers
    assert headers.get_list("content-security-policy") == [policy]
    assert headers.get_list("cache-control") == ["max-age=60"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("method", "header"), [("PUT", "if-match"), ("POST", "idempotency-key"), ("DELETE", "x-own")])
async def test_a_preflight_request_of_an_allowed_origin_succeeds(open_shop: OpenShop, method: str, header: str) -> None:
    shop = await open_shop(cors_origins=(TILL,))
    preflight = {"Origin": TILL, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": header}
    answer = await shop.http.options("/api/estimates/X", headers=preflight)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == TILL
    assert method in answer.headers["access-control-allow-methods"]
    assert header in answer.headers["access-control-allow-headers"]
    foreign = await shop.http.options("/api/estimates/X", headers={**preflight, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers
    for refused in (
        foreign,
        await shop.http.options("/", headers={**preflight, "Access-Control-Request-Method": "TRACE"}),
    ):
        assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
        assert refused.json()["code"] == "cors_refused"


async def test_without_cors_origins_no_preflight_request_succeeds(shop: Shop) -> None:
    preflight = {"Origin": TILL, "Access-Control-Request-Method": "GET"}
    answer = await shop.http.options("/api/estimates/X", headers=preflight)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("PATCH", "/", 405),
        ("GET", "/api/orders/all?limit=x", 422),
        ("GET", "/api/orders/X", 404),
    ],
)
async def test_a_browser_can_read_error_responses_and_their_headers(
    open_shop: OpenShop, method: str, path: str, status: int
) -> None:
    shop = await open_shop(cors_origins=("*",))
    answer = await shop.http.request(method, path, headers={"Origin": TILL})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "*")
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"ETag", "Retry-After", "X-Request-ID", "Idempotent-Replayed", "X-Stream-Position", "Link"} <= exposed
    assert isinstance(answer.json()["detail"], str)


async def test_a_browser_can_read_internal_errors(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await open_shop(cors_origins=(TILL,))

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.Welcome, "get", broken)
    answer = await shop.http.get("/", headers={"Origin": TILL})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (500, TILL)
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "given", ["till-7/42", "a", "x" * 128, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]
)
async def test_a_valid_request_id_is_returned(shop: Shop, given: str) -> None:
    answer = await shop.http.get("/nothing", headers={"X-Request-ID": given})
    assert answer.headers.get_list("x-request-id") == [given] == [answer.json()["instance"]]


@pytest.mark.parametrize(
    "given", [b"", b"x" * 129, b"tab\tin it", b"\xc3\xa4", b"\xff\xfe", b"\x7f", b"escape\x1b[31m", b"nul\x00"]
)
async def test_an_invalid_request_id_is_replaced(shop: Shop, given: bytes) -> None:
    answer = await _ask(shop.port, b"X-Request-ID: " + given)
    assert answer.status_code in (400, 404)
    request_id = answer.headers["x-request-id"]
    assert len(request_id) == 32
    assert set(request_id) <= set("0123456789abcdef")
    assert answer.json()["instance"] == request_id


async def test_a_request_id_cannot_inject_a_header(shop: Shop) -> None:
    answer = await _ask(shop.port, b"X-Request-ID: a\r\n Set-Cookie: b=c", b"X-Request-ID: second")
    assert "set-cookie" not in answer.headers
    assert len(answer.headers.get_list("x-request-id")) == 1


async def test_generated_request_ids_are_unique(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.http.get("/livez") for _ in range(50)))
    assert len({answer.headers["x-request-id"] for answer in answers}) == 50


async def _ask(port: int, *headers: bytes) -> httpx.Response:
    """Return the response to a request with headers that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    writer.write(b"\r\n".join([b"GET /nothing HTTP/1.1", b"Host: localhost", b"Connection: close", *headers, b"", b""]))
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    pairs = [tuple(line.split(b": ", 1)) for line in lines]
    return httpx.Response(int(status.split()[1]), headers=pairs, content=body)  # type: ignore[arg-type]
