"""The host guard: Host and Origin headers, and requests from other machines, in both sign-in modes."""

import asyncio
import json
import socket
import sys
from timeit import timeit
from typing import Any

import httpx
import pytest
import websockets
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from app.config.proxy_headers import is_of_a_proxy
from app.config.settings import Settings
from app.middleware.host_guard import HostOriginGuard, is_loopback
from endpoints.live.origins import Origins
from tests.http.test_status_and_errors import assert_problem
from tests.server.test_startup import running
from tests.support.credentials import credential_of
from tests.support.payloads import sale_body
from tests.support.ports import free_port
from tests.support.shop import OpenShop, Shop

SALE = "/api/orders/create-sale"


def machine_addresses() -> list[str]:
    """Return the addresses of this machine that other machines use."""
    found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found if not is_loopback(str(address[0]))]


async def test_only_loopback_names_are_accepted_by_default(shop: Shop) -> None:
    for host in ("127.0.0.1", "localhost", "LocalHost:8000", f"127.0.0.1:{shop.port}", "[::1]:8000", "127.0.0.2"):
        assert (await shop.http.get("/api/version", headers={"Host": host})).status_code == 200, host
    for host in (
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:8000",
        "",
        "[",
        "x" * 400,
        "192.168.1.20",
    ):
        assert_problem(await shop.http.get("/api/version", headers={"Host": host}), 400, "wrong_host")
        assert_problem(await shop.http.post(SALE, json=sale_body(), headers={"Host": host}), 400, "wrong_host")


async def test_the_public_and_the_allowed_hosts_are_accepted(open_shop: OpenShop) -> None:
    shop = await open_shop(
        sign_in="on", public_base_url="https://Shop.example", allowed_hosts=("till.example", "[2001:db8::1]")
    )
    for host in ("shop.example", "SHOP.example:443", "shop.example.", "till.example:8000", "[2001:db8::1]:80"):
        assert (await shop.http.get("/api/version", headers={"Host": host})).status_code == 200, host
    assert_problem(await shop.http.get("/api/version", headers={"Host": "evil.example"}), 400, "wrong_host")


async def test_health_checks_accept_any_host(shop: Shop) -> None:
    for path in ("/livez", "/readyz", "/health"):
        assert (await shop.http.get(path, headers={"Host": "10.1.2.3"})).status_code == 200


