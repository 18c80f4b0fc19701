"""Records of requests: route, status and duration. `envelope.py` makes them.

A client cannot make the number of different records grow, since a record has the path of the route table instead of
the requested path.
"""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.types import Scope

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
