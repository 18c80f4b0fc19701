"""What is ended in one process is refused in the other within five seconds: two real servers on one database."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import websockets

from tests.archives import empty_database
from tests.doors import CLAIM, SECRET_KEY, SETUP_TOKEN
from tests.frames import closed_with
from tests.people import PASSWORD, PIN, Headers, bearer
from tests.processes import Service, services
from tests.test_guessing import sign_in

Json = dict[str, Any]

NOT_SIGNED_IN, MOST_SECONDS = 4401, 5.0


class House:
    """Two servers on one database. owner: signed in at the first of them."""

    def __init__(self, here: httpx.AsyncClient, there: Service, owner: Headers) -> None:
        self.here = here
        self.there = there
        self.owner = owner

    async def ok(self, method: str, path: str, headers: Headers | None = None, **body: Any) -> Json:
        answer = await self.here.request(method, path, json=body or None, headers=headers or self.owner)
        assert answer.status_code in (200, 201), answer.text
        content: Json = answer.json()
        return content

    async def cashier(self) -> tuple[str, Headers]:
        """A new one: their id, and what they show."""
        draft = {"username": "ravi", "name": "Ravi", "role": "cashier", "password": PASSWORD, "pin": PIN}
        user = (await self.ok("POST", "/api/users", **draft))["id"]
        return user, await self.sign_in()

    async def sign_in(self) -> Headers:
        tokens = await self.ok("POST", "/api/auth/login", username="ravi", password=PASSWORD)
        return bearer(tokens["access_token"])

    async def tablet(self) -> tuple[str, Headers]:
        enrolled = await self.ok("POST", "/api/devices", name="Tablet")
        return enrolled["device"]["id"], bearer(enrolled["key"])


async def _sign_out(house: House) -> Headers:
    _, shown = await house.cashier()
    await _all_is_open(house, shown)
    await house.ok("POST", "/api/auth/logout", shown)
    return shown


async def _end_a_user(house: House) -> Headers:
    user, shown = await house.cashier()
    await _all_is_open(house, shown)
    await house.ok("DELETE", f"/api/users/{user}")
    return shown


async def _give_a_password(house: House) -> Headers:
    user, shown = await house.cashier()
    await _all_is_open(house, shown)
    await house.ok("PUT", f"/api/users/{user}", password="seven loud coconut palms")
    return shown
