"""`POST /api/ws-ticket`: a ticket for browsers, which cannot send headers with a WebSocket or an event stream.

URLs are stored in histories and in the logs of proxies, so no long-lived token is accepted there; a ticket is valid
once.
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
            description="Send it there as `?ticket=`, once, within `expires_in` seconds. It represents the sign-in "
            "that asked for it and for the store that it asked for: when that ends, so does the connection.",
            responses={200: ResponseSpec(content=ref("Ticket"), description="The ticket.")},
        )
    )
    async def post(self, request: Request[TicketState]) -> Response:
        ticket = await request.state.authenticator.ticket(request.state.principal, request.state.store)
        return answer({"ticket": ticket, "expires_in": _SECONDS})
