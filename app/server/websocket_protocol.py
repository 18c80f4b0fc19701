"""uvicorn's WebSockets, changed where the service needs it: a short way for frames, and an ear that tires."""

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

# What the kernel keeps for a screen that does not read; its own choice would go up to megabytes for each.
_SEND_BUFFER: Final = 128 * 1024
# How much of what a screen says is read in one turn of the event loop: far more than one that means well has to say.
_PIECE: Final = 4096
_INVALID_TEXT: Final = 1007
#: Pings, pongs that nobody asked for, and pieces of messages, counted together.
FRAMES_PER_SECOND: Final = MESSAGES_PER_SECOND
#: Pieces of one message, and how long it may take from its first byte to its last.
MOST_FRAGMENTS: Final = 64
MESSAGE_SECONDS: Final = 10.0
# What uvicorn closes with where a ping is not answered.
_UNANSWERED: Final = 1011


def _refusal_headers() -> list[tuple[bytes, bytes]]:
    """Of a handshake that the application refuses: no middleware of ours sees it as an answer."""
    headers = {**SECURITY_HEADERS, "x-request-id": request_id.get() or ""}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class SocketProtocol(WebSocketsSansIOProtocol):
    """Takes whole frames beside ASGI's messages, and never waits for a screen that does not read.

    It offers itself to the application as the ASGI extension `pos.frames`; see `endpoints.outlets.FrameTransport`.
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
            # At a level at which it says nothing of what `socket_log.py` has a line for.
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
        """A piece a turn, and none before the last one was heard: a flood holds nobody up, and is never kept whole."""
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
        """Whether what is answered at once, as a ping is, has been taken; and the handshake been answered."""
        is_open = self.handshake_complete or not self.handshake_initiated
        return is_open and not self.read_paused and self.writable.is_set()

    def _measure(self) -> None:
        """Bound what is held of a message that is not whole, and for how long."""
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
        """End, since it holds more than others while all together hold too much."""
        self._refuse_frames(TRY_LATER)

    def _refuse_frames(self, code: int) -> None:
        """Close, and parse no more of what comes until the connection ends: it may be a flood."""
        self._is_deaf = True
        self.frames = []
        self._unread = b""
        if self.conn.state is State.OPEN:
            self.close_for(code, REASONS[code])
        else:
            self._abort_later()
        self._end_message_timer()

    def _takes_frame(self) -> bool:
        """Return whether one more frame is heard that is no whole message; else the connection is closed."""
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
        """The parser has its answer ready (a line that is too long, too many of them), and uvicorn never sends it."""
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
            # Uvicorn does the same, and writes a traceback into the log for each.
            self.conn.send_close(_INVALID_TEXT)
            self.handle_parser_exception()
            return
        super().send_receive_event_to_app()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            # The task that runs the application has not begun yet.
            extensions: dict[Any, Any] = self.scope["extensions"] or {}
            extensions[EXTENSION] = self

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.http.response.start":
            message = {**message, "headers": [*message["headers"], *_refusal_headers()]}
        await super().send(message)
        if message["type"] == "websocket.close":
            self._read_on()
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            # An answer, too: uvicorn takes it for a fault of the application, and logs an error each time.
            self.handshake_complete = True
        if message["type"] == "websocket.accept":
            # The handshake is over, and most of a connection's memory is its headers.
            del self.request, self.response
            self._read_on()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_message_timer()
        self._limits.bodies.release(self)
        # What refers to itself waits for the garbage collector, which comes seldom, and thousands may go in a minute.
        self.on_room = None
        self.conn.parser.close()
        scope: Any = getattr(self, "scope", {})
        (scope.get("extensions") or {}).pop(EXTENSION, None)

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
        self._read_on()
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
            # Else the application would hear of it when the line is gone, and without the reason.
            self.queue.put_nowait({"type": "websocket.disconnect", "code": _UNANSWERED, "reason": ""})
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
        self.close_timer = asyncio.get_running_loop().call_later(ABORT_SECONDS, self.transport.abort)
