"""Who does what a request asks for, as it is kept with each change."""

from typing import Any

from starlette.requests import HTTPConnection

from endpoints.http.request_id import request_id
from endpoints.http.state import AnyState
from schemas.core.principals import Actor


def actor_of(connection: HTTPConnection[AnyState]) -> Actor:
    """Whoever the guard let through, with the address and the name of the request."""
    return Actor.of(connection.state.principal, address_of(connection), request_id.get())


def address_of(connection: HTTPConnection[Any]) -> str | None:
    """The address that a request came from."""
    return connection.client.host if connection.client else None
