"""Cursors and limits of lists."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from marshmallow import ValidationError

from schemas.core.errors import ShopError

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500


class Encodable(Protocol):
    """A place in a list, which a cursor stands for."""

    def encode(self) -> str: ...


P = TypeVar("P", bound=Encodable)


class InvalidCursor(ShopError):
    status, code, title = 400, "invalid_cursor", "The cursor is wrong"


_NOT_OURS: Final = "This cursor is not one that the service gave out."


def encode_cursor(*parts: object) -> str:
    """A place in a list, as an opaque, URL-safe text; of its parts, none has a point in it."""
    return base64.urlsafe_b64encode(".".join(map(str, parts)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, place: Callable[[list[str]], P]) -> P:
    """The place that a cursor stands for.

    :param place: makes it of the parts; raises ValueError, OverflowError or OSError where they are none.
    :raises InvalidCursor: the text is none of ours.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = place(raw.decode("ascii").split("."))
        written = found.encode()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidCursor(_NOT_OURS) from error
    # `int` reads what nobody wrote, as `1_000`.
    if written != cursor:
        raise InvalidCursor(_NOT_OURS)
    return found


def check_date_order(data: Mapping[str, Any], end_field: str) -> None:
    """:raises ValidationError: the last day lies before the first."""
    start, end = data.get("start"), data.get("end")
    if start and end and end < start:
        raise ValidationError("must not be before the first day", end_field)
