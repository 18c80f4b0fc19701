"""uvicorn's WebSocket protocol with direct writing of frames and limits for what a client may send."""

import asyncio
import logging
import socket
from asyncio.transports import BaseTransport
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from app.problem_details import SECURITY_HEADERS
from app.server.connection_limits import limits_of
from app.server.sequential_http import ABORT_SECONDS
from app.server.websocket_parts import Inbox, JsonServerProtocol
from endpoints.http.allowance import Allowance
from endpoints.http.request_id import request_id
from endpoints.live.session import MESSAGES_PER_SECOND
from endpoints.live.transports import EXTENSION
from schemas.live.close_codes import REASONS, TOO_MANY_MESSAGES, TOO_SLOW, TRY_LATER

# Bytes in the system's buffer for a client that does not read. The default goes up to megabytes for each.
_SEND_BUFFER: Final = 128 * 1024
# Bytes that are read from a client in one turn of the event loop, far more than a normal client sends.
_PIECE: Final = 4096
_INVALID_TEXT: Final = 1007
#: Pings, unsolicited pongs and fragments of messages, counted together.
FRAMES_PER_SECOND: Final = MESSAGES_PER_SECOND
#: Fragments of one message, and seconds from its first byte to the last.
MOST_FRAGMENTS: Final = 64
MESSAGE_SECONDS: Final = 10.0
# The code with which uvicorn closes after an unanswered ping.
_UNANSWERED: Final = 1011


