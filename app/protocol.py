"""uvicorn's protocols, changed where the service needs it: refusals as JSON, and a short way for frames to screens."""

import asyncio
import logging
import socket
from asyncio.transports import BaseTransport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from app.errors import PROBLEM_JSON
from endpoints.outlets import EXTENSION
from schemas.errors import ShopError

_NO_HANDSHAKE: Final = "The request is no WebSocket handshake."
# What the kernel keeps for a screen that does not read; its own choice would go up to megabytes for each.
_SEND_BUFFER: Final = 128 * 1024
# How long a client may take to hear a goodbye.
_ABORT_SECONDS: Final = 5.0
_LINGER_SECONDS: Final = 1.0
#: From the first byte of a request to its last.
RECEIVE_SECONDS: Final = 10.0
MAX_HEAD: Final = 64 * 1024


class RequestTimeout(ShopError):
    status, code, title = 408, "request_timeout", "The request took too long"


class HeadersTooLarge(ShopError):
    status, code, title = 431, "headers_too_large", "The headers are too large"


class InvalidHttp(ShopError):
    status, code, title = 400, "invalid_http", "Not valid HTTP"


def _problem(status: int, code: str, title: str, detail: str, request_id: str) -> bytes:
    return orjson.dumps(
        {
            "type": f"urn:pos:problem:{code}",
            "title": title,
            "status": status,
            "detail": detail,
            "code": code,
            "instance": request_id,
        }
    )


class JsonHttpProtocol(HttpToolsProtocol):
    """Answers what is not HTTP with a problem document instead of plain text: the existing app resends what is not.

    And gives requests a deadline, which uvicorn does not: a client that sends a byte a second would hold a connection
    for ever, and one that sends headers without an end would fill the memory.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_receiving = False
        self._is_over = False
        self._has_head = False
        self._head_size = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Uvicorn sets this one after an answer only: whoever never asks anything may not stay either.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        super().data_received(data)
        if not self._is_receiving:
            self._end_deadline()
            return
        if not self._has_head:
            self._head_size += len(data)
            if self._head_size > MAX_HEAD:
                self._refuse(HeadersTooLarge("The headers are too large."))
        if self._deadline is None:
            # Most requests arrive whole, and need no timer.
            self._deadline = self.loop.call_later(RECEIVE_SECONDS, self._give_up)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_receiving = True
        self._has_head = False
        self._head_size = 0

    def on_headers_complete(self) -> None:
        self._has_head = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_receiving = False
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._is_receiving = False
        self._end_deadline()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        self._refuse(InvalidHttp("The request is not valid HTTP."))

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.flow.read_paused:
            # It is we who do not read on, because the answer to an earlier request is still to be sent.
            self._deadline = self.loop.call_later(RECEIVE_SECONDS, self._give_up)
        elif self.cycle is not None and self.cycle.scope is self.scope and self.cycle.response_started:
            self._hang_up()
        else:
            self._refuse(RequestTimeout("The request did not arrive in time."))

    def _refuse(self, error: ShopError) -> None:
        if self._is_over or self.transport.is_closing():
            return
        request_id = uuid4().hex
        content = _problem(error.status, error.code, error.title, error.detail, request_id)
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
            f"content-type: {PROBLEM_JSON}\r\n"
            f"x-request-id: {request_id}\r\n"
            f"content-length: {len(content)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + content)
        self._hang_up()

    def _hang_up(self) -> None:
        """Says that no more will come, and reads on for a moment: where something lies unread when a connection is
        closed, the system takes back what was said last."""
        self._is_over = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        # `close` waits for the buffer to be read, which whoever hangs never does.
        self.loop.call_later(_ABORT_SECONDS, self.transport.abort)


class _JsonServerProtocol(ServerProtocol):
    """Refuses a handshake with a problem document instead of plain text."""

    def reject(self, status: StatusLike, text: str) -> Response:
        response = super().reject(status, text)
        request_id = uuid4().hex
        code = response.reason_phrase.lower().replace(" ", "_")
        response.body = _problem(
            response.status_code, code, response.reason_phrase, text.strip() or _NO_HANDSHAKE, request_id
        )
        for name in ("Content-Type", "Content-Length"):
            del response.headers[name]
        response.headers["Content-Type"] = PROBLEM_JSON
        response.headers["Content-Length"] = str(len(response.body))
        response.headers["X-Request-ID"] = request_id
        return response


class _Inbox:
    """What uvicorn needs of an `asyncio.Queue`, at a tenth of its size: most screens never say anything."""

    __slots__ = ("_messages", "_waiter")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._waiter: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Any:
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        return self._messages.pop(0)

    def empty(self) -> bool:
        return not self._messages


class SocketProtocol(WebSocketsSansIOProtocol):
    """Takes whole frames beside ASGI's messages, and never waits for a screen that does not read.

    It offers itself to the application as the ASGI extension `pos.frames`; see `endpoints.outlets.FrameTransport`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_room: Callable[[], None] | None = None
        self.queue = _Inbox()  # type: ignore[assignment]
        self.conn = _JsonServerProtocol(
            extensions=self.conn.available_extensions,
            max_size=self.config.ws_max_size,
            logger=logging.getLogger("uvicorn.error"),
        )

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            # The task that runs the application has not begun yet.
            extensions: dict[Any, Any] = self.scope["extensions"] or {}
            extensions[EXTENSION] = self

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.accept":
            # The handshake is over, and most of a connection's memory is its headers.
            del self.request, self.response

    def write_frames(self, frames: bytes) -> None:
        """Hands frames to the transport. They may not be compressed, nor cut.

        :raises ConnectionError: the connection is closed, or closing.
        """
        if self.close_sent or self.disconnected or self.transport.is_closing():
            raise ConnectionError("The WebSocket is closed.")
        self.transport.write(frames)

    @property
    def has_room(self) -> bool:
        """Whether what was written before has mostly been taken."""
        return self.writable.is_set()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.on_room is not None:
            self.on_room()

    def close_for(self, code: int, reason: str) -> None:
        """Says goodbye; does not wait for long for an answer, nor for what stands before it to be read."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._abort_later()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._abort_later()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._abort_later()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    def _abort_later(self) -> None:
        """`close` waits for the buffer to be read, which a screen that hangs never does."""
        if self.disconnected:
            return
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = asyncio.get_running_loop().call_later(_ABORT_SECONDS, self.transport.abort)
