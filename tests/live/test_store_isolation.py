"""Isolation of stores in live connections and sign-in."""

import asyncio
from typing import Any

import pytest
import websockets

from schemas.core.principals import CASHIER, OWNER, ROLES
from schemas.live.protocol import SUBPROTOCOL
from tests.accounts.test_sign_in import profile_of, refusal, renew
from tests.support.accounts import NEW_PASSWORD, PASSWORD, PIN, Headers, add, as_, bearer, enrol, login, signed_in_shop
from tests.support.clients.live_client import closed_with
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import TokenHolder, add_token_holder

Json = dict[str, Any]

SALE, NAME = "/api/orders/create-sale", "Zerzura Quillon"
FORBIDDEN, NOT_SIGNED_IN = 4403, 4401


@pytest.fixture
async def here(open_shop: OpenShop) -> Shop:
    return await signed_in_shop(open_shop)


@pytest.fixture
async def there(open_shop: OpenShop) -> Shop:
    return await signed_in_shop(open_shop)


def connect(shop: Shop, *, speaks_v1: bool, query: str = "", **headers: str) -> websockets.connect:
    protocols: Any = [SUBPROTOCOL] if speaks_v1 else None
    return websockets.connect(shop.ws_url + query, subprotocols=protocols, additional_headers=headers)


@pytest.mark.parametrize("speaks_v1", [False, True])
@pytest.mark.parametrize("role", ROLES)
async def test_a_client_receives_events_of_its_own_store_only(
    here: Shop, there: Shop, role: str, speaks_v1: bool
) -> None:
    """Connect to the server of its own store, and to that of another store."""
    holder = await add_token_holder(here, role, here.store)
    seller, other = (
        await add_token_holder(here, CASHIER, here.store),
        await add_token_holder(there, CASHIER, there.store),
    )
    for server in (here, there):
        for headers in ({**holder.headers, "X-Store": there.store}, {**holder.headers, "X-Store": "nowhere"}):
            for query in ("", "?since=0"):
                async with connect(server, speaks_v1=speaks_v1, query=query, **headers) as refused:
                    assert await closed_with(refused) == FORBIDDEN
        ticketed = f"?ticket={await holder.ticket()}"
        async with (
            connect(server, speaks_v1=speaks_v1, **holder.headers) as by_header,
            # The ticket determines the store, not a header.
            connect(server, speaks_v1=speaks_v1, query=ticketed, **{"X-Store": there.store}) as by_ticket,
        ):
            sockets = (by_header, by_ticket)
            for socket in sockets:
                await socket.send('{"type":"subscribe","since":0}' if speaks_v1 else "ping")
                await _until(socket, "subscribed" if speaks_v1 else "pong")
            await _sell(there, other, NAME)
            order_id = await _sell(here, seller)
            for socket in sockets:
                received = await _until(socket, order_id)
                assert NAME not in received
                assert there.store not in received


async def _until(socket: websockets.ClientConnection, last: str) -> str:
    """Return all received data, up to and including some text."""
    received = ""
    async with asyncio.timeout(20):
        while last not in received:
            received += str(await socket.recv())
    return received


async def _sell(shop: Shop, seller: TokenHolder, name: str = "Ravi") -> str:
    order = await shop.ok("POST", SALE, json=sale_body(customer_name=name), headers=seller.headers)
    return str(order["order_id"])


@pytest.mark.parametrize("role", ROLES)
async def test_an_event_stream_has_events_of_its_own_store_only(here: Shop, there: Shop, role: str) -> None:
    holder = await add_token_holder(here, role, here.store)
    seller, other = (
        await add_token_holder(here, CASHIER, here.store),
        await add_token_holder(there, CASHIER, there.store),
    )
    await _sell(there, other, NAME)
    theirs = (await there.http.get("/api/events", headers=other.headers)).json()
    place = f"{theirs['epoch']}.0"
    for server in (here, there):
        refused = await server.http.get("/api/events/stream", headers={**holder.headers, "X-Store": there.store})
        assert refusal(refused) == (403, "forbidden")
        order_id = await _sell(here, seller)
        ticket = await holder.ticket()
        # Also with a position that only the other log has.
        for options in (
            {"headers": holder.headers, "params": {"since": "0"}},
            {"headers": {**holder.headers, "Last-Event-ID": place}},
            {"headers": {"X-Store": there.store}, "params": {"ticket": ticket, "since": "0"}},
        ):
            received = ""
            async with server.http.stream("GET", "/api/events/stream", **options) as stream:  # type: ignore[arg-type]
                assert stream.status_code == 200
                async with asyncio.timeout(20):
                    async for line in stream.aiter_lines():
                        received += line + "\n"
                        if order_id in received or ("event: reset" in received and "data: " in received):
                            break
            assert NAME not in received
            assert theirs["events"][0]["id"] not in received
        assert (await server.http.get("/api/events/stream", params={"ticket": ticket})).status_code == 401


