"""The log of WebSockets: one line when a connection opens and one when it closes.

Messages make no lines, and do not pass here: the hub writes frames directly to the transport.
"""

import time
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.observation import UNMATCHED, route_of
from app.observability.line_writer import LineWriter
from endpoints.http.request_id import request_id
from endpoints.live.websocket import ANYWHERE

#: The code of a connection that the application ended without a close frame: a fault, or the end of the process.
_ENDED: Final = 1006


class SocketObservation:
    """Log each WebSocket, with the number of clients that are connected to this process."""

    def __init__(self, app: ASGIApp, log: LineWriter) -> None:
        self.app = app
        self._log = log
        self._open = 0

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._watch(scope, receive, send) if scope["type"] == "websocket" else self.app(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        is_open = False
        code = _ENDED

        async def receive_and_note() -> Message:
            nonlocal code
            message = await receive()
            if message["type"] == "websocket.disconnect":
                code = message["code"]
            return message

        async def send_and_log(message: Message) -> None:
            nonlocal is_open
            await send(message)
            if message["type"] == "websocket.accept":
                is_open = True
                self._open += 1
                self._write("socket opened", scope, subprotocol=message.get("subprotocol"))
            elif message["type"] == "websocket.http.response.start":
                self._write("socket refused", scope, status=message["status"])
            elif message["type"] == "websocket.close" and not is_open:
                # A close before the handshake is a refusal.
                self._write("socket refused", scope, status=HTTPStatus.FORBIDDEN)

        try:
            await self.app(scope, receive_and_note, send_and_log)
        finally:
            if is_open:
                self._open -= 1
                self._write("socket closed", scope, code=code, seconds=round(time.perf_counter() - began, 3))

    def _write(self, event: str, scope: Scope, **fields: Any) -> None:
        route = route_of(scope)
        shown = {"route": UNMATCHED if route == ANYWHERE else route, **fields}
        self._log.write(event, {**shown, "clients": self._open, "request_id": request_id.get()})
