"""The shop's own exceptions for what the database says, and the one place where the driver's are translated."""

import asyncio
import math
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ClassVar, Final, NoReturn

from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from schemas.core.errors import ShopError
from schemas.fields.shapes import TEXT_OR_NULL

RETRY_AFTER = {"Retry-After": "2"}
READ_SECONDS: Final = 4.5
DUPLICATE_KEY: Final = 11_000
_BAD_VALUE: Final = 2
#: MaxTimeMSExpired, CursorKilled, ExceededTimeLimit; Interrupted, at shutdown, by a change of the primary.
_INTERRUPTED: Final = frozenset({50, 237, 262, 11_600, 11_601, 11_602})


class NotFound(ShopError):
    status, code, title = 404, "not_found", "Not found"


class NoSuchStore(ShopError):
    status, code, title = 404, "no_such_store", "No such store"


class AlreadyConverted(ShopError):
    """order_id, sale_number: of the order that the estimate became."""

    status, code, title = 400, "already_converted", "The estimate is already an order"
    extra: ClassVar[Mapping[str, Any]] = {"order_id": TEXT_OR_NULL, "sale_number": TEXT_OR_NULL}


class StaleVersion(ShopError):
    status, code, title = 412, "stale_version", "Changed in the meantime"
    extra: ClassVar[Mapping[str, Any]] = {"version": {"type": "integer", "minimum": 1}}


class SumsFull(ShopError):
    """A sum of 64 bits cannot hold what a bill adds to it."""

    status, code, title = 422, "sums_full", "The sums cannot hold this bill"

    def __init__(self) -> None:
        super().__init__(
            "This was not saved: it would make the sums of the day, the month or the year, of its seller or of its "
            "customer, larger than can be kept. Please check its amounts, and those booked before."
        )


class Unavailable(ShopError):
    """The database is away, or did not commit in time. Nothing was guessed: asking again is safe."""

    status, code, title = 503, "database_unavailable", "The database is not available"

    def __init__(self, detail: str = "The shop's database does not answer just now. Please try again.") -> None:
        super().__init__(detail, headers=RETRY_AFTER)


class TooManyRequests(ShopError):
    """Asked too often. seconds: after which to ask again."""

    status, code, title = 429, "too_many_requests", "Too many requests"

    def __init__(self, seconds: float, detail: str = "That was too often. Please wait a little and try again.") -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


class BeingRestored(Unavailable):
    """The store is filled from an archive, or that was begun and not finished."""

    code, title = "being_restored", "The shop is being restored"

    def __init__(self) -> None:
        super().__init__("The books of this shop are being restored just now. Please try again later.")


class Emptied(Unavailable):
    """The store has no counters any more."""

    def __init__(self) -> None:
        super().__init__("This shop's database was emptied while the service ran. Please restart the service.")


class OutcomeUnknown(Unavailable):
    """The deadline passed while the commit was under way: it may or may not have happened."""

    code, title = "outcome_unknown", "Not known yet whether it was saved"

    def __init__(self) -> None:
        super().__init__("It is not known yet whether this was saved. Please send the very same request again.")


class DatabaseRefused(RuntimeError):
    """The database cannot carry this service; the message is a sentence that says how to mend it."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turns whatever the driver raises inside into `Unavailable`, keeping the cause for the log."""
    try:
        yield
    except PyMongoError as error:
        raise_unavailable(error)


@asynccontextmanager
async def read_deadline(seconds: float = READ_SECONDS) -> AsyncIterator[None]:
    """As `translate_errors`, and for so long only: a database that was stopped, or a line that swallows everything,
    says
    nothing at all, and whoever asks must hear that within the patience of a till."""
    try:
        async with asyncio.timeout(seconds):
            with translate_errors():
                yield
    except TimeoutError as error:
        raise Unavailable from error


def safe_error_text(error: BaseException) -> str:
    """What may be logged of an exception: what it is, and no value that it quotes, since that may be a customer's."""
    name = type(error).__qualname__
    if isinstance(error, ConnectionFailure):
        return f"{name}: {first_clause(error)}"
    if isinstance(error, OperationFailure):
        return f"{name}: code {error.code} {(error.details or {}).get('codeName', '')}".rstrip()
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return name


def first_clause(error: Exception) -> str:
    """Of a driver's message, which otherwise runs to its timeouts and a description of the whole topology, or quotes
    documents."""
    return re.split(r" \(configured timeouts|, Timeout:|, full error:", str(error))[0]


def is_duplicate(error: OperationFailure) -> bool:
    """Whether what was to be written, or some of it, stands there already."""
    return DUPLICATE_KEY in _codes(error)


def is_overflow(error: OperationFailure) -> bool:
    """Return whether a sum was to grow beyond 64 bits, which is the one value that a group's writes can have wrong."""
    return _BAD_VALUE in _codes(error)


def _codes(error: OperationFailure) -> set[int]:
    details = error.details or {}
    return {each["code"] for each in (details, *details.get("writeErrors", ())) if "code" in each}


def was_interrupted(error: PyMongoError) -> bool:
    """Return whether the database ended an operation for reasons of its own: it was killed, or its time was up."""
    return isinstance(error, OperationFailure) and error.code in _INTERRUPTED


def raise_unavailable(error: PyMongoError) -> NoReturn:
    raise Unavailable from error
