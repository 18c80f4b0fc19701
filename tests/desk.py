"""Where people sign in, for tests of pages: a stand-in for the routes under `/api/auth`, with real tokens."""

from dataclasses import dataclass, field

import orjson
from playwright.async_api import BrowserContext, Route

from repositories.credentials import ACCESS, REFRESH, Credentials, new_token
from tests.guests import Guest, invited
from tests.shop import Shop


@dataclass
class Desk:
    """One shop's. refreshes: tokens that were not used yet, by whose they are; used: those that were."""

    shop: Shop
    passwords: dict[tuple[str, str], Guest] = field(default_factory=dict)
    refreshes: dict[str, Guest] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    reused: int = 0
    seconds: int = 3_600

    async def knows(self, username: str, password: str, role: str = "viewer") -> Guest:
        self.passwords[username, password] = await invited(self.shop, role)
        return self.passwords[username, password]

    async def stand_in(self, context: BrowserContext) -> None:
        await context.route("**/api/auth/*", self._answer)

    async def _answer(self, route: Route) -> None:
        body = orjson.loads(route.request.post_data or "{}")
        if route.request.url.endswith("/login"):
            guest = self.passwords.get((body["username"], body["password"]))
        elif route.request.url.endswith("/refresh"):
            guest = self.refreshes.pop(body["refresh_token"], None)
            self.reused += body["refresh_token"] in self.used
            self.used.append(body["refresh_token"])
        else:
            self.refreshes.clear()
            await route.fulfill(json={"success": True})
            return
        if guest is None:
            await route.fulfill(status=401, json={"detail": "The username or the password is wrong."})
            return
        refresh = new_token(REFRESH)
        self.refreshes[refresh] = guest
        access = await Credentials(self.shop.database, self.shop.state["clock"]).issue(ACCESS, guest.id)
        tokens = {"access_token": access, "refresh_token": refresh, "token_type": "Bearer"}
        await route.fulfill(json={**tokens, "expires_in": self.seconds, "user": {}})
