"""What a handler says of itself, for people and machines.

A declaration stands above its handler and names the very schemas that the handler reads with.
`app/openapi/document.py` walks
the route table and makes the API's description of it; on the way of a request nobody looks at it.
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
Refusals = tuple[type[ShopError], ...]

F = TypeVar("F", bound=Callable[..., Any])

_TAGGED: Final = ("ETag", "X-Stream-Position")
_PAGED: Final = ("Link", "X-Next-Cursor")
#: What a body can be refused for before anybody looks at its fields.
_BODY: Final[Refusals] = (MalformedBody, BodyTooLarge, InvalidBody)
#: While a store is filled from an archive, it answers neither lists and reports nor changes.
_AWAY: Final[Refusals] = (Unavailable, BeingRestored)
_WRITING: Final[Refusals] = (OutcomeUnknown, *_AWAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSpec:
    """One way in which a handler answers.

    content: JSON Schema of the body; None where there is none. headers: names of those that it may have beside those of
    every answer. media: the body's type. gives: members that name a document, as the path parameters that take them.
    """

    content: Json | None
    description: str
    headers: tuple[str, ...] = ()
    media: str = JSON
    gives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What a handler takes, answers and refuses.

    path, query, body: the schemas that it reads with. headers: names of the request headers that it looks at.
    examples: bodies that it takes, by title; `optional`: it takes none at all, too. takes: the body's type.
    """

    summary: str
    answers: Mapping[int, ResponseSpec]
    description: str = ""
    path: Schema | None = None
    query: Schema | None = None
    body: Schema | None = None
    optional: bool = False
    examples: Mapping[str, Json] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    refuses: Refusals = ()
    takes: str = JSON


def operation(operation: Operation) -> Callable[[F], F]:
    """Notes on a handler what it does. The handler stays the same function."""

    def note(handler: F) -> F:
        handler.operation = operation  # type: ignore[attr-defined]
        return handler

    return note


def simple_op(summary: str, shape: str, description: str = "", *, refuses: Refusals = ()) -> Operation:
    """An answer that never fails, or for the database's sake only."""
    return Operation(
        summary=summary,
        description=description,
        answers={200: ResponseSpec(content=ref(shape), description="As it is now.")},
        refuses=refuses,
    )


def list_op(summary: str, shape: str, query: Schema) -> Operation:
    """A list: whole, or page by page."""
    return Operation(
        summary=summary,
        description="The whole list, streamed; with `limit` or `cursor` a page of it. Newest first.",
        query=query,
        headers=("If-None-Match",),
        answers={
            200: ResponseSpec(content=ref(shape), description="The list.", headers=(*_TAGGED, *_PAGED)),
            304: ResponseSpec(content=None, description="Nothing has changed.", headers=_TAGGED),
        },
        refuses=(InvalidQuery, InvalidCursor, *_AWAY),
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
    """A report, read from running totals."""
    return Operation(
        summary=summary,
        description=description,
        path=path,
        query=query,
        headers=("If-None-Match",),
        answers={
            200: ResponseSpec(
                content=ref(shape), description="The report.", headers=(*_TAGGED, *(_PAGED if is_paged else ()))
            ),
            304: ResponseSpec(content=None, description="Nothing has changed.", headers=_TAGGED),
        },
        refuses=(InvalidQuery, *((InvalidCursor,) if is_paged else ()), *_AWAY),
    )


def read_op(summary: str, shape: str) -> Operation:
    """One document, with its version as the ETag."""
    return Operation(
        summary=summary,
        answers={200: ResponseSpec(content=ref(shape), description="The document.", headers=("ETag",))},
        refuses=(NotFound, Unavailable),
    )


def create_op(
    summary: str,
    shape: str,
    body: Schema,
    examples: Mapping[str, Json],
    *,
    gives: tuple[str, ...],
    status: int = 201,
    query: Schema | None = None,
    optional: bool = False,
    refuses: Refusals = (TotalsMismatch, SumsFull),
) -> Operation:
    """A POST that is done once, however often it is sent."""
    return Operation(
        summary=summary,
        description="Safe to send again: with the same `Idempotency-Key`, or without one the same `created_at` in the "
        "body (with a fraction of a second), it is done once, and answered as the first time.",
        query=query,
        body=body,
        optional=optional,
        examples=examples,
        headers=("Idempotency-Key",),
        answers={
            status: ResponseSpec(
                content=ref(shape), description="Done, now or before.", headers=("Idempotent-Replayed",), gives=gives
            )
        },
        refuses=(*_BODY, *refuses, RepeatedKey, InvalidKey, KeyReused, *_WRITING),
    )


def update_op(
    summary: str,
    answer: ResponseSpec,
    *,
    description: str = "",
    query: Schema | None = None,
    body: Schema | None = None,
    optional: bool = False,
    examples: Mapping[str, Json] | None = None,
    refuses: Refusals = (),
    is_keyed: bool = False,
) -> Operation:
    """A change of one document, if it is still of the version that the client holds.

    :param is_keyed: whether an Idempotency-Key makes it the same request when it comes again.
    """
    if is_keyed:
        answer = replace(answer, headers=(*answer.headers, "Idempotent-Replayed"))
    return Operation(
        summary=summary,
        description=description,
        query=query,
        body=body,
        optional=optional,
        examples=examples or {},
        headers=("If-Match", *(("Idempotency-Key",) if is_keyed else ())),
        answers={200: answer},
        refuses=(
            NotFound,
            StaleVersion,
            *((InvalidQuery,) if query else ()),
            *(_BODY if body else ()),
            *refuses,
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
    refuses: Refusals = (),
) -> Operation:
    """A way to sign in."""
    return Operation(
        summary=summary,
        description=description,
        body=body,
        examples=examples,
        headers=headers,
        answers={200: ResponseSpec(content=ref(shape), description="Signed in.")},
        refuses=(*_BODY, NotSignedIn, SignInExpired, NoSecretKey, TooManyRequests, Unavailable, *refuses),
    )


def account_op(
    summary: str,
    answer: ResponseSpec,
    *,
    status: int = 200,
    body: Schema | None = None,
    examples: Mapping[str, Json] | None = None,
    refuses: Refusals = (),
) -> Operation:
    """A change of who may sign in."""
    return Operation(
        summary=summary,
        body=body,
        examples=examples or {},
        answers={status: answer},
        refuses=(*(_BODY if body else ()), *refuses, *_WRITING),
    )
