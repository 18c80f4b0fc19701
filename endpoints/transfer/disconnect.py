"""Cut the connection of a client that does not read its response."""

from collections.abc import Callable
from typing import Final

from starlette.types import Scope

#: The ASGI extension with which a server provides a callable that cuts the connection.
CUT: Final = "pos.cut"

Cut = Callable[[], None]


def cut_of(scope: Scope) -> Cut | None:
    """Return a callable that cuts the connection of a request; None if the server does not provide it."""
    cut: Cut | None = (scope.get("extensions") or {}).get(CUT)
    return cut
