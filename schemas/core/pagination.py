"""Cursors and limits of lists."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from marshmallow import ValidationError

from schemas.core.errors import ShopError

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500


class Encodable(Protocol):
    """A position in a list, which is sent as an opaque text."""

    def encode(self) -> str: ...


P = TypeVar("P", bound=Encodable)


class InvalidCursor(ShopError):
    status, code, title = 400, "invalid_cursor", "The cursor is wrong"


_NOT_OURS: Final = "This cursor is not one that the service gave out."


def encode_cursor(*parts: object) -> str:
    """Return a position in a list as an opaque, URL-safe text.

    :param parts: no part has a point in its text.
    """
    return base64.urlsafe_b64encode(".".join(map(str, parts)).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parse: Callable[[list[str]], P]) -> P:
    """Return the position that a client's cursor stands for.

    :param parse: makes the position of its parts; raises ValueError, OverflowError or OSError where they are invalid.
    :raises InvalidCursor: the service did not give out this text.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        position = parse(raw.decode("ascii").split("."))
        encoded = position.encode()
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidCursor(_NOT_OURS) from error
    # `int` also reads other spellings, such as `1_000`.
    if encoded != cursor:
        raise InvalidCursor(_NOT_OURS)
    return position


def check_date_order(data: Mapping[str, Any], end_field: str) -> None:
    """Reject a range whose last day is before its first.

    :raises ValidationError: it is.
    """
    start, end = data.get("start"), data.get("end")
    if start and end and end < start:
        raise ValidationError("must not be before the first day", end_field)
