"""Requests as they are watched: what each was, what came of it, and how long it took.

Nothing here grows with what clients make up: a request is known by the address of its route, as the table has it.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Of a client that went away before it was answered, as nginx has it.
CLIENT_CLOSED: Final = 499
UNMATCHED: Final = "unmatched"
OTHER: Final = "OTHER"
#: In `scope["state"]`: that the answer is no fault, whatever its status.
IS_EXPECTED: Final = "is_expected"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


@dataclass(slots=True)
class RequestRecord:
    """One request and its answer. began: on the clock of `time.perf_counter`; answered, ended: seconds from there until
    the answer began, and until its last byte was handed over. route: see `route_of`, known when it is over."""

    scope: Scope
    began: float
    method: str
    route: str = UNMATCHED
    status: int = CLIENT_CLOSED
    answered: float = 0.0
    ended: float = 0.0

    @property
    def is_fault(self) -> bool:
        """Whether something is the matter with the service."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and IS_EXPECTED not in self.scope.get("state", {})


Observer = Callable[[RequestRecord], None]


def route_of(scope: Scope) -> str:
    """The address in the route table that a request was for, `/api/orders/{order_id}`; never the path itself."""
    route = scope.get("route")
    return UNMATCHED if route is None else str(route.path)


class RequestObserver:
    """Tells observers of each HTTP request when it is over. WebSockets pass by; the hub counts them."""

    def __init__(self, app: ASGIApp, observers: Sequence[Observer]) -> None:
        self.app = app
        self._observers = observers

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._watch(scope, receive, send) if scope["type"] == "http" else self.app(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        exchange = RequestRecord(scope, time.perf_counter(), method if method in METHODS else OTHER)

        def watched(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.answered = time.perf_counter() - exchange.began
            return send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            exchange.ended = time.perf_counter() - exchange.began
            exchange.route = route_of(scope)
            for observe in self._observers:
                observe(exchange)
