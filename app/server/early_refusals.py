"""Errors that are sent as raw bytes, before there is a request. No middleware handles them."""

from http import HTTPStatus
from typing import Final
from uuid import uuid4

from app.problem_details import PROBLEM_JSON, SECURITY_HEADERS, problem_bytes
from schemas.core.errors import ShopError

_SECURITY_LINES: Final = "".join(f"{name}: {value}\r\n" for name, value in SECURITY_HEADERS.items())


class RequestTimeout(ShopError):
    status, code, title = 408, "request_timeout", "The request took too long"


class HeadersTooLarge(ShopError):
    status, code, title = 431, "headers_too_large", "The headers are too large"


class InvalidHttp(ShopError):
    status, code, title = 400, "invalid_http", "Not valid HTTP"


class TooManyConnections(ShopError):
    """The process has no room for another connection, or for another unfinished request."""

    status, code, title = 503, "too_many_connections", "Too many connections"


def refusal_bytes(error: ShopError) -> bytes:
    """Return the whole response for an error, which is the last response on its connection."""
    request_id = uuid4().hex
    content = problem_bytes(error.status, error.code, error.title, error.detail, request_id)
    own = "".join(f"{name.lower()}: {value}\r\n" for name, value in error.headers.items())
    head = (
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\n"
        f"content-type: {PROBLEM_JSON}\r\n"
        f"x-request-id: {request_id}\r\n"
        f"{_SECURITY_LINES}"
        f"{own}"
        f"content-length: {len(content)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("ascii") + content
