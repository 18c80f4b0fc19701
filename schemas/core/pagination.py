"""Cursors and limits of lists."""

import base64
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import astuple, dataclass, fields
from typing import Any, Final, Self

from marshmallow import ValidationError

from schemas.core.errors import ShopError

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500


class InvalidCursor(ShopError):
    status, code, title = 400, "invalid_cursor", "The cursor is wrong"

    def __init__(self) -> None:
        super().__init__("This cursor is not one that the service gave out.")


@dataclass(frozen=True, slots=True)
class Cursor(ABC):
    """A position in a list, which clients receive as an opaque, URL-safe text.

    The fields of a subclass are integers, and texts without a dot.
    """

    def encode(self) -> str:
        return base64.urlsafe_b64encode(".".join(map(str, astuple(self))).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Self:
        """Return the position that a client's text stands for.

        :raises InvalidCursor: the service did not give out this text.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            parts: Any = zip(fields(cls), raw.decode("ascii").split("."), strict=True)
            position = cls(*(field.type(part) for field, part in parts))
            # `int` also reads other spellings, such as `1_000`.
            is_ours = position.is_valid() and position.encode() == text
        except (ValueError, OverflowError, OSError) as error:
            raise InvalidCursor from error
        if not is_ours:
            raise InvalidCursor
        return position

    @abstractmethod
    def is_valid(self) -> bool:
        """Return whether the service could have given out this position.

        :raises ValueError, OverflowError, OSError: an instant is outside the calendar.
        """


def check_date_order(data: Mapping[str, Any], end_field: str) -> None:
    """Raise ValidationError if the last day of a range is before its first."""
    start, end = data.get("start"), data.get("end")
    if start and end and end < start:
        raise ValidationError("must not be before the first day", end_field)
