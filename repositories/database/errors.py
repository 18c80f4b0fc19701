"""The service's errors of the database, and the one place that translates the driver's errors into them."""

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
#: MaxTimeMSExpired, CursorKilled, ExceededTimeLimit; InterruptedAtShutdown, Interrupted, by a change of the primary.
_INTERRUPTED: Final = frozenset({50, 237, 262, 11_600, 11_601, 11_602})


class NotFound(ShopError):
    status, code, title = 404, "not_found", "Not found"


class NoSuchStore(ShopError):
    status, code, title = 404, "no_such_store", "No such store"


class AlreadyConverted(ShopError):
    """The estimate is converted already. `extra` names the order that the estimate became."""

    status, code, title = 400, "already_converted", "The estimate is already an order"
    extra: ClassVar[Mapping[str, Any]] = {"order_id": TEXT_OR_NULL, "sale_number": TEXT_OR_NULL}


class StaleVersion(ShopError):
    status, code, title = 412, "stale_version", "Changed in the meantime"
    extra: ClassVar[Mapping[str, Any]] = {"version": {"type": "integer", "minimum": 1}}


class SumsFull(ShopError):
    """A 64-bit sum would overflow with this bill."""

    status, code, title = 422, "sums_full", "The sums cannot hold this bill"

    def __init__(self) -> None:
        super().__init__(
            "This was not saved: it would make the sums of the day, the month or the year, of its seller or of its "
            "customer, larger than can be kept. Please check its amounts, and those booked before."
        )


class Unavailable(ShopError):
    """The database is away or too slow. Nothing was saved, except perhaps with `OutcomeUnknown`."""

    status, code, title = 503, "database_unavailable", "The database is not available"

    def __init__(self, detail: str = "The shop's database does not answer just now. Please try again.") -> None:
        super().__init__(detail, headers=RETRY_AFTER)


class TooManyRequests(ShopError):
    """The client sent too many requests.

    :param seconds: the time after which the client may try again.
    """

    status, code, title = 429, "too_many_requests", "Too many requests"

    def __init__(self, seconds: float, detail: str = "That was too often. Please wait a little and try again.") -> None:
        super().__init__(detail, headers={"Retry-After": str(max(1, math.ceil(seconds)))})


class BeingRestored(Unavailable):
    """An archive is being restored into the store, or a restore did not finish."""

    code, title = "being_restored", "The shop is being restored"

    def __init__(self) -> None:
        super().__init__("The books of this shop are being restored just now. Please try again later.")


class Emptied(Unavailable):
    """The store's counters are gone."""

    def __init__(self) -> None:
        super().__init__("This shop's database was emptied while the service ran. Please restart the service.")


class OutcomeUnknown(Unavailable):
    """The deadline passed during the commit: the command may be saved or not."""

    code, title = "outcome_unknown", "Not known yet whether it was saved"

    def __init__(self) -> None:
        super().__init__("It is not known yet whether this was saved. Please send the very same request again.")


class DatabaseRefused(RuntimeError):
    """The service cannot use this database. The message says what to do."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise `Unavailable` for each of the driver's errors in the block. The cause is kept for the log."""
    try:
        yield
    except PyMongoError as error:
        raise_unavailable(error)


@asynccontextmanager
async def read_deadline(seconds: float = READ_SECONDS) -> AsyncIterator[None]:
    """Translate errors as `translate_errors` does, and raise `Unavailable` after a time limit.

    A stopped database, or a network that drops all packets, never answers, and the till must get an error in time.
    """
    try:
        async with asyncio.timeout(seconds):
            with translate_errors():
                yield
    except TimeoutError as error:
        raise Unavailable from error


def safe_error_text(error: BaseException) -> str:
    """Return an exception's type and code for the log, without values that it quotes: they may be a customer's."""
    name = type(error).__qualname__
    if isinstance(error, ConnectionFailure):
        return f"{name}: {first_clause(error)}"
    if isinstance(error, OperationFailure):
        return f"{name}: code {error.code} {(error.details or {}).get('codeName', '')}".rstrip()
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return name


def first_clause(error: Exception) -> str:
    """Return the start of a driver's message. The rest lists timeouts and the whole topology, or quotes documents."""
    return re.split(r" \(configured timeouts|, Timeout:|, full error:", str(error))[0]


def is_duplicate(error: OperationFailure) -> bool:
    """Return whether a unique index rejected a write."""
    return DUPLICATE_KEY in _codes(error)


def is_overflow(error: OperationFailure) -> bool:
    """Return whether a sum would exceed 64 bits: no other value of a group's writes can be invalid."""
    return _BAD_VALUE in _codes(error)


def _codes(error: OperationFailure) -> set[int]:
    details = error.details or {}
    return {each["code"] for each in (details, *details.get("writeErrors", ())) if "code" in each}


def was_interrupted(error: PyMongoError) -> bool:
    """Return whether the database itself ended an operation: it was killed, or exceeded its time limit."""
    return isinstance(error, OperationFailure) and error.code in _INTERRUPTED


def raise_unavailable(error: PyMongoError) -> NoReturn:
    raise Unavailable from error
