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


class Server:
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


async def _signed_out(server: Server) -> Ending:
    headers = await server.signed_in(await server.cashier())
    return headers, lambda: server.ok("POST", "/api/auth/logout", headers)


async def _removed(server: Server) -> Ending:
    user = await server.cashier()
    return await server.signed_in(user), lambda: server.ok("DELETE", f"/api/users/{user['id']}")


async def _given_a_password(server: Server) -> Ending:
    user = await server.cashier()
    path = f"/api/users/{user['id']}"
    return await server.signed_in(user), lambda: server.ok("PUT", path, password=NEW_PASSWORD)


async def _device_removed(server: Server) -> Ending:
    device, key = await server.tablet()
    return key, lambda: server.ok("DELETE", f"/api/devices/{device}")


async def _device_removed_under_a_cashier(server: Server) -> Ending:
    user, (device, key) = await server.cashier(), await server.tablet()
    tokens = await server.ok("POST", "/api/auth/pin", key, username=user["username"], pin=PIN)
    return bearer(tokens["access_token"]), lambda: server.ok("DELETE", f"/api/devices/{device}")


async def test_a_revocation_in_one_process_takes_effect_in_both(mongodb_url: str) -> None:
    names = {"SIGN_IN": "on", "SECRET_KEY": SECRET_KEY, "SETUP_TOKEN": SETUP_TOKEN}
    async with (
        empty_database(mongodb_url) as database,
        services(mongodb_url, "main", 2, DATABASE_NAME=database.name, **names) as servers,
        httpx.AsyncClient(base_url=servers[0].url, timeout=30) as http,
    ):
        server = Server(http, await sign_in(http))
        # The other process notices within a second that the setup is complete.
        while 503 in [await _status(server, {}) for server in servers]:
            await asyncio.sleep(0.05)
        ways = (_signed_out, _removed, _given_a_password, _device_removed, _device_removed_under_a_cashier)
        ends = [await way(server) for way in ways]
        found = await asyncio.gather(*(_over_in_all(servers, *end) for end in ends))
        assert found == [[NOT_SIGNED_IN, NOT_SIGNED_IN, 401, 401]] * len(ways)


async def _over_in_all(servers: list[Service], headers: Headers, end: Callable[[], Awaitable[Any]]) -> list[int]:
    """Revoke a credential; return how each server closes its sockets and answers its requests."""
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(_connect(server, headers)) for server in servers]
        for socket in sockets:
            await socket.send("ping")
            assert await socket.recv() == "pong"
        assert [await _status(server, headers) for server in servers] == [200, 200]
        await end()
        async with asyncio.timeout(30):
            refused = (_refused(each, headers) for each in servers)
            return await asyncio.gather(*map(closed_with, sockets), *refused)


def _connect(server: Service, headers: Headers) -> websockets.connect:
    return websockets.connect(server.ws_url, additional_headers=headers)


async def _status(server: Service, headers: Headers) -> int:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        return (await http.get("/api/orders/all", headers=headers)).status_code


async def _refused(server: Service, headers: Headers) -> int:
    """Return the first response that is not a success."""
    while (status := await _status(server, headers)) == 200:
        await asyncio.sleep(0.05)
    return status
