"""The OpenAPI declaration of a handler.

A decorator names the schemas that the handler uses. `app/openapi/document.py` builds the OpenAPI document from the
route table; requests do not use the declarations.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from marshmallow import Schema

from endpoints.http.errors import NotSignedIn, SignInExpired
from endpoints.http.requests import BodyTooLarge, MalformedBody
from endpoints.http.responses import JSON
from repositories.accounts.password_hashing import NoSecretKey
from repositories.database.errors import (
    BeingRestored,
    NotFound,
    OutcomeUnknown,
    StaleVersion,
    SumsFull,
    TooManyRequests,
    Unavailable,
)
from schemas.core.errors import InvalidBody, InvalidQuery, ShopError, TotalsMismatch
from schemas.core.pagination import InvalidCursor
from schemas.fields.shapes import ref
from schemas.journal.idempotency import InvalidKey, KeyReused, RepeatedKey

Json = dict[str, Any]
ErrorTypes = tuple[type[ShopError], ...]

F = TypeVar("F", bound=Callable[..., Any])

_TAGGED: Final = ("ETag", "X-Stream-Position")
_PAGED: Final = ("Link", "X-Next-Cursor")
#: Errors of a body before its fields are validated.
_BODY: Final[ErrorTypes] = (MalformedBody, BodyTooLarge, InvalidBody)
#: During a restore, a store rejects lists, reports and changes.
_AWAY: Final[ErrorTypes] = (Unavailable, BeingRestored)
_WRITING: Final[ErrorTypes] = (OutcomeUnknown, *_AWAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSpec:
    """A response of a handler.

    :ivar content: JSON Schema of the body; None without a body.
    :ivar headers: names of its own headers.
    :ivar media: media type of the body.
    :ivar ids: members with the id of a document, named as the path parameters that accept it.
    """

    content: Json | None
    description: str
    headers: tuple[str, ...] = ()
    media: str = JSON
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The requests, responses and errors of a handler.

    :ivar path: schema of the path parameters; `query` and `body` likewise.
    :ivar headers: names of the request headers that it reads.
    :ivar examples: request bodies by title.
    :ivar optional: whether the body may be missing.
    :ivar errors: the classes of its errors.
    :ivar media: media type of the request body.
    """

    summary: str
    responses: Mapping[int, ResponseSpec]
    description: str = ""
    path: Schema | None = None
    query: Schema | None = None
    body: Schema | None = None
    optional: bool = False
    examples: Mapping[str, Json] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    errors: ErrorTypes = ()
    media: str = JSON


def operation(operation: Operation) -> Callable[[F], F]:
    """Attach an operation to a handler."""

    def attach(handler: F) -> F:
        handler.operation = operation  # type: ignore[attr-defined]
        return handler

    return attach


def simple_op(summary: str, shape: str, description: str = "", *, errors: ErrorTypes = ()) -> Operation:
    return Operation(
        summary=summary,
        description=description,
        responses={200: ResponseSpec(content=ref(shape), description="As it is now.")},
        errors=errors,
    )


def list_op(summary: str, shape: str, query: Schema) -> Operation:
    """Return the operation of a list, whole or in pages."""
    return Operation(
        summary=summary,
        description="The whole list, streamed; with `limit` or `cursor` a page of it. Newest first.",
        query=query,
        headers=("If-None-Match",),
        responses={
            200: ResponseSpec(content=ref(shape), description="The list.", headers=(*_TAGGED, *_PAGED)),
            304: ResponseSpec(content=None, description="Nothing has changed.", headers=_TAGGED),
        },
        errors=(InvalidQuery, InvalidCursor, *_AWAY),
    )


def page_op(
    summary: str, shape: str, query: Schema, description: str, errors: ErrorTypes = (Unavailable,)
) -> Operation:
    """Return the operation of a list that is only read in pages."""
    return Operation(
        summary=summary,
        description=description,
        query=query,
        responses={200: ResponseSpec(content=ref(shape), description="A page.", headers=_PAGED)},
        errors=(InvalidQuery, InvalidCursor, *errors),
    )