async def test_sign_in_and_sign_out_do_not_affect_another_store(here: Shop, there: Shop) -> None:
    """Use each route of `/api/auth` at the other store's server and with its name: user and store stay the same."""
    mine, theirs = await add(here, CASHIER, here.store), await add(there, CASHIER, there.store)
    untouched = (await login(there, theirs["login"])).json()
    before = await _all_of(there, theirs["_id"])
    as_other_store = {"X-Store": there.store, "X-Forwarded-For": "10.77.0.1"}
    signed_in = await there.http.post(
        "/api/auth/login", json={"username": mine["login"], "password": PASSWORD}, headers=as_other_store
    )
    assert signed_in.json()["user"]["store"] == here.store
    renewed = await there.http.post(
        "/api/auth/refresh", json={"refresh_token": signed_in.json()["refresh_token"]}, headers=as_other_store
    )
    headers = bearer(renewed.json()["access_token"])
    profile = (await there.http.get("/api/auth/profile", headers=headers)).json()
    assert (profile["id"], profile["store"]) == (mine["_id"], here.store)
    assert (await there.http.get("/api/orders/all", headers=headers)).json() == []
    for method, path, body in (
        ("GET", "/api/auth/profile", None),
        ("POST", "/api/auth/logout", None),
        ("POST", "/api/auth/password", {"current": PASSWORD, "new": NEW_PASSWORD}),
        ("POST", "/api/ws-ticket", None),
    ):
        refused = await there.http.request(method, path, json=body, headers={**headers, **as_other_store})
        assert refusal(refused) == (403, "forbidden"), path
    changed = {"current": PASSWORD, "new": NEW_PASSWORD}
    assert (await there.http.post("/api/auth/password", json=changed, headers=headers)).status_code == 200
    # A refresh token that is used twice ends only its own session.
    assert (await renew(there, signed_in.json()["refresh_token"])).status_code == 401
    assert (await profile_of(there, renewed.json()["access_token"])).status_code == 401
    assert await _all_of(there, theirs["_id"]) == before
    assert (await profile_of(there, untouched["access_token"])).status_code == 200
    assert (await renew(there, untouched["refresh_token"])).status_code == 200


async def _all_of(shop: Shop, owner: str) -> list[Json]:
    rows: list[Json] = await shop.database["credentials"].find({"owner": owner}).sort("_id", 1).to_list()
    return [*rows, *await shop.database["users"].find({"_id": owner}).to_list()]


async def test_an_owner_of_one_store_cannot_reach_accounts_of_another(here: Shop, there: Shop) -> None:
    owner = await as_(here, OWNER, here.store)
    user = await add(there, CASHIER, there.store, pin=PIN)
    their_owner = await as_(there, OWNER, there.store, login=f"boss-{there.store}")
    device, key = await enrol(there, their_owner, belongs_to=there.store)
    before = await _all_of(there, user["_id"])
    for server in (here, there):
        for method, path in (
            ("GET", f"/api/users/{user['_id']}"),
            ("PUT", f"/api/users/{user['_id']}"),
            ("DELETE", f"/api/users/{user['_id']}"),
            ("DELETE", f"/api/devices/{device}"),
        ):
            body = {"password": NEW_PASSWORD} if method == "PUT" else None
            answer = await server.http.request(method, path, json=body, headers=owner)
            assert answer.status_code == 404, f"{method} {path}: {answer.text}"
        for kind, hidden in (("users", user["_id"]), ("devices", device)):
            assert hidden not in (await server.http.get(f"/api/{kind}", headers=owner)).text
        audit = await server.http.get("/api/audit", headers=owner)
        assert audit.status_code == 200
        assert user["_id"] not in audit.text
        assert device not in audit.text
    assert await _all_of(there, user["_id"]) == before
    assert await _status(there, key) == 200


async def _status(shop: Shop, headers: Headers) -> int:
    return (await shop.http.get("/api/orders/all", headers=headers)).status_code
