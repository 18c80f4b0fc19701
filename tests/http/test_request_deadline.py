"""The request deadline: it covers all steps, even if each database command is slow."""

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from endpoints.accounts.guard import GuardedRoute
from endpoints.accounts.permissions import DEVICES, Roles
from endpoints.routes import ROUTES
from schemas.core.principals import DEVICE, OWNER
from tests.support.accounts import PASSWORD, PIN, SECRET_KEY, add
from tests.support.clients.live_client import closed_with
from tests.support.credentials import credential_of
from tests.support.faults.failpoints import failing
from tests.support.payloads import estimate_body, sale_body
from tests.support.shop import DATABASE, OpenShop, Shop

#: All database commands of the service during a request.
COMMANDS = ("find", "aggregate", "insert", "update", "delete", "findAndModify", "commitTransaction", "count")
#: The deadline in these tests, and the delay of each command: two commands exceed the deadline.
SECONDS, DELAY_MS = 1.2, 1_000
#: The delay that a busy machine may add.
NOISE = 1.0
AT_ONCE = 32


class RouteRequest(NamedTuple):
    """One request to a route."""

    method: str
    template: str
    path: str
    body: Any
    roles: Roles | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


def bodies(shop: Shop) -> dict[str, Any]:
    """Return bodies for routes that validate the body before they query the database."""
    user = {"username": f"new-{shop.store}", "name": "New", "role": "cashier", "password": PASSWORD}
    message = {"phone_number": "9822012345", "message": "Ready."}
    return {
        "POST /api/orders/create-sale": sale_body(),
        "POST /api/estimates/create": estimate_body(),
        "PUT /api/estimates/{estimate_id}": estimate_body(),
        "PUT /api/orders/{order_id}/status": {"status": "Pending"},
        "POST /api/auth/login": {"username": f"owner-{shop.store}", "password": PASSWORD},
        "POST /api/auth/pin": {"username": f"owner-{shop.store}", "pin": PIN},
        "POST /api/auth/refresh": {"refresh_token": "pos_r_" + "A" * 43},
        "POST /api/auth/password": {"current": PASSWORD, "new": "nine silent palm trees"},
        "POST /api/users": user,
        "PUT /api/users/{user_id}": {"name": "Other"},
        "POST /api/devices": {"name": "Tablet"},
        "POST /api/customers/create": {"name": "Asha", "phone": "9822012345"},
        "PUT /api/customers/{customer_id}": {"name": "Asha"},
        "PUT /api/settings": {"business_name": "The shop"},
        "POST /api/whatsapp/send": message,
        "POST /api/estimates/{estimate_id}/send": {"phone_number": "9822012345"},
        "POST /api/orders/{order_id}/send": {"phone_number": "9822012345"},
    }


def every_request(names: dict[str, str], bodies: dict[str, Any]) -> Iterator[RouteRequest]:
    """Yield a request for each method of each route."""
    for route in ROUTES:
        if isinstance(route, GuardedRoute):
            path = re.sub(r"\{(\w+)\}", lambda name: names.get(name[1], "1"), route.path)
            for method, roles in route.roles.items():
                body = None if method in ("GET", "DELETE") else bodies.get(f"{method} {route.path}", {})
                yield RouteRequest(method, route.path, path, body, roles)


async def create_documents(shop: Shop) -> dict[str, str]:
    """Create one document of each kind, and return the path parameters of the route table."""
    headers = await credential_of(shop, OWNER)
    estimate = await shop.ok("POST", "/api/estimates/create", json=estimate_body(), headers=headers)
    order = await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=headers)
    link = await shop.ok("POST", f"/api/orders/{order['order_id']}/link", json={}, headers=headers)
    asha = {"name": "Asha", "phone": "9822012345"}
    customer = await shop.ok("POST", "/api/customers/create", json=asha, headers=headers)
    user = await add(shop, OWNER, login=f"owner-{shop.store}", pin=PIN)
    names = {"estimate_id": estimate["estimate_id"], "order_id": order["order_id"], "user_id": user["_id"]}
    names |= {"token": link["url"].rpartition("/")[2], "link_id": link["id"], "customer_id": customer["customer_id"]}
    return names | {"year": "2026", "month": "1"}


async def send(shop: Shop, request: RouteRequest, headers: dict[str, str]) -> tuple[httpx.Response, float]:
    """Return a response (its body only if it is an error, since streams do not end), and its seconds."""
    began = time.monotonic()
    async with shop.http.stream(request.method, request.path, json=request.body, headers=headers) as response:
        seconds = time.monotonic() - began
        if response.status_code >= 400:
            await response.aread()
        return response, seconds


