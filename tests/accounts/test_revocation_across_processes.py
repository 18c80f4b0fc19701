"""Revocation across two server processes of one database, within five seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import websockets

from tests.faults.test_brute_force_load import sign_in
from tests.support.accounts import NEW_PASSWORD, PASSWORD, PIN, SECRET_KEY, Headers, bearer
from tests.support.archives import empty_database
from tests.support.clients.live_client import closed_with
from tests.support.processes import Service, services
from tests.support.shop_setup import SETUP_TOKEN

Json = dict[str, Any]

NOT_SIGNED_IN = 4401


class Front:
    """One of the servers, with the owner's requests."""

    def __init__(self, http: httpx.AsyncClient, owner: Headers) -> None:
        self._http = http
        self._owner = owner
        self._names = iter(range(1_000))

    async def ok(self, method: str, path: str, headers: Headers | None = None, **body: Any) -> Json:
        answer = await self._http.request(method, path, json=body or None, headers=headers or self._owner)
        assert answer.status_code in (200, 201), answer.text
        content: Json = answer.json()
        return content

    async def cashier(self) -> Json:
        name = f"ravi-{next(self._names)}"
        draft: Json = {"username": name, "name": "Ravi", "role": "cashier", "password": PASSWORD, "pin": PIN}
        return await self.ok("POST", "/api/users", **draft)

    async def signed_in(self, user: Json) -> Headers:
        tokens = await self.ok("POST", "/api/auth/login", username=user["username"], password=PASSWORD)
        return bearer(tokens["access_token"])

    async def tablet(self) -> tuple[str, Headers]:
        enrolled = await self.ok("POST", "/api/devices", name="Tablet")
        return enrolled["device"]["id"], bearer(enrolled["key"])


#: Credentials, and how each is revoked.
Ending = tuple[Headers, Callable[[], Awaitable[Json]]]


async def _signed_out(front: Front) -> Ending:
    shown = await front.signed_in(await front.cashier())
    return shown, lambda: front.ok("POST", "/api/auth/logout", shown)


async def _removed(front: Front) -> Ending:
    user = await front.cashier()
    return await front.signed_in(user), lambda: front.ok("DELETE", f"/api/users/{user['id']}")


async def _given_a_password(front: Front) -> Ending:
    user = await front.cashier()
    path = f"/api/users/{user['id']}"
    return await front.signed_in(user), lambda: front.ok("PUT", path, password=NEW_PASSWORD)


async def _device_removed(front: Front) -> Ending:
    device, key = await front.tablet()
    return key, lambda: front.ok("DELETE", f"/api/devices/{device}")


async def _device_removed_under_a_cashier(front: Front) -> Ending:
    user, (device, key) = await front.cashier(), await front.tablet()
    tokens = await front.ok("POST", "/api/auth/pin", key, username=user["username"], pin=PIN)
    return bearer(tokens["access_token"]), lambda: front.ok("DELETE", f"/api/devices/{device}")


async def test_a_revocation_in_one_process_takes_effect_in_both(mongodb_url: str) -> None:
    names = {"SIGN_IN": "on", "SECRET_KEY": SECRET_KEY, "SETUP_TOKEN": SETUP_TOKEN}
    async with (
        empty_database(mongodb_url) as database,
        services(mongodb_url, "main", 2, DATABASE_NAME=database.name, **names) as servers,
        httpx.AsyncClient(base_url=servers[0].url, timeout=30) as http,
    ):
        front = Front(http, await sign_in(http))
        # The other process notices within a second that the setup is complete.
        while 503 in [await _status(server, {}) for server in servers]:
            await asyncio.sleep(0.05)
        ways = (_signed_out, _removed, _given_a_password, _device_removed, _device_removed_under_a_cashier)
        ends = [await way(front) for way in ways]
        found = await asyncio.gather(*(_over_in_all(servers, *end) for end in ends))
        assert found == [[NOT_SIGNED_IN, NOT_SIGNED_IN, 401, 401]] * len(ways)


async def _over_in_all(servers: list[Service], shown: Headers, end: Callable[[], Awaitable[Any]]) -> list[int]:
    """Revoke a credential; return how each server closes its sockets and answers its requests."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(_screen(server, shown)) for server in servers]
        for socket in sockets:
            await socket.send("ping")
            assert await socket.recv() == "pong"
        assert [await _status(server, shown) for server in servers] == [200, 200]
        await end()
        async with asyncio.timeout(30):
            refused = (_refused(each, shown) for each in servers)
            return await asyncio.gather(*map(closed_with, sockets), *refused)


def _screen(server: Service, shown: Headers) -> websockets.connect:
    return websockets.connect(server.ws_url, additional_headers=shown)


async def _status(server: Service, shown: Headers) -> int:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        return (await http.get("/api/orders/all", headers=shown)).status_code


async def _refused(server: Service, shown: Headers) -> int:
    """Return the first response that is not a success."""
    while (status := await _status(server, shown)) == 200:
        await asyncio.sleep(0.05)
    return status
