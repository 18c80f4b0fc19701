"""Security headers on each response. A handler can set its own policy and caching."""

from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.problem_details import SECURITY_HEADERS

#: The headers that a handler may set itself: a page names what it loads, and a file may be cached.
_OWN: Final = ("content-security-policy", "cache-control")
_DEFAULTS: Final = tuple((name.encode(), SECURITY_HEADERS[name].encode()) for name in _OWN)
_FIXED: Final = tuple((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items() if name not in _OWN)
_HTTPS: Final = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """Add the security headers.

    :param is_https: whether clients reach the service over https only.
    """

    def __init__(self, app: ASGIApp, *, is_https: bool) -> None:
        self.app = app
        self._fixed = (*_FIXED, _HTTPS) if is_https else _FIXED

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self.app(scope, receive, send)

        def secured(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                given = message["headers"]
                names = [name for name, _ in given]
                # A new list, since the response may be sent again.
                headers = [*given, *self._fixed]
                headers += [pair for pair in _DEFAULTS if pair[0] not in names]
                message["headers"] = headers
            return send(message)

        return self.app(scope, receive, secured)
