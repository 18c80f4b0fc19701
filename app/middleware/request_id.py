"""`X-Request-ID`: that of the client if it is plain and short, otherwise a new one. The response has it too."""

from collections.abc import Awaitable
from secrets import token_hex
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.http.request_id import request_id

MAX_LENGTH: Final = 128
_HEADER: Final = b"x-request-id"


class RequestId:
    """Set `request_id` for each request and WebSocket, and send it to the client."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return self.app(scope, receive, send)
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        name = given if _is_plain(given) else token_hex(16).encode()
        request_id.set(name.decode())

        def named(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_HEADER, name)]
            return send(message)

        return self.app(scope, receive, named)


def _is_plain(given: bytes) -> bool:
    return 0 < len(given) <= MAX_LENGTH and given.isascii() and given.decode().isprintable()
