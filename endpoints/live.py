"""`/ws`: the door of the screens."""

from typing import Any, Final

from starlette.datastructures import QueryParams
from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket

from endpoints.close_codes import BAD_FRAME, FORBIDDEN, REASONS, RESTARTING, TRY_LATER
from endpoints.outlets import outlet_of
from endpoints.screen import Screen
from schemas.live import SUBPROTOCOL, InvalidSubscription, Subscription, read_since, read_topics

#: The address of `no_such_socket`: whatever is no other.
ANYWHERE: Final = "/{path:path}"


class Origins:
    """The web pages that may open a socket: those of the service itself, and those that the settings name.

    :param allowed: origins as `https://shop.example`, or `*` for any.
    """

    def __init__(self, *allowed: str) -> None:
        self._allowed = {origin.rstrip("/").lower() for origin in allowed}

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Whether a client from `origin` may come in. What is no browser sends none, and may.

        host: the address that it asked, so that a page of the service is allowed under every name that the service has.
        """
        if origin is None or "*" in self._allowed or origin.lower() in self._allowed:
            return True
        # Not parsed, which fails on what is no address at all.
        netloc = origin.lower().partition("://")[2]
        return bool(netloc) and host is not None and netloc == host.lower()


class LiveUpdates(WebSocketEndpoint):
    """A client that just opens `/ws` gets every event from now on, and `pong` for `ping`.

    One that asks for the subprotocol `pos.v1`, or names a place by `?since=`, gets the frames of `schemas/live.py`.
    """

    screen: Screen | None = None

    async def on_connect(self, websocket: WebSocket) -> None:
        speaks_v1 = SUBPROTOCOL in websocket.scope["subprotocols"]
        await websocket.accept(SUBPROTOCOL if speaks_v1 else None)
        code = self._refusal(websocket)
        if code is None:
            try:
                wanted = wanted_by(websocket.query_params)
            except InvalidSubscription:
                code = BAD_FRAME
            else:
                self.screen = websocket.state.screens.join(
                    outlet_of(websocket), wanted, speaks_v1=speaks_v1 or wanted is not None
                )
        if code is not None:
            await websocket.close(code, REASONS[code])

    def _refusal(self, websocket: WebSocket) -> int | None:
        """The close code for a client that may not come in. After the handshake, since a browser tells its page only of
        close codes, and nothing of a refused handshake."""
        if not websocket.state.origins.allow(websocket.headers.get("origin"), websocket.headers.get("host")):
            return FORBIDDEN
        if websocket.state.shutdown.has_begun:
            return RESTARTING
        return TRY_LATER if websocket.state.screens.is_full else None

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        if self.screen is None:
            return
        code = self.screen.hear(data)
        if code is not None:
            screen, self.screen = self.screen, None
            websocket.state.screens.dismiss(screen, code)

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        if self.screen is not None:
            websocket.state.screens.leave(self.screen)


def wanted_by(query: QueryParams) -> Subscription | None:
    """The subscription that `?since=` and `?topics=` make; None where there is neither.

    :raises InvalidSubscription: one of them is wrong.
    """
    if "since" not in query and "topics" not in query:
        return None
    return Subscription(read_topics(query.get("topics")), read_since(query.get("since")))


async def no_such_socket(_: WebSocket) -> None:
    """Any other address: refused before the handshake, with a 404 like that of a page."""
    raise HTTPException(404)
