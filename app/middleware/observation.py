"""Records of requests: route, status and duration.

A client cannot make the number of different records grow, since a record has the path of the route table instead of
the requested path.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The status of a request whose client disconnected before the response, as in nginx.
CLIENT_CLOSED: Final = 499
UNMATCHED: Final = "unmatched"
OTHER: Final = "OTHER"
#: A key of `scope["state"]`: the response is not a fault, whatever its status.
IS_EXPECTED: Final = "is_expected"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


@dataclass(slots=True)
class RequestRecord:
    """One request and its response. `began` is on the clock of `time.perf_counter`; `answered` and `ended` are the
    seconds from there until the response began, and until its last byte was sent. `route`: see `route_of`; known at
    the end."""

    scope: Scope
    began: float
    method: str
    route: str = UNMATCHED
    status: int = CLIENT_CLOSED
    answered: float = 0.0
    ended: float = 0.0

    @property
    def is_fault(self) -> bool:
        """Whether the response shows a fault of the service."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and IS_EXPECTED not in self.scope.get("state", {})


Observer = Callable[[RequestRecord], None]


def route_of(scope: Scope) -> str:
    """Return the path in the route table, `/api/orders/{order_id}`; never the requested path."""
    route = scope.get("route")
    return UNMATCHED if route is None else str(route.path)


class RequestObserver:
    """Call observers with the record of each HTTP request at its end. WebSockets are not recorded here."""

    def __init__(self, app: ASGIApp, observers: Sequence[Observer]) -> None:
        self.app = app
        self._observers = observers

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._watch(scope, receive, send) if scope["type"] == "http" else self.app(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        record = RequestRecord(scope, time.perf_counter(), method if method in METHODS else OTHER)

        def watched(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                record.answered = time.perf_counter() - record.began
            return send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            record.ended = time.perf_counter() - record.began
            record.route = route_of(scope)
            for observe in self._observers:
                observe(record)