def _refusal_headers() -> list[tuple[bytes, bytes]]:
    """Return the headers of a refused handshake, which passes no middleware as a response."""
    headers = {**SECURITY_HEADERS, "x-request-id": request_id.get() or ""}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class SocketProtocol(WebSocketsSansIOProtocol):
    """A WebSocket that also takes complete frames, and never waits for a client that does not read.

    The application finds it as the ASGI extension `pos.frames`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_room: Callable[[], None] | None = None
        self._limits = limits_of(kwargs["server_state"])
        self._allowance = Allowance(FRAMES_PER_SECOND, self.loop.time())
        self._message_timer: asyncio.TimerHandle | None = None
        self._is_deaf = False
        self._unread = b""
        self.queue = Inbox()  # type: ignore[assignment]
        self.conn = JsonServerProtocol(
            extensions=self.conn.available_extensions,
            max_size=self.config.ws_max_size,
            # At this level it does not log what `websocket_log.py` logs.
            logger=logging.getLogger("websockets.server"),
        )

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        is_behind = bool(self._unread)
        self._unread += data
        if not is_behind:
            self._read_on()
        if self._unread:
            self.transport.pause_reading()

    def _read_on(self) -> None:
        """Handle one piece in each turn of the event loop, and none before the last one, so that a flood delays no
        other client and is never stored whole."""
        if self.disconnected:
            self._unread = b""
        if self._unread and self._may_read:
            piece, self._unread = self._unread[:_PIECE], self._unread[_PIECE:]
            super().data_received(piece)
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._refuse_handshake()
            if self._may_read and not self.transport.is_closing():
                if self._unread:
                    self.loop.call_soon(self._read_on)
                else:
                    self.transport.resume_reading()
        self._measure()

    @property
    def _may_read(self) -> bool:
        """Return whether the client has read the automatic replies, such as pongs, and the handshake is answered."""
        is_open = self.handshake_complete or not self.handshake_initiated
        return is_open and not self.read_paused and self.writable.is_set()

    def _measure(self) -> None:
        """Limit the bytes and the time of an unfinished message."""
        pieces = sum(map(len, self.frames)) + len(self.conn.reader.buffer)
        if pieces or self._unread:
            self._limits.bodies.hold(self, pieces + len(self._unread))
        else:
            self._limits.bodies.release(self)
        if not (pieces or self.frames) or self.close_sent or self.disconnected:
            self._end_message_timer()
        elif self._message_timer is None and self.handshake_complete:
            self._message_timer = self.loop.call_later(MESSAGE_SECONDS, self._refuse_frames, TOO_SLOW)

    def _end_message_timer(self) -> None:
        if self._message_timer is not None:
            self._message_timer.cancel()
            self._message_timer = None

    def give_way(self) -> None:
        """End the connection, since it holds the most of a budget that is exceeded."""
        self._refuse_frames(TRY_LATER)

    def _refuse_frames(self, code: int) -> None:
        """Close with a code, and parse no more data, which may be a flood."""
        self._is_deaf = True
        self.frames = []
        self._unread = b""
        if self.conn.state is State.OPEN:
            self.close_for(code, REASONS[code])
        else:
            self._abort_later()
        self._end_message_timer()

    def _takes_frame(self) -> bool:
        """Return whether one more control frame or fragment is allowed; otherwise close the connection."""
        if self.close_sent or self.conn.state is not State.OPEN:
            return False
        if self._allowance.take(self.loop.time()) and len(self.frames) < MOST_FRAGMENTS:
            return True
        self._refuse_frames(TOO_MANY_MESSAGES)
        return False

    def handle_ping(self) -> None:
        if self._takes_frame():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if bytes(event.data) == self.pending_ping_payload or self._takes_frame():
            super().handle_pong(event)

    def handle_text(self, event: Frame) -> None:
        if event.fin or self._takes_frame():
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        if event.fin or self._takes_frame():
            super().handle_bytes(event)

    def handle_cont(self, event: Frame) -> None:
        if self._takes_frame():
            super().handle_cont(event)

    def _refuse_handshake(self) -> None:
        """Send the parser's own error (a line that is too long, too many lines), which uvicorn never sends."""
        self.handshake_initiated = self.handshake_complete = self.close_sent = True
        self._unread = b""
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()
        self._abort_later()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self._hear_again()
        return message

    def _hear_again(self) -> None:
        self.read_paused = False
        if self._unread:
            self._read_on()
        else:
            self.transport.resume_reading()

    def send_receive_event_to_app(self) -> None:
        self._end_message_timer()
        if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            # Uvicorn does the same, but logs a traceback each time.
            self.conn.send_close(_INVALID_TEXT)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            # The task of the application has not started yet.
            extensions: dict[Any, Any] = self.scope["extensions"] or {}
            extensions[EXTENSION] = self

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.http.response.start":
            message = {**message, "headers": [*message["headers"], *_refusal_headers()]}
        await super().send(message)
        if message["type"] == "websocket.close":
            self._read_on()
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # A refusal is a response too. Uvicorn would treat it as a fault of the application, and log an error.
            self.handshake_complete = True
        if message["type"] == "websocket.accept":
            # The headers, most of a connection's memory, are not needed after the handshake.
            del self.request, self.response
            self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_message_timer()
        self._limits.bodies.release(self)
        # Reference cycles wait for the garbage collector, which is rare, and thousands may disconnect in a minute.
        self.on_room = None
        self.conn.parser.close()
        scope: Any = getattr(self, "scope", {})
        (scope.get("extensions") or {}).pop(EXTENSION, None)

    def write_frames(self, frames: bytes) -> None:
        """Write complete frames to the transport, without compression.

        :raises ConnectionError: the connection is closed, or closing.
        """
        if self.close_sent or self.disconnected or self.transport.is_closing():
            raise ConnectionError("The WebSocket is closed.")
        self.transport.write(frames)

    @property
    def has_room(self) -> bool:
        """Whether the client has read most of the earlier data."""
        return self.writable.is_set()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._read_on()
        if self.on_room is not None:
            self.on_room()

    def close_for(self, code: int, reason: str) -> None:
        """Close with a code, without a long wait for the client to answer or to read earlier data."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self._hear_again()
        self._abort_later()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._abort_later()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._abort_later()

    def keepalive_timeout(self) -> None:
        if not self.close_sent and not self.transport.is_closing():
            # Otherwise the application would learn of it only at the disconnect, and without the reason.
            self.queue.put_nowait({"type": "websocket.disconnect", "code": _UNANSWERED, "reason": ""})
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        super().shutdown()
        self._abort_later()

    def _abort_later(self) -> None:
        """Abort after a while, since `close` waits until the client has read the buffer, which a hanging client never
        does."""
        if self.disconnected:
            return
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = asyncio.get_running_loop().call_later(ABORT_SECONDS, self.transport.abort)