def report_op(
    summary: str,
    shape: str,
    *,
    query: Schema | None = None,
    path: Schema | None = None,
    description: str = "",
    is_paged: bool = False,
) -> Operation:
    return Operation(
        summary=summary,
        description=description,
        path=path,
        query=query,
        headers=("If-None-Match",),
        responses={
            200: ResponseSpec(
                content=ref(shape), description="The report.", headers=(*_TAGGED, *(_PAGED if is_paged else ()))
            ),
            304: ResponseSpec(content=None, description="Nothing has changed.", headers=_TAGGED),
        },
        errors=(InvalidQuery, *((InvalidCursor,) if is_paged else ()), *_AWAY),
    )


def read_op(summary: str, shape: str) -> Operation:
    """Return the operation of one document, with its version as the ETag."""
    return Operation(
        summary=summary,
        responses={200: ResponseSpec(content=ref(shape), description="The document.", headers=("ETag",))},
        errors=(NotFound, Unavailable),
    )


def create_op(
    summary: str,
    shape: str,
    body: Schema,
    examples: Mapping[str, Json],
    *,
    ids: tuple[str, ...],
    status: int = 201,
    query: Schema | None = None,
    optional: bool = False,
    errors: ErrorTypes = (TotalsMismatch, SumsFull),
) -> Operation:
    """Return the operation of an idempotent POST."""
    return Operation(
        summary=summary,
        description="Safe to send again: with the same `Idempotency-Key`, or without one the same `created_at` in the "
        "body (with a fraction of a second), it is done once, and answered as the first time.",
        query=query,
        body=body,
        optional=optional,
        examples=examples,
        headers=("Idempotency-Key",),
        responses={
            status: ResponseSpec(
                content=ref(shape), description="Done, now or before.", headers=("Idempotent-Replayed",), ids=ids
            )
        },
        errors=(*_BODY, *errors, RepeatedKey, InvalidKey, KeyReused, *_WRITING),
    )


def update_op(
    summary: str,
    response: ResponseSpec,
    *,
    description: str = "",
    query: Schema | None = None,
    body: Schema | None = None,
    optional: bool = False,
    examples: Mapping[str, Json] | None = None,
    errors: ErrorTypes = (),
    is_keyed: bool = False,
) -> Operation:
    """Return the operation of a change of one document, with `If-Match`.

    :param is_keyed: whether it accepts an Idempotency-Key.
    """
    if is_keyed:
        response = replace(response, headers=(*response.headers, "Idempotent-Replayed"))
    return Operation(
        summary=summary,
        description=description,
        query=query,
        body=body,
        optional=optional,
        examples=examples or {},
        headers=("If-Match", *(("Idempotency-Key",) if is_keyed else ())),
        responses={200: response},
        errors=(
            NotFound,
            StaleVersion,
            *((InvalidQuery,) if query else ()),
            *(_BODY if body else ()),
            *errors,
            *((RepeatedKey, InvalidKey, KeyReused) if is_keyed else ()),
            *_WRITING,
        ),
    )


def sign_in_op(
    summary: str,
    shape: str,
    body: Schema,
    examples: Mapping[str, Json],
    *,
    description: str = "",
    headers: tuple[str, ...] = (),
    errors: ErrorTypes = (),
) -> Operation:
    return Operation(
        summary=summary,
        description=description,
        body=body,
        examples=examples,
        headers=headers,
        responses={200: ResponseSpec(content=ref(shape), description="Signed in.")},
        errors=(*_BODY, NotSignedIn, SignInExpired, NoSecretKey, TooManyRequests, Unavailable, *errors),
    )


def account_op(
    summary: str,
    response: ResponseSpec,
    *,
    status: int = 200,
    body: Schema | None = None,
    examples: Mapping[str, Json] | None = None,
    errors: ErrorTypes = (),
) -> Operation:
    return Operation(
        summary=summary,
        body=body,
        examples=examples or {},
        responses={status: response},
        errors=(*(_BODY if body else ()), *errors, *_WRITING),
    )
