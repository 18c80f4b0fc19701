"""`/openapi.json`: the OpenAPI 3.1 description of the API, generated from the declarations of the handlers.

The route table names the handlers. Their declarations (`endpoints/http/operations.py`) name the schemas of requests
and the classes of errors. The fields of the schemas define the values. So nothing is written twice.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

import orjson
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from starlette.routing import BaseRoute

from app import SERVICE, __version__
from app.middleware.errors import MethodNotAllowed
from app.middleware.host_guard import PROBES, ForeignOrigin, LoopbackOnly, WrongHost
from app.middleware.setup_gate import BEFORE_SETUP, NotSetUp
from app.openapi.parameters import PATH_PARAMETERS, REQUEST_HEADERS, RESPONSE_HEADERS
from app.openapi.problems import (
    PROBLEM,
    all_errors,
    error_response,
    errors_of,
    headers_named,
    problem_name,
    problem_shape,
)
from endpoints.accounts.guard import GuardedRoute
from endpoints.accounts.permissions import ANYONE
from endpoints.http.errors import Forbidden, NotSignedIn, RepeatedAuthorization, SignInExpired
from endpoints.http.operations import ErrorTypes, Operation, ResponseSpec
from endpoints.transfer.compressible import CompressibleBody
from repositories.database.errors import NoSuchStore, TooManyRequests, Unavailable
from schemas.core.errors import InvalidQuery, ShopError
from schemas.openapi.components import DOCUMENTS, RESPONSES
from schemas.openapi.field_schemas import field_schema, parameter_schema
from schemas.sales.serializers import RARE_FIELDS

Json = dict[str, Any]

METHODS: Final = ("get", "post", "put", "delete", "patch")
#: The additional errors of a route with a guard, and the header that names a store.
_AT_THE_GUARD: Final[ErrorTypes] = (
    *(RepeatedAuthorization, NotSignedIn, SignInExpired, Forbidden),
    *(NoSuchStore, TooManyRequests, Unavailable),
)
_STORE: Final = "X-Store"
_CREDENTIAL: Final = "credential"
_TAGS: Final = {
    "estimates": "Quotes, until they become orders.",
    "orders": "Sales, and the lists of estimates and orders together.",
    "reports": "Revenue and counts, read from rollups.",
    "audit": "Who did what; for owners.",
    "events": "Every change, in order; the same as on `/ws`.",
    "auth": "Sign-in and sign-out.",
    "users": "People who may sign in, for owners.",
    "devices": "Tablets and tills with a key of their own, for owners.",
    "messages": "Messages to customers, and their states.",
    "links": "Links by which customers see a document.",
    "service": "Status and description of the service.",
}
_ABOUT: Final = """\
Money is a number with a decimal point, times are ISO 8601 with the shop's offset, document numbers are `#001`, `#002`,
… and are found as `%23001`, `001` or `1`. Each address that supports GET supports HEAD.
[/asyncapi.json](/asyncapi.json) describes the live updates over the WebSocket `/ws`.

Every error, from every layer, is `application/problem+json` (RFC 9457) with a sentence in `detail`:

| status | code | |
| --- | --- | --- |
"""


class Description:
    """The OpenAPI document, generated on first use."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._routes = routes

    @cached_property
    def content(self) -> bytes:
        return orjson.dumps(document(self._routes))

    @cached_property
    def file(self) -> CompressibleBody:
        return CompressibleBody(self.content)

    @cached_property
    def etag(self) -> str:
        # A weak tag, since the response may be compressed.
        return f'W/"{blake2b(self.content, digest_size=12).hexdigest()}"'


def operations(routes: Iterable[BaseRoute]) -> Iterator[tuple[GuardedRoute, str, Operation]]:
    """Yield each path and method of the routes with its declaration."""
    for route in routes:
        if isinstance(route, GuardedRoute):
            for method in METHODS:
                handler = getattr(route.endpoint, method, None)
                if handler is not None:
                    yield route, method, _guarded(route, method, handler.operation)


def _is_public(route: GuardedRoute, method: str) -> bool:
    return route.roles[method.upper()] is ANYONE


def _guarded(route: GuardedRoute, method: str, operation: Operation) -> Operation:
    """Return an operation with the parameters and errors of its guard and of the middleware."""
    operation = replace(operation, errors=(*operation.errors, *_errors_before(route, method)))
    if _is_public(route, method):
        return operation
    errors = dict.fromkeys((*operation.errors, *_AT_THE_GUARD))
    return replace(operation, errors=tuple(errors), headers=(*operation.headers, _STORE))


def _errors_before(route: GuardedRoute, method: str) -> ErrorTypes:
    """Return the errors that a request can get before it reaches its handler."""
    return (
        LoopbackOnly,
        *(() if route.path in PROBES else (WrongHost,)),
        *(() if method == "get" else (ForeignOrigin,)),
        *(() if route.path in BEFORE_SETUP else (NotSetUp,)),
        *((InvalidQuery,) if method == "post" and not route.takes_any_query else ()),
    )