@pytest.mark.alone
@pytest.mark.parametrize("is_open", [True, False])
async def test_every_route_responds_in_time_while_commands_are_slow(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    monkeypatch.setattr("app.middleware.deadline.REQUEST_SECONDS", SECONDS)
    monkeypatch.setattr("endpoints.live.websocket.REQUEST_SECONDS", SECONDS)
    shop = await open_shop(sign_in="off" if is_open else "on", secret_key=SECRET_KEY)
    requests = list(every_request(await create_documents(shop), bodies(shop)))
    late, rejected = [], 0
    for batch in [requests[index : index + AT_ONCE] for index in range(0, len(requests), AT_ONCE)]:
        roles = [DEVICE if request.roles == DEVICES else OWNER for request in batch]
        headers = [{} if is_open else await credential_of(shop, role) for role in roles]
        async with failing(shop.database, *COMMANDS, blockConnection=True, blockTimeMS=DELAY_MS):
            answers = await asyncio.gather(*map(send, [shop] * len(batch), batch, headers))
        for request, (response, seconds) in zip(batch, answers, strict=True):
            if seconds > SECONDS + NOISE:
                late.append(f"{request.name}: {seconds:.2f} s")
            assert response.status_code < 500 or response.status_code == 503, f"{request.name}: {response.text}"
            if response.status_code == 503 and request.path not in ("/health", "/api/health"):
                rejected += 1
                assert response.headers["content-type"] == "application/problem+json", request.name
                assert isinstance(response.json()["detail"], str), request.name
                assert int(response.headers["retry-after"]) > 0, request.name
    assert not late
    assert rejected > len(requests) / 4


async def test_a_slow_websocket_sign_in_is_closed_in_time(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that the client is asked to retry later, though each single command would finish."""
    monkeypatch.setattr("endpoints.live.websocket.REQUEST_SECONDS", 0.3)
    shop = await open_shop(sign_in="on", secret_key=SECRET_KEY)
    headers = await credential_of(shop, OWNER)
    async with (
        failing(shop.database, *COMMANDS, blockConnection=True, blockTimeMS=2_000),
        shop.listen(additional_headers=headers) as socket,
    ):
        assert await closed_with(socket) == 1013


async def test_a_request_beyond_the_deadline_states_whether_its_outcome_is_known(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, open_shop: OpenShop
) -> None:
    """Check that a read has no effect, and that a command, which may be committed, can be retried with its key."""
    monkeypatch.setattr("app.middleware.deadline.REQUEST_SECONDS", 0.5)
    shop = await open_shop(store_id=shop.store)
    async with failing(shop.database, "find", blockConnection=True, blockTimeMS=1_500):
        answer = await shop.http.get("/api/orders/all")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    keyed = {"Idempotency-Key": "one-and-the-same"}
    async with failing(shop.database, "commitTransaction", blockConnection=True, blockTimeMS=1_500):
        answer = await shop.http.post("/api/orders/create-sale", json=sale_body(), headers=keyed)
    assert (answer.status_code, answer.json()["code"]) == (503, "outcome_unknown")
    async with asyncio.timeout(20):
        while answer.status_code == 503:
            answer = await shop.http.post("/api/orders/create-sale", json=sale_body(), headers=keyed)
    assert answer.status_code == 201
    assert await shop.database.orders.count_documents({"store": shop.store}) == 1


async def test_the_time_of_sending_a_body_is_not_counted(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.middleware.deadline.REQUEST_SECONDS", 0.5)
    shop = await open_shop()

    async def slowly() -> Any:
        body = httpx.Request("POST", "http://x", json=sale_body()).content
        yield body[:10]
        await asyncio.sleep(0.8)
        yield body[10:]

    headers = {"Content-Type": "application/json"}
    answer = await shop.http.post("/api/orders/create-sale", content=slowly(), headers=headers)
    assert answer.status_code == 201, answer.text


async def test_a_started_stream_continues_after_the_deadline(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.middleware.deadline.REQUEST_SECONDS", 0.5)
    shop = await open_shop()
    async with shop.http.stream("GET", "/api/events/stream") as stream:
        pieces = stream.aiter_raw()
        assert (await anext(pieces)).startswith(b"retry:")
        await asyncio.sleep(0.8)
        await shop.sale()
        assert b'"type":"order"' in await anext(pieces)


@pytest.mark.parametrize("code", [50, 262, 11_601])
@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("insert", {"namespace": f"{DATABASE}.orders"}),
        ("update", {"namespace": f"{DATABASE}.counters"}),
        ("commitTransaction", {}),
    ],
)
async def test_a_transaction_interrupted_by_the_database_is_retried(
    shop: Shop, command: str, options: dict[str, str], code: int
) -> None:
    """Interrupt a transaction like an orphaned one: no client notices, and there is one sale."""
    await shop.sale()
    async with failing(shop.database, command, times=1, errorCode=code, **options) as is_reached:  # type: ignore[arg-type]
        await shop.sale(customer_name="Interrupted")
        assert await is_reached()
    sold = {"store": shop.store, "customer_name": "Interrupted"}
    assert await shop.database.orders.count_documents(sold) == 1
