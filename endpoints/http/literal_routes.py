"""Routes without parameters, found by one dictionary lookup instead of dozens of matches."""

from collections.abc import Iterable
from typing import Any

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send


class FixedPaths(BaseRoute):
    """Dispatches requests to the routes that have no path parameter.

    If a route with a parameter came before a literal route that it also matches, this would change the order of the
    table; a test verifies that there is no such route.
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
