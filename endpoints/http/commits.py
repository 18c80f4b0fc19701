"""What every handler that changes a store does: commit a command, notify the clients, respond with a receipt."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from endpoints.http.responses import Headers, answer, replay_headers
from endpoints.http.state import AnyState
from repositories.journal.command import Command
from repositories.journal.transaction import Outcome


async def commit(request: Request[AnyState], command: Command) -> Outcome:
    """Commit a command of a store through its journal, and notify the clients.

    :raises ShopError: the command was refused, or its outcome is unknown; see `Journal.submit`.
    """
    outcome = await request.state.journal.submit(command)
    request.state.hub.notify(outcome.events)
    return outcome


def receipt(
    outcome: Outcome,
    message: str,
    data: Mapping[str, Any] | None = None,
    *ids: str,
    status: int = 200,
    headers: Headers | None = None,
) -> Response:
    """Return the response to a change.

    :param data: the changed document, if the response contains it.
    :param ids: members of `data` that the existing app also reads beside it.
    """
    content: dict[str, Any] = {"success": True, "message": message}
    if data is not None:
        content |= {"data": data, **{name: data[name] for name in ids}}
    return answer(content, status, {**replay_headers(outcome.replayed), **(headers or {})})