@pytest.mark.parametrize("host_lines", [[], ["Host: 127.0.0.1", "Host: evil.example"]])
async def test_a_request_needs_exactly_one_host(shop: Shop, host_lines: list[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write("\r\n".join(["GET /api/version HTTP/1.1", "Connection: close", *host_lines, "", ""]).encode())
    reply = await reader.read()
    writer.close()
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["status"] == 400


@pytest.mark.parametrize("mode", ["off", "on"])
async def test_a_foreign_origin_can_read_but_not_change(open_shop: OpenShop, mode: str) -> None:
    shop = await open_shop(
        sign_in=mode, public_base_url="http://127.0.0.1:8000", cors_origins=("https://till.example",)
    )
    headers = await credential_of(shop, "owner")
    order = await shop.ok("POST", SALE, json=sale_body(), headers=headers)
    address = f"/api/orders/{order['order_id']}"
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1", "https://till.example.evil.example", ""):
        foreign = {**headers, "Origin": origin}
        assert_problem(await shop.http.post(SALE, json=sale_body(), headers=foreign), 403, "foreign_origin")
        assert_problem(
            await shop.http.put(f"{address}/status?status=Cancelled", headers=foreign), 403, "foreign_origin"
        )
        assert_problem(await shop.http.delete(address, headers=foreign), 403, "foreign_origin")
        assert (await shop.http.get(address, headers=foreign)).status_code == 200
    for origin in ("https://till.example", "HTTP://127.0.0.1:8000", f"http://127.0.0.1:{shop.port}"):
        known = {**headers, "Origin": origin}
        assert (await shop.http.post(SALE, json=sale_body(), headers=known)).status_code == 201, origin
    assert (await shop.http.get(address, headers=headers)).json()["status"] == "Completed"


async def test_a_websocket_with_a_wrong_host_is_closed_with_4403(shop: Shop) -> None:
    for protocols in ([], ["pos.v1"]):
        async with websockets.connect(
            f"ws://evil.example:{shop.port}/ws",
            host="127.0.0.1",
            port=shop.port,
            subprotocols=protocols or None,  # type: ignore[arg-type]
        ) as connection:
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4403


def test_an_open_server_on_all_addresses_serves_only_this_machine(mongodb_url: str) -> None:
    """Start uvicorn by hand, which does not pass its `--host` to the application."""
    port = free_port()
    command = (sys.executable, "-m", "uvicorn", "asgi:app", "--host", "0.0.0.0", "--port", str(port))  # noqa: S104
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_host_guard", "FORWARDED_ALLOW_IPS": "*"}
    with running(*command, port=port, **names):
        for address in machine_addresses():
            headers = {"Host": f"127.0.0.1:{port}", "X-Forwarded-For": "127.0.0.1"}
            for path in ("/api/orders/all", "/livez"):
                refused = httpx.get(f"http://{address}:{port}{path}", headers=headers)
                assert_problem(refused, 403, "only_this_machine")
                assert "SECRET_KEY" in refused.json()["detail"]


def scope_of(server: Any, client: Any, **changes: Any) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": "/api/orders/all",
        "headers": [(b"host", b"127.0.0.1:8000")],
        "server": server,
        "client": client,
        **changes,
    }


async def status_of(settings: Settings, scope: Scope) -> int:
    """Return the status that the guard answers, 200 if it passes the request on."""
    statuses = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    async def receive() -> Any:
        return {"type": "http.request"}

    await HostOriginGuard(app, settings, Origins())(scope, receive, send)
    return int(statuses[0])


LOCAL = ("127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("server", "client"),
    [
        (("192.168.1.20", 8000), LOCAL),
        (LOCAL, ("192.168.1.30", 5)),
        (("::ffff:192.168.1.20", 8000), LOCAL),
        (None, LOCAL),
        (LOCAL, None),
        (("/run/pos.sock", None), None),
        (("0.0.0.0", 8000), LOCAL),  # noqa: S104
    ],
)
async def test_an_open_service_rejects_requests_from_other_machines(server: Any, client: Any) -> None:
    assert await status_of(Settings(), scope_of(server, client)) == 403
    assert await status_of(Settings(), scope_of(server, client, path="/livez")) == 403
    insecure = Settings(sign_in="off", allow_insecure=True, allowed_hosts=("127.0.0.1",))
    assert await status_of(insecure, scope_of(server, client)) == 200
    # Both settings are needed.
    assert await status_of(Settings(allow_insecure=True), scope_of(server, client)) == 403


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_an_open_service_accepts_its_own_machine(address: str) -> None:
    assert is_loopback(address)
    assert await status_of(Settings(), scope_of((address, 8000), (address, 50_000))) == 200


async def test_an_open_service_detects_a_local_proxy_for_other_machines(shop: Shop) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    assert_problem(await shop.http.get("/api/orders/all", headers=forwarded), 403, "only_this_machine")
    assert (await shop.http.get("/api/orders/all", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 200
    async with shop.listen(additional_headers=forwarded) as connection:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4403


@pytest.mark.parametrize(
    "forwarded",
    [
        ["6.6.6.6", "127.0.0.1"],
        ["127.0.0.1", "6.6.6.6"],
        ["127.0.0.1, 6.6.6.6"],
        ["127.0.0.1", "127.0.0.1", "6.6.6.6, ::1"],
        # Longer than the part that is read.
        ["127.0.0.1," * 409 + "::1   ,6.6.6.6"],
        ["127.0.0.1", ""],
    ],
)
async def test_an_open_service_checks_all_forwarded_addresses(shop: Shop, forwarded: list[str]) -> None:
    headers = [("X-Forwarded-For", value) for value in forwarded]
    assert_problem(await shop.http.get("/api/orders/all", headers=headers), 403, "only_this_machine")
    local = [("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "::1, 127.0.0.2")]
    assert (await shop.http.get("/api/orders/all", headers=local)).status_code == 200


PROXY_HEADERS = {
    "Forwarded": "for=203.0.113.9;proto=https",
    "X-Forwarded": "for=203.0.113.9",
    "X-Forwarded-Host": "shop.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Server": "proxy",
    "X-Forwarded-Scheme": "https",
    "X-Forwarded-Ssl": "on",
    "X-Forwarded-By": "127.0.0.1",
    "X-Forwarded-Client-Cert": "x",
    "Forwarded-For": "203.0.113.9",
    "X-Original-Forwarded-For": "203.0.113.9",
    "X-Original-Host": "shop.example",
    "X-Real-IP": "127.0.0.1",
    "X-Real-Ip": "203.0.113.9",
    "X-Client-IP": "203.0.113.9",
    "Client-IP": "203.0.113.9",
    "X-Cluster-Client-IP": "203.0.113.9",
    "X-Remote-Addr": "203.0.113.9",
    "CF-Connecting-IP": "203.0.113.9",
    "CF-Connecting-IPv6": "2001:db8::1",
    "CF-Ray": "x",
    "CF-Visitor": "x",
    "CF-IPCountry": "IN",
    "CDN-Loop": "cloudflare",
    "True-Client-IP": "203.0.113.9",
    "Fly-Client-IP": "203.0.113.9",
    "Fastly-Client-IP": "203.0.113.9",
    "DO-Connecting-IP": "203.0.113.9",
    "Via": "1.1 proxy",
    "X-Envoy-External-Address": "203.0.113.9",
    "X-Azure-ClientIP": "203.0.113.9",
    "X-AppEngine-User-IP": "203.0.113.9",
    "X-Amzn-Trace-Id": "x",
    "X-Request-Start": "1",
    "X-Nginx-Proxy": "true",
    "X-Scheme": "https",
    "Front-End-Https": "on",
    "Proxy-Connection": "keep-alive",
    "Tailscale-User-Login": "x",
    "WL-Proxy-Client-IP": "203.0.113.9",
}


@pytest.mark.parametrize("name", PROXY_HEADERS)
async def test_an_open_service_rejects_any_header_of_a_proxy(shop: Shop, name: str) -> None:
    forwarded = {name: PROXY_HEADERS[name]}
    for path in ("/api/orders/all", "/livez"):
        assert_problem(await shop.http.get(path, headers=forwarded), 403, "only_this_machine")
    # A local X-Forwarded-For from the client does not help.
    local = {**forwarded, "X-Forwarded-For": "127.0.0.1"}
    assert_problem(await shop.http.post(SALE, json=sale_body(), headers=local), 403, "only_this_machine")
    async with shop.listen(additional_headers=forwarded) as connection:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4403


async def test_usual_headers_are_not_mistaken_for_those_of_a_proxy(shop: Shop) -> None:
    """Check the headers of browsers, the app and tools."""
    usual = (
        *("Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Cookie", "DNT", "Origin"),
        *("Pragma", "Priority", "Referer", "Sec-CH-UA", "Sec-CH-UA-Mobile", "Sec-Fetch-Dest", "Sec-Fetch-Site", "TE"),
        *("Sec-Fetch-User", "Sec-GPC", "Upgrade-Insecure-Requests", "User-Agent", "X-Request-ID", "X-Store", "Trailer"),
        *("Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "X-Requested-With", "Postman-Token"),
        *("X-Client-Version", "X-Device-Id", "Traceparent", "Tracestate", "Baggage", "From", "Range", "Date"),
    )
    assert [name for name in usual if is_of_a_proxy(name.lower().encode())] == []


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ({"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "X-Forwarded-Proto": "http", "Via": "1.1 a"}, 200),
        ({"X-Forwarded-For": "127.0.0.1", "Forwarded": 'for="[::1]:4711";proto=http, for=127.0.0.1'}, 200),
        ({"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "127.0.0.1:8000"}, 200),
        ({"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "203.0.113.9"}, 403),
        ({"X-Forwarded-For": "127.0.0.1", "Forwarded": 'for=127.0.0.1, for="[2001:db8::1]:4711"'}, 403),
        ({"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "192.168.1.20:8000"}, 403),
        ({"X-Forwarded-For": "203.0.113.9"}, 403),
        ({"X-Real-IP": "127.0.0.1"}, 403),
        ({}, 200),
    ],
)
async def test_an_open_service_behind_a_trusted_proxy_serves_only_this_machine(
    open_shop: OpenShop, forwarded: dict[str, str], status: int
) -> None:
    shop = await open_shop(trusted_proxies=1)
    assert (await shop.http.get("/api/orders/all", headers=forwarded)).status_code == status


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        (1, ["203.0.113.9"], "203.0.113.9"),
        (1, ["127.0.0.1, 10.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (1, ["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
        (1, ["127.0.0.1", "203.0.113.9:4711"], "203.0.113.9"),
        (1, ["[2001:db8::1]:4711"], "2001:db8::1"),
        (1, ["2001:db8::1"], "2001:db8::1"),
        (2, ["127.0.0.1, 203.0.113.9, 198.51.100.7"], "203.0.113.9"),
        (2, ["203.0.113.9"], "127.0.0.1"),
        (1, [], "127.0.0.1"),
        (1, ["203.0.113.9, unknown"], "127.0.0.1"),
        (1, [""], "127.0.0.1"),
        (0, ["203.0.113.9"], "127.0.0.1"),
    ],
)
async def test_the_client_address_is_that_seen_by_the_outermost_trusted_proxy(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, proxies: int, forwarded: list[str], client: str
) -> None:
    seen = []

    def note_client(self: HostOriginGuard, scope: Scope) -> None:
        seen.append(scope["client"][0])

    # Platforms set this variable, with which uvicorn would trust the leftmost address.
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    monkeypatch.setattr(HostOriginGuard, "_refusal", note_client)
    shop = await open_shop(trusted_proxies=proxies)
    lines = [("X-Forwarded-For", value) for value in forwarded]
    assert (await shop.http.get("/api/version", headers=lines)).status_code == 200
    assert seen == [client]


@pytest.mark.alone
def test_the_guard_costs_less_than_ten_header_lookups() -> None:
    guard = HostOriginGuard(lambda *_: None, Settings(), Origins())  # type: ignore[arg-type]
    headers = [(b"x-header-%d" % number, b"value") for number in range(6)]
    scope = scope_of(LOCAL, LOCAL, headers=[(b"host", b"127.0.0.1:8000"), *headers])
    best = min(timeit(lambda: guard(scope, None, None), number=1_000) for _ in range(20))  # type: ignore[arg-type]
    lookup = min(timeit(lambda: Headers(scope=scope)["host"], number=1_000) for _ in range(20))
    assert best < 10 * lookup
