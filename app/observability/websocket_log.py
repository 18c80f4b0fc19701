"""The log of live connections: a line when a WebSocket opens and one when it closes, in the format of the access log.

What is said on it makes no lines, and does not pass here: the hub's frames go straight to the transport.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, TextIO

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.observation import UNMATCHED, route_of
from app.observability.logs import is_json, text_renderer
from endpoints.http.request_id import request_id
from endpoints.live.websocket import ANYWHERE

_JSON: Final = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
#: The application ended without a word from the client: a fault, or the end of the process.
_ENDED: Final = 1006

Fields = dict[str, Any]


class SocketLog:
    """Writes the lines.

    :param log_format: as the setting `LOG_FORMAT`.
    """

    def __init__(self, log_format: str, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._text = None if is_json(log_format, self._stream) else text_renderer(self._stream)
        self._lines: list[bytes] = []

    def write(self, event: str, fields: Fields) -> None:
        """:param event: what happened; fields: in the order in which they are shown."""
        now = datetime.now(UTC)
        stamped: Fields = {"timestamp": now, "level": "info", "event": event, **fields}
        if self._text is None:
            line = orjson.dumps(stamped, option=_JSON)
        else:
            shown = {**stamped, "timestamp": f"{now.astimezone():%H:%M:%S}"}
            line = f"{self._text(None, '', shown)!s}\n".encode()
        if not self._lines:
            # Those of a crowd that comes or goes together are written together.
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(line)

    def flush(self) -> None:
        """Writes what waits."""
        lines, self._lines = self._lines, []
        self._stream.write(b"".join(lines).decode())
        self._stream.flush()


class SocketObservation:
    """Tells the log of each WebSocket. clients: those that are open in this process, that one counted where it is."""

    def __init__(self, app: ASGIApp, log: SocketLog) -> None:
        self.app = app
        self._log = log
        self._open = 0

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._watch(scope, receive, send) if scope["type"] == "websocket" else self.app(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        is_open = False
        code = _ENDED

        async def heard() -> Message:
            nonlocal code
            message = await receive()
            if message["type"] == "websocket.disconnect":
                code = message["code"]
            return message

        async def said(message: Message) -> None:
            nonlocal is_open
            await send(message)
            if message["type"] == "websocket.accept":
                is_open = True
                self._open += 1
                self._tell("socket opened", scope, subprotocol=message.get("subprotocol"))
            elif message["type"] == "websocket.http.response.start":
                self._tell("socket refused", scope, status=message["status"])
            elif message["type"] == "websocket.close" and not is_open:
                # Before the handshake it says no, too.
                self._tell("socket refused", scope, status=HTTPStatus.FORBIDDEN)

        try:
            await self.app(scope, heard, said)
        finally:
            if is_open:
                self._open -= 1
                self._tell("socket closed", scope, code=code, seconds=round(time.perf_counter() - began, 3))

    def _tell(self, event: str, scope: Scope, **fields: Any) -> None:
        route = route_of(scope)
        shown = {"route": UNMATCHED if route == ANYWHERE else route, **fields}
        self._log.write(event, {**shown, "clients": self._open, "request_id": request_id.get()})
