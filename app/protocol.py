"""uvicorn's HTTP, changed where the service needs it: refusals as JSON, and a deadline for requests to arrive."""

import asyncio
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import PROBLEM_JSON
from app.unread import cut, limit_writing
from endpoints.connections import CUT
from endpoints.requests import BodyTooLarge
from endpoints.uploads import UPLOADS
from schemas.errors import ShopError

# How long a client may take to hear a goodbye.
ABORT_SECONDS: Final = 5.0
_LINGER_SECONDS: Final = 1.0
#: From the first byte of a request to its last.
RECEIVE_SECONDS: Final = 10.0
#: A file of 2 MiB from a phone with a poor line.
UPLOAD_SECONDS: Final = 40.0
#: How long a connection may outlast the word to stop: no answer takes longer, and an event stream ends by itself.
STOP_SECONDS: Final = 6.0
MAX_HEAD: Final = 64 * 1024
#: As `security_headers.py` adds them: what is refused here never comes so far.
SECURITY_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_SECURITY_LINES: Final = "".join(f"{name}: {value}\r\n" for name, value in SECURITY_HEADERS.items())
# Of a body in chunks, with whatever stands beside the body, which no handler sees, and which the parser would keep
# without an end: its trailers, and what may follow the length of a chunk. A body alone is refused far earlier.
_MAX_CHUNKED: Final = 1024 * 1024
# What a line of a head takes beside its name and value.
_LINE_BYTES: Final = len(": \r\n")


class RequestTimeout(ShopError):
    status, code, title = 408, "request_timeout", "The request took too long"


class HeadersTooLarge(ShopError):
    status, code, title = 431, "headers_too_large", "The headers are too large"


class InvalidHttp(ShopError):
    status, code, title = 400, "invalid_http", "Not valid HTTP"


def problem_bytes(status: int, code: str, title: str, detail: str, request_id: str) -> bytes:
    """A problem document, for what is refused before there is a request."""
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
        self._is_lost = False
        self._has_head = False
        self._is_too_large = False
        # Bytes of an unfinished head, of the chunk that is being read, and whether that began with an earlier request.
        self._head_size = 0
        self._chunk_size = 0
        self._tail_size = 0
        self._is_shared = False
        self._deadline: asyncio.TimerHandle | None = None
        # Whether that is the one of an upload.
        self._is_patient = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        limit_writing(transport)
        # Uvicorn sets this one after an answer only: whoever never asks anything may not stay either.
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_lost = True
        if self.scope is not None:
            # It refers to this connection, which would wait for the garbage collector.
            self.scope.pop("extensions", None)
        self._end_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._chunk_size = len(data)
        self._is_shared = False
        super().data_received(data)
        if not self._is_receiving:
            self._end_deadline()
            return
        if self._has_head:
            self._tail_size += self._chunk_size
            if self._tail_size > _MAX_CHUNKED and self._is_chunked():
                self._give_up_on(BodyTooLarge("The request is too large."))
        elif not self._is_shared:
            self._head_size += self._chunk_size
            if self._head_size > MAX_HEAD:
                self._refuse(HeadersTooLarge("The headers are too large."))
        is_upload = self._has_head and self.url.partition(b"?")[0] == UPLOADS
        if self._deadline is None or (is_upload and not self._is_patient):
            # Most requests arrive whole, and need no timer.
            self._end_deadline()
            self._is_patient = is_upload
            self._deadline = self.loop.call_later(UPLOAD_SECONDS if is_upload else RECEIVE_SECONDS, self._give_up)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_receiving = True
        self._has_head = self._is_patient = False
        self._head_size = self._tail_size = 0

    def on_headers_complete(self) -> None:
        self._has_head = True
        # Counted only where so much arrived, which is hardly ever.
        if self._head_size + self._chunk_size > MAX_HEAD and self._size_of_head() > MAX_HEAD:
            self._is_too_large = True
            raise ValueError("The head is too large.")
        self.scope["extensions"] = {CUT: self.cut}  # type: ignore[dict-item]
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_receiving = False
        self._is_shared = True
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._is_receiving = False
        self._end_deadline()
        super().handle_websocket_upgrade()

    def shutdown(self) -> None:
        """End what is idle now, and whatever is under way after a while: who does not read, or sends, never ends."""
        super().shutdown()
        self.loop.call_later(STOP_SECONDS, self.cut)

    def cut(self) -> None:
        """End the connection now, whatever waits to be taken."""
        if not self._is_lost:
            cut(self.transport)

    def send_400_response(self, msg: str) -> None:
        if self._is_too_large:
            self._refuse(HeadersTooLarge("The headers are too large."))
        else:
            self._refuse(InvalidHttp("The request is not valid HTTP."))

    def _size_of_head(self) -> int:
        return len(self.url) + sum([len(name) + len(value) + _LINE_BYTES for name, value in self.headers])

    def _end_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self.flow.read_paused:
            # It is we who do not read on, because the answer to an earlier request is still to be sent.
            self._deadline = self.loop.call_later(RECEIVE_SECONDS, self._give_up)
        else:
            self._give_up_on(RequestTimeout("The request did not arrive in time."))

    def _give_up_on(self, error: ShopError) -> None:
        if self.cycle is not None and self.cycle.scope is self.scope and self.cycle.response_started:
            self._hang_up()
        else:
            self._refuse(error)

    def _is_chunked(self) -> bool:
        return any(name == b"transfer-encoding" for name, _ in self.headers)

    def _refuse(self, error: ShopError) -> None:
        if self._is_over or self.transport.is_closing():
            return
        request_id = uuid4().hex
        content = problem_bytes(error.status, error.code, error.title, error.detail, request_id)
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
            f"content-type: {PROBLEM_JSON}\r\n"
            f"x-request-id: {request_id}\r\n"
            f"{_SECURITY_LINES}"
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
        self.loop.call_later(ABORT_SECONDS, self.cut)
