"""`POST /api/ws-ticket`: a way in for a browser, which can give a WebSocket or an event stream no header of its own.

What is in an address ends up in histories and in the logs of whatever stands before the service, so no token that
lasts is ever taken from there; a ticket is used up by then.
"""

from typing import Final

from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import Response

from endpoints.accounts.authentication import Authenticator
from endpoints.http.operations import Operation, ResponseSpec, operation
from endpoints.http.responses import answer
from endpoints.http.state import ShopState
from repositories.accounts.credentials import TICKET_LIFETIME
from schemas.fields.shapes import ref

_SECONDS: Final = int(TICKET_LIFETIME.total_seconds())


class TicketState(ShopState):
    authenticator: Authenticator


class Tickets(HTTPEndpoint):
    @operation(
        Operation(
            summary="A ticket to one connection to `/ws` or `/api/events/stream`",
            description="It goes there as `?ticket=`, once, within `expires_in` seconds, and stands for the sign-in "
            "that asked for it and for the store that it asked for: when that ends, so does the connection.",
            answers={200: ResponseSpec(content=ref("Ticket"), description="The ticket.")},
        )
    )
    async def post(self, request: Request[TicketState]) -> Response:
        ticket = await request.state.authenticator.ticket(request.state.principal, request.state.store)
        return answer({"ticket": ticket, "expires_in": _SECONDS})
