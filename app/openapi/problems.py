"""The errors in `/openapi.json`: a problem document for each class of error."""

from collections.abc import Iterable
from inspect import cleandoc
from typing import Any, Final

from app.middleware.errors import InternalError, MethodNotAllowed, RouteNotFound
from app.problem_details import PROBLEM_JSON
from app.server.early_refusals import HeadersTooLarge, InvalidHttp, RequestTimeout, TooManyConnections
from endpoints.http.operations import ErrorTypes, Operation
from endpoints.transfer.concurrency_limits import Busy
from schemas.core.errors import ShopError
from schemas.fields.shapes import ref

Json = dict[str, Any]

#: The errors that any request can get.
_ANYWHERE: Final[ErrorTypes] = (
    InvalidHttp,
    RequestTimeout,
    HeadersTooLarge,
    InternalError,
    TooManyConnections,
    Busy,
)
#: The headers of every response.
_EVERYWHERE: Final = ("X-Request-ID", "Cache-Control")
_HEADERS_OF_ERRORS: Final = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
PROBLEM: Final[Json] = {
    "type": "object",
    "description": "RFC 9457. An error, from any layer; `code` is stable, `detail` is for people.",
    "properties": {
        "type": {"type": "string", "format": "uri", "pattern": "^urn:pos:problem:[a-z_]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "minLength": 1},
        "code": {"type": "string"},
        "instance": {"type": "string", "description": "The request id."},
    },
    "required": ["type", "title", "status", "detail", "code", "instance"],
}


def all_errors(described: Iterable[Operation]) -> list[type[ShopError]]:
    """Return all errors of the operations, and those that any request can get, by status and code."""
    declared = {error for operation in described for error in operation.errors}
    return sorted({*declared, *_ANYWHERE, RouteNotFound, MethodNotAllowed}, key=lambda each: (each.status, each.code))


def problem_name(error: type[ShopError]) -> str:
    """Return the name of an error's schema among the components."""
    return f"Problem-{error.code}"


def problem_shape(error: type[ShopError]) -> Json:
    """Return the schema of an error: a Problem with a fixed status, code and title, and its own members."""
    fixed = {"status": {"const": error.status}, "code": {"const": error.code}, "title": {"const": error.title}}
    return {
        "type": "object",
        "description": cleandoc(error.__doc__ or error.title),
        "allOf": [ref("Problem")],
        "properties": {**fixed, **error.extra},
        "required": list(error.extra),
        "unevaluatedProperties": False,
    }


def errors_of(path: str, operation: Operation) -> Json:
    """Return the errors of an operation by status and, below it, by code."""
    unrouted = (RouteNotFound,) if "{" in path and RouteNotFound.status not in operation.responses else ()
    by_status: dict[int, list[type[ShopError]]] = {}
    # If an operation has its own error of a status, the errors that come before the request are not shown.
    anywhere = [error for error in _ANYWHERE if error.status not in operation.responses]
    for error in (*operation.errors, *unrouted, *anywhere):
        by_status.setdefault(error.status, []).append(error)
    return {str(status): error_response(tuple(classes)) for status, classes in sorted(by_status.items())}


def error_response(classes: ErrorTypes) -> Json:
    """Return the response of one status, which is any of these errors."""
    schemas = [ref(problem_name(error)) for error in classes]
    return {
        "description": "; ".join(f"`{error.code}`: {error.title}" for error in classes),
        "headers": headers_named(*_HEADERS_OF_ERRORS.get(classes[0].status, ())),
        "content": {PROBLEM_JSON: {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}},
    }


def headers_named(*names: str) -> Json:
    """Return the headers of a response: those of every response, and these."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (*_EVERYWHERE, *names)}
