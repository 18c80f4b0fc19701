"""`/ws`: the WebSocket of the live updates."""

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
from endpoints.live.transports import sink_for
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

#: Every path without a WebSocket.
ANYWHERE: Final = "/{path:path}"


class LiveUpdates(WebSocketEndpoint):
    """A client that opens `/ws` receives every event from now on, and `pong` for `ping`.

    A client that requests the subprotocol `pos.v1`, or passes `?since=`, receives the frames of
    `schemas/live/protocol.py`.
    """

    session: ClientSession | None = None
    connection: Connection | None = None

    async def on_connect(self, websocket: WebSocket[Any]) -> None:
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)
        # After the handshake, since a browser shows its page close codes, but not why a handshake was rejected.
        code = await self._admit(websocket)
        if code is not None:
            await websocket.close(code, REASONS[code])

    async def _admit(self, websocket: LiveSocket) -> int | None:
        """Create the session, or return a close code. A rejected client never reaches the hub."""
        if not websocket.state.origins.allow(websocket.headers.get("origin"), websocket.headers.get("host")):
            return FORBIDDEN
        if websocket.state.shutdown.has_begun:
            return RESTARTING
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                principal = await admit(websocket.scope, FOLLOWERS, takes_tickets=True)
            requested = query_subscription(websocket.query_params)
        except TimeoutError:
            return TRY_LATER
        except ShopError as error:
            return code_of(error)
        if websocket.state.stores.is_full:
            return TRY_LATER
        sessions = websocket.state.client_sessions
        speaks_v1 = SUBPROTOCOL in websocket.scope["subprotocols"] or requested is not None
        self.session = sessions.add(sink_for(websocket), requested, speaks_v1=speaks_v1)
        end = partial(sessions.disconnect, self.session)
        self.connection = websocket.state.connections.add(principal, websocket.state.store, FOLLOWERS, end)
        return None

    async def on_receive(self, websocket: WebSocket[Any], data: Any) -> None:
        state: LiveState = websocket.state
        if self.session is None:
            return
        code = self.session.on_message(data)
        if code is not None:
            session, self.session = self.session, None
            state.client_sessions.disconnect(session, code)

    async def on_disconnect(self, websocket: WebSocket[Any], close_code: int) -> None:
        state: LiveState = websocket.state
        if self.session is not None:
            state.client_sessions.remove(self.session)
        if self.connection is not None:
            state.connections.remove(self.connection)


def code_of(error: ShopError) -> int:
    if isinstance(error, InvalidSubscription):
        return BAD_FRAME
    if isinstance(error, SignInExpired):
        return SIGN_IN_EXPIRED
    if isinstance(error, NotSignedIn):
        return NOT_SIGNED_IN
    return TRY_LATER if isinstance(error, TooManyRequests | Unavailable) else FORBIDDEN


def query_subscription(query: QueryParams) -> SubscribeRequest | None:
    """Return the subscription of `?since=` and `?topics=`; None without both.

    :raises InvalidSubscription: one of them is invalid.
    """
    if "since" not in query and "topics" not in query:
        return None
    return SubscribeRequest(read_topics(query.get("topics")), read_since(query.get("since")))


async def reject_unknown_path(_: WebSocket) -> None:
    """Reject any other path before the handshake, with a 404."""
    raise HTTPException(404)