def document(routes: Sequence[BaseRoute]) -> Json:
    described = list(operations(routes))
    classes = all_errors(operation for _, _, operation in described)
    plugin = MarshmallowPlugin()
    spec = APISpec(
        title=SERVICE,
        version=__version__,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={
            "description": _ABOUT + "".join(f"| {each.status} | `{each.code}` | {each.title} |\n" for each in classes)
        },
        # Relative, since the reader of the document has already reached the service.
        servers=[{"url": "/", "description": "This service"}],
        tags=[{"name": name, "description": text} for name, text in _TAGS.items()],
    )
    assert plugin.converter is not None  # noqa: S101  (for the type checker: the document has just made it)
    plugin.converter.add_attribute_function(field_schema)  # type: ignore[no-untyped-call]
    plugin.converter.add_parameter_attribute_function(parameter_schema)
    _add_schemas(spec, classes)
    for name, header in REQUEST_HEADERS.items():
        spec.components.parameter(name, "header", {"schema": {"type": "string"}, **header})
    for name, header in RESPONSE_HEADERS.items():
        spec.components.header(name, {"schema": {"type": "string"}, **header})
    spec.components.security_scheme(
        _CREDENTIAL,
        {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token or a device's key; also taken as the password of Basic. "
            "Not needed where the service is open to its own machine only.",
        },
    )
    # A described method never gets a 405, so the response is listed here only.
    spec.components.response(MethodNotAllowed.code, error_response((MethodNotAllowed,)))
    for route, method, operation in described:
        spec.path(route.path, operations={method: _shown(route, method, operation, described)})
    return spec.to_dict()


def _add_schemas(spec: APISpec, classes: Iterable[type[ShopError]]) -> None:
    for name, schema in DOCUMENTS.items():
        spec.components.schema(name, schema=schema)
    for shown in spec.components.schemas.values():
        shown["required"] = [name for name in shown["properties"] if name not in RARE_FIELDS]
    for name, shape in RESPONSES.items():
        spec.components.schema(name, shape)
    spec.components.schema("Problem", PROBLEM)
    for error in classes:
        spec.components.schema(problem_name(error), problem_shape(error))


def _shown(
    route: GuardedRoute, method: str, operation: Operation, described: Sequence[tuple[GuardedRoute, str, Operation]]
) -> Json:
    shown: Json = {
        "operationId": _operation_id(route.path, method),
        "tags": [_tag(route.path)],
        "summary": operation.summary,
        "description": operation.description,
        "security": [] if _is_public(route, method) else [{_CREDENTIAL: []}, {}],
        "parameters": _parameters(route.path, operation),
        "responses": {
            **{str(status): _answered(response, described) for status, response in operation.responses.items()},
            **errors_of(route.path, operation),
        },
    }
    if operation.body is not None:
        examples = {title: {"value": body} for title, body in operation.examples.items()}
        # If the body is optional, null is allowed too.
        schema = {"anyOf": [operation.body, {"type": "null"}]} if operation.optional else operation.body
        shown["requestBody"] = {
            "required": not operation.optional,
            "content": {operation.media: {"schema": schema, "examples": examples}},
        }
    return shown


def _operation_id(path: str, method: str) -> str:
    words = path.replace("{", "").replace("}", "").replace(".", "/").split("/")
    return "-".join([method, *(word for word in words if word)])


def _tag(path: str) -> str:
    names = [name for name in path.split("/") if name in _TAGS]
    return names[0] if names else "service"


def _parameters(path: str, operation: Operation) -> list[Any]:
    names = re.findall(r"{(\w+)}", path)
    in_path: list[Any] = (
        [
            {"in": "path", "name": name, "schema": {"type": "string", "minLength": 1}, **PATH_PARAMETERS[name]}
            for name in names
        ]
        if operation.path is None
        else [{"in": "path", "schema": operation.path}]
    )
    in_query = [] if operation.query is None else [{"in": "query", "schema": operation.query}]
    return [*in_path, *in_query, *operation.headers, "X-Request-ID"]


def _answered(response: ResponseSpec, described: Sequence[tuple[GuardedRoute, str, Operation]]) -> Json:
    shown: Json = {"description": response.description, "headers": headers_named(*response.headers)}
    if response.content is not None:
        shown["content"] = {response.media: {"schema": response.content}}
    links = {
        _operation_id(route.path, method): {
            "operationId": _operation_id(route.path, method),
            "parameters": {name: f"$response.body#/{name}"},
        }
        for name in response.ids
        for route, method, _ in described
        if f"{{{name}}}" in route.path
    }
    return {**shown, "links": links} if links else shown
