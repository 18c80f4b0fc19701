"""uvicorn's HTTP protocol with JSON errors and with limits for what a client may send."""

import asyncio
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade

from app.server.connection_limits import Budget, limits_of
from app.server.early_refusals import HeadersTooLarge, InvalidHttp, RequestTimeout, TooManyConnections, refusal_bytes
from app.server.request_heads import has_body, is_chunked, size_of, without_upgrade
from app.server.sequential_http import SequentialProtocol
from app.server.unread_connections import limit_writing
from endpoints.http.multipart import UPLOADS
from endpoints.http.requests import BodyTooLarge
from endpoints.transfer.disconnect import CUT
from schemas.core.errors import ShopError

#: Seconds from the first byte of a request to the last, and until the first request of a connection.
RECEIVE_SECONDS: Final = 10.0
#: For a file of 2 MiB from a phone on a slow connection.
UPLOAD_SECONDS: Final = 40.0
MAX_HEAD: Final = 64 * 1024
#: Lines of a head, and of the trailers of a body.
MAX_LINES: Final = 100
# Bytes of a chunked body with its trailers and chunk extensions, which no handler sees and which the parser would keep
# without a limit. The body alone has a far lower limit.
_MAX_CHUNKED: Final = 1024 * 1024
# Bytes of memory for a header line, beside its name and value.
_LINE_WEIGHT: Final = 150
_CONNECT: Final = "CONNECT"
_TOO_LARGE: Final = HeadersTooLarge(f"The headers are too large: at most {MAX_LINES} of them, and 64 KiB.")
_BESIDE: Final = BodyTooLarge("The request is too large.")
_NO_ROOM: Final = TooManyConnections(
    "The service has too many connections. Please try again.", headers={"Retry-After": "1"}
)


