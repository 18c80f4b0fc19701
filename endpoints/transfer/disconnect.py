"""How an answer is ended whose client does not take it: the connection is cut, whatever waits to be read on it."""

from collections.abc import Callable
from typing import Final

from starlette.types import Scope

#: The ASGI extension by which a server lets a connection be cut: a callable.
CUT: Final = "pos.cut"

Cut = Callable[[], None]


def cut_of(scope: Scope) -> Cut | None:
    """Return what cuts the connection of a request; None where the server has no such thing."""
    cut: Cut | None = (scope.get("extensions") or {}).get(CUT)
    return cut
