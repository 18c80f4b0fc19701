"""Literal routes: paths without parameters are found as the route table says."""

from starlette.routing import Match, Route

from endpoints.http.literal_routes import FixedPaths
from endpoints.routes import ROUTES


def test_a_literal_path_finds_the_route_of_the_table() -> None:
    fixed = FixedPaths(ROUTES)
    for path in (route.path for route in ROUTES if isinstance(route, Route)):
        scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
        first = next(route for route in ROUTES if route.matches(dict(scope))[0] is Match.FULL)
        match, found = fixed.matches(scope)
        assert (found["route"] if match is Match.FULL else None) is (first if "{" not in path else None)


def test_other_paths_are_left_to_the_table() -> None:
    for path, kind in (("/nowhere", "http"), ("/api/orders/ORDER-1", "http"), ("/health", "websocket")):
        assert FixedPaths(ROUTES).matches({"type": kind, "path": path}) == (Match.NONE, {})
