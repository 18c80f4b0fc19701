"""The gate of a service that requires sign-in and has no owner yet."""

from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.middleware.host_guard import refuse
from app.middleware.observation import IS_EXPECTED
from repositories.accounts.setup import ShopSetup
from schemas.core.errors import ShopError
from schemas.live.close_codes import TRY_LATER

#: The paths that are open before the setup, so that the operator sees that the service runs.
BEFORE_SETUP: Final = frozenset(
    {"/", "/health", "/api/health", "/livez", "/readyz", "/api/", "/api/version", "/api/setup"}
)


class NotSetUp(ShopError):
    """The service has no owner yet."""

    status, code, title = 503, "not_set_up", "Not set up yet"

    def __init__(self) -> None:
        super().__init__(
            "This service has no owner yet. The operator finds the setup token in its log.",
            headers={"Retry-After": "5"},
        )


class SetupGate:
    """Refuse requests until the service has an owner."""

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
            # Not a fault, so the log must not show an error.
            scope["state"][IS_EXPECTED] = True
            await refuse(NotSetUp(), scope, receive, send, TRY_LATER)
