"""uvicorn's HTTP, reading one request of a connection after the other, however many are sent at once."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Final

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.server.early_refusals import refusal_bytes
from app.server.unread_connections import cut
from schemas.core.errors import ShopError

# Each request ends with it, or holds it. What holds it twice may be several requests, and is read in pieces of some
# bytes, since a request that waits for its turn takes a hundred times its length.
_BLANK_LINE: Final = b"\r\n\r\n"
_PIECE: Final = 256
# How long a client may take to hear a goodbye.
ABORT_SECONDS: Final = 5.0
_LINGER_SECONDS: Final = 1.0
#: How long a connection may outlast the word to stop: no answer takes longer, and an event stream ends by itself.
STOP_SECONDS: Final = 5.0


class _Flow(FlowControl):
    """Reads on only while no request of the connection waits for its turn, whatever the application asks for."""

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
    """Parses no more than a piece of what is sent behind a request that is being answered, and reads no more of it.

    Subclasses say what is done with a piece (`_feed`).
    """

    flow: _Flow

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: The request that is being answered, or was last; `cycle` is the one that was read last.
        self.answered: RequestResponseCycle | None = None
        # What came last and is not parsed to its end, since a request waits for its turn; and where to go on.
        self._unread = b""
        self._place = 0
        self._is_over = False
        self._is_lost = False
        # What is said when the requests before are answered.
        self._last_word: ShopError | None = None

    @property
    def is_over(self) -> bool:
        """Whether no more is read."""
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
            # It refers to this connection, which would wait for the garbage collector.
            scope.pop("extensions", None)
        # Uvicorn leaves the timer where the line was cut, and tells the request only that was read last.
        self._unset_keepalive_if_required()
        self._disconnect()
        self.pipeline.clear()
        self._unread = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.is_over:
            return
        if self.flow.is_held:
            # It was on its way when reading was paused.
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
        """End what is idle now, and whatever is under way after a while: who does not read, or sends, never ends."""
        super().shutdown()
        self.loop.call_later(STOP_SECONDS, self.cut)

    def cut(self) -> None:
        """End the connection now, whatever waits to be taken."""
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
        """Tell the application that no more is heard of the client."""
        if self.answered is not None and not self.answered.response_complete:
            self.answered.disconnected = True
            self.answered.message_event.set()

    @abstractmethod
    def _forget(self) -> None:
        """Let go of what is kept for an unfinished request."""

    def _refuse(self, error: ShopError) -> None:
        """Answer with an error, after the answers to earlier requests, and end the connection."""
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
        """Say that no more will come, and read on for a moment: where something lies unread when a connection is
        closed, the system takes back what was said last."""
        self._is_over = True
        self._disconnect()
        # What it holds of an unfinished request is not needed any more.
        self.parser = None  # type: ignore[assignment]
        self._unread = b""
        if self.headers and (self.answered is None or self.answered.scope is not self.scope):
            # Those of a request that nobody was asked to answer.
            self.headers.clear()
        self.flow.let_go()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        # `close` waits for the buffer to be read, which whoever hangs never does.
        self.loop.call_later(ABORT_SECONDS, self.cut)