class JsonHttpProtocol(SequentialProtocol):
    """Answer malformed HTTP with a problem document instead of plain text, since the existing app sends a request
    again after plain text.

    It also adds limits that uvicorn does not have: a request has a deadline, a head has a maximum of bytes and lines,
    trailers are dropped, and all connections share a budget of unfinished bytes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits_of(self.server_state)
        # The budget in which the bytes of this connection are counted, if any.
        self._budget: Budget | None = None
        self._is_receiving = False
        self._has_head = False
        # The error for which the parser was stopped, if it was.
        self._fault: ShopError | None = None
        # Bytes of an unfinished head and of the current chunk, and whether the chunk began with an earlier request.
        self._head_size = 0
        self._chunk_size = 0
        self._tail_size = 0
        self._trailers = 0
        self._is_shared = False
        # The head without an unknown upgrade, which is parsed in its place.
        self._plain_head = b""
        self._deadline: asyncio.TimerHandle | None = None
        # The seconds of that timer; None if it is for a silent connection or an earlier request.
        self._allowed = 0.0
        self._idle_since = 0.0

    @property
    def idle_since(self) -> tuple[bool, float] | None:
        """The time since which the client has sent no request; None while a request is in progress."""
        if self.is_answering or (self._is_receiving and self._has_head):
            return None
        return self.cycle is not None, self._idle_since

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        limit_writing(transport)
        self._limits.unread.begin(self.connections)
        self._idle_since = self.loop.time()
        self._deadline = self.loop.call_later(RECEIVE_SECONDS, transport.close)
        if len(self.connections) > self._limits.most_connections:
            others = [each for each in self.connections if isinstance(each, JsonHttpProtocol)]
            if not self._limits.make_room(others, self):
                self._is_over = True
                transport.write(refusal_bytes(_NO_ROOM))
                transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def leave(self) -> None:
        """End the connection at once, so that another one has room."""
        self._is_over = True
        self.transport.abort()

    def give_way(self) -> None:
        """End the connection, since it holds the most of a budget that is exceeded."""
        if self.is_answering and self.answered is not None and self.answered.scope is not self.scope:
            self.leave()
        else:
            self._refuse(_NO_ROOM)

    def _feed(self, data: bytes) -> None:
        self._chunk_size = len(data)
        self._is_shared = False
        try:
            self.parser.feed_data(data)
        except HttpParserError:
            self.logger.warning("Invalid HTTP request received.")
            self._refuse(self._fault or InvalidHttp("The request is not valid HTTP."))
        except HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        if not self.is_over:
            self._measure()
            self._watch()

    def _measure(self) -> None:
        """Count the bytes of an unfinished request, its own and those of all connections."""
        if not self._is_receiving:
            self._release()
        elif self._has_head:
            self._tail_size += self._chunk_size
            if self._tail_size > _MAX_CHUNKED and is_chunked(self.headers):
                self._refuse(_BESIDE)
            elif not self._is_upload():
                self._hold(self._limits.bodies, self._tail_size)
        else:
            self._head_size += 0 if self._is_shared else self._chunk_size
            if self._head_size > MAX_HEAD:
                self._refuse(_TOO_LARGE)
            else:
                self._hold(self._limits.heads, self._weight_of_head())

    def _watch(self) -> None:
        """Set a deadline for a request that has begun. The first one begins with the first byte, whatever it is."""
        if self._is_receiving or self.cycle is None:
            allowed = UPLOAD_SECONDS if self._is_upload() else RECEIVE_SECONDS
            if allowed > self._allowed:
                # Most requests arrive in one piece, and need no timer.
                self._end_deadline()
                self._allowed = allowed
                self._deadline = self.loop.call_later(allowed, self._give_up)
        elif self._deadline is not None:
            self._end_deadline()

    def on_message_begin(self) -> None:
        self._unset_keepalive_if_required()
        super().on_message_begin()
        self._is_receiving = True
        self._has_head = False
        self._head_size = self._tail_size = self._trailers = 0
        if self.cycle is not None:
            # The timer of an earlier request does not apply to this one.
            self._allowed = 0.0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._has_head:
            # A trailer is not a header, and nothing here uses it.
            self._trailers += 1
            if self._trailers > MAX_LINES:
                self._stop(_BESIDE)
        elif len(self.headers) == MAX_LINES:
            self._stop(_TOO_LARGE)
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._has_head = True
        # Rare: counted only when that many bytes have arrived.
        if self._head_size + self._chunk_size > MAX_HEAD and size_of(self.url, self.headers) > MAX_HEAD:
            self._stop(_TOO_LARGE)
        self.scope["extensions"] = {CUT: self.cut}  # type: ignore[dict-item]
        if self.parser.should_upgrade() and not self._should_upgrade():
            # The parser skips the body of such a request, so it is parsed again.
            method = self.parser.get_method()
            self.scope["method"] = method.decode("ascii")
            self._plain_head = without_upgrade(method, self.url, self.parser.get_http_version(), self.headers)
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self._plain_head:
            self._is_receiving = False
            self._is_shared = True
            super().on_message_complete()

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def handle_websocket_upgrade(self) -> None:
        self._is_over = True
        self._forget()
        super().handle_websocket_upgrade()

    def _upgrade(self, rest: bytes) -> None:
        plain, self._plain_head = self._plain_head, b""
        is_plain = self.scope["http_version"] == "1.1" and not has_body(self.headers) and not self.is_answering
        if not plain and is_plain:
            self.handle_websocket_upgrade()
        elif not plain or self.scope["method"] == _CONNECT:
            self._refuse(InvalidHttp("A connection becomes a WebSocket with a GET that has no body, and by itself."))
        else:
            self._feed(plain + rest)

    def _wait_with(self, unread: bytes, place: int = 0) -> None:
        super()._wait_with(unread, place)
        if self._unread:
            self._hold(self._limits.heads, len(self._unread) + self._weight_of_head())

    def _hold(self, budget: Budget, size: int) -> None:
        if budget is not self._budget:
            self._release()
            self._budget = budget
        budget.hold(self, size)

    def _release(self) -> None:
        if self._budget is not None:
            self._budget.release(self)
            self._budget = None

    def _weight_of_head(self) -> int:
        """Return about how many bytes of memory an unfinished head takes; not more than it takes."""
        shared = self._chunk_size if self._is_shared else 0
        return self._head_size + shared + _LINE_WEIGHT * len(self.headers)

    def _is_upload(self) -> bool:
        return self._has_head and self.url.partition(b"?")[0] == UPLOADS

    def _stop(self, fault: ShopError) -> None:
        """Stop the parser, whose own error says only that it was stopped."""
        self._fault = fault
        raise ValueError(fault.detail)

    def _end_deadline(self) -> None:
        self._allowed = 0.0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _forget(self) -> None:
        self._end_deadline()
        self._release()

    def _give_up(self) -> None:
        self._end_deadline()
        if self.flow.read_paused:
            # The service has paused reading until it has answered an earlier request.
            self._watch()
        else:
            self._refuse(RequestTimeout("The request did not arrive in time."))
