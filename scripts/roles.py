"""Write the table of roles in docs/security.md from the access table in the code."""

from pathlib import Path
from typing import Final

from endpoints.accounts.guard import GuardedRoute
from endpoints.accounts.permissions import Roles
from endpoints.routes import ROUTES
from schemas.core.principals import ACCESS_ROLES

PAGE: Final = Path(__file__).parents[1] / "docs" / "security.md"
_BEGIN, _END = "<!-- roles: written by `make docs` -->\n", "<!-- end of roles -->\n"


def table() -> str:
    """Return a row for each route and method, in the order of the code."""
    lines = [f"| route | {' | '.join(ACCESS_ROLES)} |", f"| --- |{' --- |' * len(ACCESS_ROLES)}"]
    for route in ROUTES:
        if isinstance(route, GuardedRoute):
            for method, allowed in route.roles.items():
                cells = [_cell(role, allowed) for role in ACCESS_ROLES]
                lines.append(f"| `{method} {route.path}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(role: str, allowed: Roles | None) -> str:
    if allowed is None:
        return "anyone"
    return "yes" if role in allowed else ""


def written() -> str:
    """Return the page with the current table."""
    before, _, rest = PAGE.read_text().partition(_BEGIN)
    return before + _BEGIN + "\n" + table() + "\n" + _END + rest.partition(_END)[2]


if __name__ == "__main__":
    PAGE.write_text(written())
