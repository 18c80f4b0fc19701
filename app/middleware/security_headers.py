"""Headers by which browsers keep others out, on each answer. A handler that sets its own policy keeps it."""

from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Pair = tuple[bytes, bytes]

_FIXED: Final[tuple[Pair, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
#: For JSON, which needs nothing. Pages such as a board name what they load.
_POLICY: Final[Pair] = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
#: What a shop answers is nobody else's to keep, unless a handler knows better.
_CACHE: Final[Pair] = (b"cache-control", b"no-store")
_HTTPS: Final[Pair] = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """Adds them, already encoded.

    :param is_https: whether people reach the service by https only.
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
                # A new list: the given one belongs to a response that may be sent again.
                headers = [*given, *self._fixed]
                headers += [pair for pair in (_POLICY, _CACHE) if pair[0] not in names]
                message["headers"] = headers
            return send(message)

        return self.app(scope, receive, secured)
