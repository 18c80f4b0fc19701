"""`/ws`: the door of the screens."""

import asyncio
from functools import partial
from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket

from endpoints.accounts.guard import admit
from endpoints.accounts.permissions import FOLLOWERS
from endpoints.http.errors import NotSignedIn, SignInExpired
from endpoints.live.connections import Connection
from endpoints.live.session import ClientSession
from endpoints.live.state import LiveSocket, LiveState
from endpoints.live.transports import outlet_of
from repositories.database.deadlines import REQUEST_SECONDS
from repositories.database.errors import TooManyRequests, Unavailable
from schemas.core.errors import ShopError
from schemas.live.close_codes import (
    BAD_FRAME,
    FORBIDDEN,
    NOT_SIGNED_IN,
    REASONS,
    RESTARTING,
    SIGN_IN_EXPIRED,
    TRY_LATER,
)
from schemas.live.protocol import SUBPROTOCOL, InvalidSubscription, SubscribeRequest, read_since, read_topics

#: The address of `no_such_socket`: whatever is no other.
ANYWHERE: Final = "/{path:path}"


class LiveUpdates(WebSocketEndpoint):
    """A client that just opens `/ws` gets every event from now on, and `pong` for `ping`.

    One that asks for the subprotocol `pos.v1`, or names a place by `?since=`, gets the frames of
    `schemas/live/protocol.py`.
    """

    screen: ClientSession | None = None
    connection: Connection | None = None

    async def on_connect(self, websocket: WebSocket[Any]) -> None:
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
        # After the handshake, since a browser tells its page only of close codes, and nothing of a refused handshake.
        code = await self._let_in(websocket)
        if code is not None:
            await websocket.close(code, REASONS[code])

    async def _let_in(self, websocket: LiveSocket) -> int | None:
        """Makes a screen of it, or says why not, as a close code. What is refused never reaches the hub."""
        if not websocket.state.origins.allow(websocket.headers.get("origin"), websocket.headers.get("host")):
            return FORBIDDEN
        if websocket.state.shutdown.has_begun:
            return RESTARTING
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                principal = await admit(websocket.scope, FOLLOWERS, takes_tickets=True)
            wanted = wanted_by(websocket.query_params)
        except TimeoutError:
            return TRY_LATER
        except ShopError as refusal:
            return code_of(refusal)
        if websocket.state.stores.is_full:
            return TRY_LATER
        screens = websocket.state.client_sessions
        speaks_v1 = SUBPROTOCOL in websocket.scope["subprotocols"] or wanted is not None
        self.screen = screens.join(outlet_of(websocket), wanted, speaks_v1=speaks_v1)
        end = partial(screens.dismiss, self.screen)
        self.connection = websocket.state.connections.begin(principal, websocket.state.store, FOLLOWERS, end)
        return None

    async def on_receive(self, websocket: WebSocket[Any], data: Any) -> None:
        state: LiveState = websocket.state
        if self.screen is None:
            return
        code = self.screen.hear(data)
        if code is not None:
            screen, self.screen = self.screen, None
            state.client_sessions.dismiss(screen, code)

    async def on_disconnect(self, websocket: WebSocket[Any], close_code: int) -> None:
        state: LiveState = websocket.state
        if self.screen is not None:
            state.client_sessions.leave(self.screen)
        if self.connection is not None:
            state.connections.leave(self.connection)


def code_of(refusal: ShopError) -> int:
    """A refusal as a close code."""
    if isinstance(refusal, InvalidSubscription):
        return BAD_FRAME
    if isinstance(refusal, SignInExpired):
        return SIGN_IN_EXPIRED
    if isinstance(refusal, NotSignedIn):
        return NOT_SIGNED_IN
    return TRY_LATER if isinstance(refusal, TooManyRequests | Unavailable) else FORBIDDEN


def wanted_by(query: QueryParams) -> SubscribeRequest | None:
    """The subscription that `?since=` and `?topics=` make; None where there is neither.

    :raises InvalidSubscription: one of them is wrong.
    """
    if "since" not in query and "topics" not in query:
        return None
    return SubscribeRequest(read_topics(query.get("topics")), read_since(query.get("since")))


async def no_such_socket(_: WebSocket) -> None:
    """Any other address: refused before the handshake, with a 404 like that of a page."""
    raise HTTPException(404)
