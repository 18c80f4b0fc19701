"""The actor of a request, which is stored with each change."""

from typing import Any

from starlette.requests import HTTPConnection

from endpoints.http.request_id import request_id
from endpoints.http.state import AnyState
from schemas.core.principals import Actor


def actor_of(connection: HTTPConnection[AnyState]) -> Actor:
    """Return the authenticated actor, with the client address and the request id."""
    return Actor.of(connection.state.principal, address_of(connection), request_id.get())


def address_of(connection: HTTPConnection[Any]) -> str | None:
    return connection.client.host if connection.client else None
