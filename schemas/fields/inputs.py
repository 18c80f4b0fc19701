"""Strict fields of request bodies and queries. Amounts: `schemas/fields/amounts.py`."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final, TypeVar

from marshmallow import ValidationError, fields, missing

from schemas.core.limits import MAX_INTEGER_ID, MAX_LINE_ID, MAX_LINES, MAX_LINK_DAYS, MAX_TEXT, YEARS
from schemas.fields.fast_schema import FastSchema

DEFAULT_LINK_DAYS: Final = 30

T = TypeVar("T")

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES: Final = re.compile(r"[\x00-\x09\x0e-\x1f\x7f-\x84\x86-\x9f]")
#: The line ends of Unicode (UAX #14, the classes BK, CR and NL), except the newline.
_LINE_ENDS: Final = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
#: A visible character: neither a space nor a character that only joins, marks or directs others.
VISIBLE: Final = re.compile(
    r"[^\x00-\x20\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb]"
)
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}
# The characters that `str.strip` removes, as a pattern of JSON Schema.
_SPACE: Final = r"[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*"
_DAY: Final = "^(19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}$"


class InputField(fields.Field[T]):
    """A field to which null means the same as being left out."""

    #: What the field takes, for the API's description. Where the field also shows, that may be more than it shows.
    json_schema: Mapping[str, Any] = {}

    def json_default(self, default: Any) -> Any:
        """Return a default as the description shows it."""
        return default

    def deserialize(
        self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        return super().deserialize(missing if value is None else value, attr, data, **kwargs)


class Text(InputField[str]):
    """Text without control characters, trimmed.

    :param blank: allow empty text.
    :param lines: allow newlines; other line ends (CRLF, CR) become newlines.
    """

    def __init__(self, *, blank: bool = False, lines: bool = False, longest: int = MAX_TEXT, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blank = blank
        self.longest = longest
        self.lines = lines
        self.forbidden = _CONTROL_BUT_LINES if lines else CONTROL
        inside = self.forbidden.pattern.replace("[", "[^", 1) + "*"
        text = inside if blank else f"{inside}{VISIBLE.pattern}{inside}"
        # A subclass may have its own.
        self.json_schema = self.json_schema or {
            "type": "string",
            "minLength": 0 if blank else 1,
            "maxLength": longest,
            "pattern": f"^{_SPACE}({text}){_SPACE}$",
        }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if len(value) > self.longest and len(value) - self.lines * value.count("\r\n") > self.longest:
            raise ValidationError(f"must have at most {self.longest} characters")
        text = value.strip()
        if not text.isprintable():
            text = self._visible(normalize_newlines(text) if self.lines else text)
        if not text and not self.blank:
            raise ValidationError("must not be empty")
        return text

    def _visible(self, text: str) -> str:
        """Return a text that has characters which are not printable: allowed newlines, or joiners between letters.

        Text of invisible characters alone becomes empty.

        :raises ValidationError: it has control characters.
        """
        if self.forbidden.search(text):
            raise ValidationError("must not contain control characters")
        return text if VISIBLE.search(text) else ""


def normalize_newlines(text: str) -> str:
    """Return a text with a newline in place of each other line end."""
    return _LINE_ENDS.sub("\n", text)


class StrictBoolean(InputField[bool]):
    """JSON true or false; no other value is converted."""

    json_schema: Mapping[str, Any] = {"type": "boolean"}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class QueryBoolean(InputField[bool]):
    """A query parameter that is true or false."""

    json_schema: Mapping[str, Any] = {"type": "string", "enum": list(FLAGS)}

    def json_default(self, default: Any) -> Any:
        return str(default).lower()

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        flag = FLAGS.get(value.strip().casefold())
        if flag is None:
            raise ValidationError("must be true or false")
        return flag


class LineId(InputField[Any]):
    """The client's own id of a cart line: an integer (the app: epoch milliseconds) or a short text."""

    json_schema: Mapping[str, Any] = {
        "type": ["integer", "string"],
        "minimum": -MAX_INTEGER_ID,
        "maximum": MAX_INTEGER_ID,
        "minLength": 1,
        "maxLength": MAX_LINE_ID,
        "pattern": CONTROL.pattern.replace("[", "^[^", 1) + "*$",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int | str:
        if isinstance(value, float) and value.is_integer():
            # In JSON Schema and in many languages, 7.0 is an integer too.
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER_ID:
            return value
        if isinstance(value, str) and 0 < len(value) <= MAX_LINE_ID and not CONTROL.search(value):
            return value
        raise ValidationError("must be an integer, or a text of 1 to 100 characters")


class LineItems(InputField[Any], fields.List[Any]):
    """1 to 1,000 lines. They are counted before they are read, so that too many of them cost nothing."""

    json_schema: Mapping[str, Any] = {"type": "array", "minItems": 1, "maxItems": MAX_LINES}

    def __init__(self, schema: type[FastSchema], **kwargs: Any) -> None:
        # Null in place of a line gets the same error as a text.
        null: dict[str, Any] = {"null": schema.error_messages["type"]}
        super().__init__(fields.Nested(schema, error_messages=null), **kwargs)
        self._load_line = schema().load_valid

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("must be a list of lines")
        if not 1 <= len(value) <= MAX_LINES:
            raise ValidationError(f"must have 1 to {MAX_LINES:,} lines")
        try:
            return [self._load_line(each) for each in value]
        except ValidationError:
            return super()._deserialize(value, attr, data, **kwargs)


class Day(InputField[date]):
    """A day as `YYYY-MM-DD`, in the years 1970 to 2999."""

    json_schema: Mapping[str, Any] = {"type": "string", "format": "date", "pattern": _DAY}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        try:
            # fromisoformat alone would also take 20260131 and 2026-W05-6.
            day = date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) else None
        except ValueError:
            day = None
        if day is None or day.year not in YEARS:
            raise ValidationError("must be a date, YYYY-MM-DD")
        return day


class WholeNumber(InputField[int]):
    """A query parameter that is a whole number between two bounds, in ASCII digits."""

    def __init__(self, minimum: int, maximum: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum, self.maximum = minimum, maximum
        self.json_schema = {"type": "integer", "minimum": minimum, "maximum": maximum}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or not self.minimum <= int(value) <= self.maximum:
            raise ValidationError(f"must be a whole number from {self.minimum} to {self.maximum}")
        return int(value)


class OneOf(InputField[str]):
    """One of some names, in any case."""

    def __init__(self, names: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = {name.casefold(): name for name in names}
        self.json_schema = {"type": "string", "enum": list(names), "description": "In any case."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name = self.names.get(value.strip().casefold()) if isinstance(value, str) else None
        if name is None:
            choice = "one of " if len(self.names) > 1 else ""
            raise ValidationError(f"must be {choice}{', '.join(self.names.values())}")
        return name


class DayCount(InputField[int]):
    minimum, maximum = 1, MAX_LINK_DAYS

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.minimum <= value <= self.maximum:
            raise ValidationError(f"must be a whole number from {self.minimum} to {self.maximum}")
        return value
