"""Each answer comes in time, however slow each single command of the database is: one deadline over all the steps."""

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

#: Whatever the service asks of the database while it answers.
COMMANDS = ("find", "aggregate", "insert", "update", "delete", "findAndModify", "commitTransaction", "count")
#: The deadline here, and how long each command takes: two of them are too many.
SECONDS, DELAY_MS = 1.2, 1_000
#: What a loaded machine may add to the deadline.
NOISE = 1.0
AT_ONCE = 32


class Ask(NamedTuple):
    """One request to a route."""

    method: str
    template: str
    path: str
    body: Any
    roles: Roles | None

    @property
    def where(self) -> str:
        return f"{self.method} {self.template}"


def bodies(shop: Shop) -> dict[str, Any]:
    """What is asked of those routes that look at the body before the database."""
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


def every_request(names: dict[str, str], bodies: dict[str, Any]) -> Iterator[Ask]:
    """Each method of each route of the table."""
    for route in ROUTES:
        if isinstance(route, GuardedRoute):
            path = re.sub(r"\{(\w+)\}", lambda name: names.get(name[1], "1"), route.path)
            for method, roles in route.roles.items():
                body = None if method in ("GET", "DELETE") else bodies.get(f"{method} {route.path}", {})
                yield Ask(method, route.path, path, body, roles)


async def filled(shop: Shop) -> dict[str, str]:
    """Something of everything, by the names of the route table."""
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


async def answered(shop: Shop, ask: Ask, headers: dict[str, str]) -> tuple[httpx.Response, float]:
    """The head of an answer (some never end), the refusal whole, and after how many seconds it came."""
    began = time.monotonic()
    async with shop.http.stream(ask.method, ask.path, json=ask.body, headers=headers) as response:
        seconds = time.monotonic() - began
        if response.status_code >= 400:
            await response.aread()
        return response, seconds


@pytest.mark.alone
@pytest.mark.parametrize("is_open", [True, False])
async def test_every_route_answers_in_time_while_each_command_is_slow(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    monkeypatch.setattr("app.middleware.deadline.REQUEST_SECONDS", SECONDS)
    monkeypatch.setattr("endpoints.live.websocket.REQUEST_SECONDS", SECONDS)
    shop = await open_shop(sign_in="off" if is_open else "on", secret_key=SECRET_KEY)
    asks = list(every_request(await filled(shop), bodies(shop)))
    late, refused = [], 0
    for batch in [asks[index : index + AT_ONCE] for index in range(0, len(asks), AT_ONCE)]:
        roles = [DEVICE if ask.roles == DEVICES else OWNER for ask in batch]
        shown = [{} if is_open else await credential_of(shop, role) for role in roles]
        async with failing(shop.database, *COMMANDS, blockConnection=True, blockTimeMS=DELAY_MS):
            answers = await asyncio.gather(*map(answered, [shop] * len(batch), batch, shown))
        for ask, (response, seconds) in zip(batch, answers, strict=True):
            if seconds > SECONDS + NOISE:
                late.append(f"{ask.where}: {seconds:.2f} s")
            assert response.status_code < 500 or response.status_code == 503, f"{ask.where}: {response.text}"
            if response.status_code == 503 and ask.path not in ("/health", "/api/health"):
                refused += 1
                assert response.headers["content-type"] == "application/problem+json", ask.where
                assert isinstance(response.json()["detail"], str), ask.where
                assert int(response.headers["retry-after"]) > 0, ask.where
    assert not late
    assert refused > len(asks) / 4


async def test_a_screen_is_let_in_or_not_in_time(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hears to try again later, though each single step would have come to an end."""
    monkeypatch.setattr("endpoints.live.websocket.REQUEST_SECONDS", 0.3)
    shop = await open_shop(sign_in="on", secret_key=SECRET_KEY)
    headers = await credential_of(shop, OWNER)
    async with (
        failing(shop.database, *COMMANDS, blockConnection=True, blockTimeMS=2_000),
        shop.listen(additional_headers=headers) as socket,
    ):
        assert await closed_with(socket) == 1013


async def test_a_request_that_is_cut_off_says_whether_anything_was_sent(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, open_shop: OpenShop
) -> None:
    """Cut off while it reads, nothing was done; while a command is under way, its key settles it."""
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


async def test_what_a_client_takes_to_send_is_not_counted(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_a_stream_that_has_begun_goes_on_beyond_the_deadline(
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
    ("command", "there"),
    [
        ("insert", {"namespace": f"{DATABASE}.orders"}),
        ("update", {"namespace": f"{DATABASE}.counters"}),
        ("commitTransaction", {}),
    ],
)
async def test_a_transaction_that_the_database_interrupts_is_tried_again(
    shop: Shop, command: str, there: dict[str, str], code: int
) -> None:
    """As where a slow one is taken for that of a dead process: no client hears of it, and there is one sale."""
    await shop.sale()
    async with failing(shop.database, command, times=1, errorCode=code, **there) as is_reached:  # type: ignore[arg-type]
        await shop.sale(customer_name="Interrupted")
        assert await is_reached()
    sold = {"store": shop.store, "customer_name": "Interrupted"}
    assert await shop.database.orders.count_documents(sold) == 1
