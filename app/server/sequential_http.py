"""uvicorn's HTTP protocol, which reads pipelined requests of a connection one after the other."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.server.early_refusals import refusal_bytes
from app.server.unread_connections import cut
from schemas.core.errors import ShopError

# Each request has this at the end of its head. Data with two of them may be several requests, and are read in small
# pieces, since a parsed request that waits takes a hundred times its length in memory.
_BLANK_LINE: Final = b"\r\n\r\n"
_PIECE: Final = 256
# Seconds that a client has to read the last response.
ABORT_SECONDS: Final = 5.0
_LINGER_SECONDS: Final = 1.0
#: Seconds from a shutdown to the end of a connection. No response takes longer, and event streams end themselves.
STOP_SECONDS: Final = 5.0


class _Flow(FlowControl):
    """Flow control that resumes reading only while no request of the connection waits, whatever the application asks
    for."""

    is_held = False

    def hold(self) -> None:
        self.is_held = True
        self.pause_reading()

    def let_go(self) -> None:
        self.is_held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        if not self.is_held:
            super().resume_reading()


class SequentialProtocol(HttpToolsProtocol, ABC):
    """Parse only one piece of the data behind a request that is being answered, and read no more data meanwhile.

    Subclasses define how a piece is parsed (`_feed`).
    """

    flow: _Flow

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: The request that is being answered, or was answered last; `cycle` is the one that was read last.
        self.answered: RequestResponseCycle | None = None
        # The last data, if not yet parsed completely because a request waits, and the place to continue.
        self._unread = b""
        self._place = 0
        self._is_over = False
        self._is_lost = False
        # The error to send when the earlier requests are answered.
        self._last_word: ShopError | None = None

    @property
    def is_over(self) -> bool:
        """Whether the connection reads no more."""
        return self._is_over or self._last_word is not None

    @property
    def is_answering(self) -> bool:
        return self.answered is not None and not self.answered.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _Flow(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        scopes = [self.scope, None if self.answered is None else self.answered.scope]
        for scope in filter(None, scopes):
            # It refers to this connection, which would otherwise wait for the garbage collector.
            scope.pop("extensions", None)
        # After a disconnect, uvicorn keeps the timer, and tells only the request that was read last.
        self._unset_keepalive_if_required()
        self._disconnect()
        self.pipeline.clear()
        self._unread = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_over:
            return
        if self.flow.is_held:
            # The data were already on the way when reading was paused.
            self._wait_with(self._unread[self._place :] + data)
        elif data.count(_BLANK_LINE) <= 1:
            self._feed(data)
            if self.pipeline and not self.is_over:
                self._wait_with(b"")
        else:
            self._read(data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.pipeline or self.transport.is_closing():
            return
        if self._last_word is None:
            if self.flow.is_held:
                self._read(self._unread, self._place)
        elif not self.is_answering:
            self._say(self._last_word)

    def shutdown(self) -> None:
        """End an idle connection now, and a busy one after a while, since a client that does not read or send never
        ends."""
        super().shutdown()
        self.loop.call_later(STOP_SECONDS, self.cut)

    def cut(self) -> None:
        """End the connection now, and drop the data that the client has not read."""
        if not self._is_lost:
            cut(self.transport)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self._last_word is None or cycle.scope is not self.scope:
            self._unset_keepalive_if_required()
            self.answered = cycle
            super()._start_asgi_task(cycle, app)

    @abstractmethod
    def _feed(self, data: bytes) -> None:
        """Parse a piece."""

    def _read(self, data: bytes, place: int = 0) -> None:
        """Parse piece by piece, until a request has to wait."""
        for start in range(place, len(data), _PIECE):
            self._feed(data[start : start + _PIECE])
            if self.is_over:
                return
            if self.pipeline:
                self._wait_with(data, start + _PIECE)
                return
        self._unread = b""
        if self.flow.is_held:
            self.flow.let_go()

    def _wait_with(self, unread: bytes, place: int = 0) -> None:
        self._unread, self._place = (unread, place) if place < len(unread) else (b"", 0)
        self.flow.hold()

    def _disconnect(self) -> None:
        """Tell the application that the client has disconnected."""
        if self.answered is not None and not self.answered.response_complete:
            self.answered.disconnected = True
            self.answered.message_event.set()

    @abstractmethod
    def _forget(self) -> None:
        """Release the data of an unfinished request."""

    def _refuse(self, error: ShopError) -> None:
        """Send an error after the responses to earlier requests, and end the connection."""
        if self._is_over or self.transport.is_closing():
            return
        self._forget()
        is_own = self.answered is not None and self.answered.scope is self.scope
        if self.is_answering and not is_own:
            self._last_word = error
            self._wait_with(b"")
        elif is_own and self.answered is not None and self.answered.response_started:
            self._hang_up()
        else:
            self._say(error)

    def _say(self, error: ShopError) -> None:
        self.transport.write(refusal_bytes(error))
        self._hang_up()

    def _hang_up(self) -> None:
        """Close the sending side, and read on for a moment. If a connection is closed with unread data, the system
        discards the last response."""
        self._is_over = True
        self._disconnect()
        # The data of an unfinished request are not needed any more.
        self.parser = None  # type: ignore[assignment]
        self._unread = b""
        if self.headers and (self.answered is None or self.answered.scope is not self.scope):
            # These belong to a request that the application never received.
            self.headers.clear()
        self.flow.let_go()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        # `close` waits until the client has read the buffer, which a hanging client never does.
        self.loop.call_later(ABORT_SECONDS, self.cut)
