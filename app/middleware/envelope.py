"""The outermost middleware, in one pass over each request: its id, its record, and the headers of its response.

`X-Request-ID` is that of the client if it is plain and short, otherwise a new one; the response has it too. A handler
can set its own content policy and caching.
"""

import time
from collections.abc import Awaitable, Sequence
from secrets import token_hex
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.observation import METHODS, OTHER, Observer, RequestRecord, route_of
from app.problem_details import SECURITY_HEADERS
from endpoints.http.request_id import request_id

MAX_LENGTH: Final = 128
_HEADER: Final = b"x-request-id"
#: The headers that a handler may set itself: a page names what it loads, and a file may be cached.
_OWN: Final = ("content-security-policy", "cache-control")
_DEFAULTS: Final = tuple((name.encode(), SECURITY_HEADERS[name].encode()) for name in _OWN)
_FIXED: Final = tuple((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items() if name not in _OWN)
_HTTPS: Final = (b"strict-transport-security", b"max-age=31536000")


class Envelope:
    """Set `request_id` for each request and WebSocket; add headers to HTTP responses, and pass their record to
    observers at the end.

    :param is_https: whether clients reach the service over https only.
    """

    def __init__(self, app: ASGIApp, observers: Sequence[Observer], *, is_https: bool) -> None:
        self.app = app
        self._observers = observers
        self._fixed = (*_FIXED, _HTTPS) if is_https else _FIXED

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self.app(scope, receive, send)
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        own = given if _is_plain(given) else token_hex(16).encode()
        request_id.set(own.decode())
        return self._watch(scope, receive, send, own) if scope["type"] == "http" else self.app(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send, own_id: bytes) -> None:
        method = scope["method"]
        record = RequestRecord(scope, time.perf_counter(), method if method in METHODS else OTHER)

        def watched(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                record.answered = time.perf_counter() - record.began
                given = message["headers"]
                names = [name for name, _ in given]
                # A new list, since the response may be sent again.
                headers = [*given, *self._fixed, (_HEADER, own_id)]
                headers += [pair for pair in _DEFAULTS if pair[0] not in names]
                message["headers"] = headers
            return send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            record.ended = time.perf_counter() - record.began
            record.route = route_of(scope)
            for observe in self._observers:
                observe(record)


def _is_plain(given: bytes) -> bool:
    return 0 < len(given) <= MAX_LENGTH and given.isascii() and given.decode().isprintable()
