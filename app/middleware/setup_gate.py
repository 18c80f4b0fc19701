"""Keeps a shop shut that nobody has claimed yet. Stands there only where people sign in."""

from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.middleware.host_guard import refuse
from app.middleware.observation import IS_EXPECTED
from repositories.accounts.setup import ShopSetup
from schemas.core.errors import ShopError
from schemas.live.close_codes import TRY_LATER

#: What answers all the same: whoever sets it up must see that it runs.
BEFORE_SETUP: Final = frozenset(
    {"/", "/health", "/api/health", "/livez", "/readyz", "/api/", "/api/version", "/api/setup"}
)


class NotSetUp(ShopError):
    """Nobody has claimed the shop yet."""

    status, code, title = 503, "not_set_up", "Not set up yet"

    def __init__(self) -> None:
        super().__init__(
            "This shop has no owner yet. Whoever runs the service finds the setup token in its log.",
            headers={"Retry-After": "5"},
        )


class SetupGate:
    """Lets everybody through from the moment that the shop has an owner."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._is_open = False

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if self._is_open or scope["type"] == "lifespan" or scope["path"] in BEFORE_SETUP:
            return self.app(scope, receive, send)
        return self._ask(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        claim: ShopSetup = scope["state"]["setup"]
        try:
            self._is_open = await claim.is_complete()
        except ShopError as away:
            await refuse(away, scope, receive, send, TRY_LATER)
            return
        if self._is_open:
            await self.app(scope, receive, send)
        else:
            # Nothing is the matter: it waits for its owner, and its log need not cry.
            scope["state"][IS_EXPECTED] = True
            await refuse(NotSetUp(), scope, receive, send, TRY_LATER)
