"""Addresses without parameters, found by one look instead of one after the other, of which there are dozens."""

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send


class FixedPaths(BaseRoute):
    """Stands before the routes and answers for those of them whose address has no parameter.

    A table in which an address with a parameter stands before a fixed one that it matches, too, would be read otherwise
    than it is written; a test says that ours is not so.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._by_path = {route.path: route for route in routes if isinstance(route, Route) and "{" not in route.path}

    def matches(self, scope: Scope) -> tuple[Match, dict[str, Any]]:
        route = self._by_path.get(scope["path"]) if scope["type"] == "http" and not scope.get("root_path") else None
        if route is None:
            return Match.NONE, {}
        return Match.FULL, {"route": route, "endpoint": route.endpoint, "path_params": {}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await scope["route"].handle(scope, receive, send)
