"""marshmallow fields for the edge: strict in, exact inside, the shape that the existing clients read out."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from marshmallow import ValidationError, fields, missing

from schemas import money
from schemas.calendar import shop_time
from schemas.numbers import format_number
from schemas.quick import QuickSchema

MAX_TEXT: Final = 500
MAX_LINE_ID: Final = 100
MAX_LINES: Final = 1_000
MAX_PRICE: Final = 10_000_000
MAX_QUANTITY: Final = 1_000_000
YEARS: Final = range(1970, 3000)
MAX_CLAIM: Final = money.MAX_MONEY // money.MINOR_PER_UNIT
MAX_INTEGER_ID: Final = 2**53

T = TypeVar("T")

CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
#: What makes a text more than nothing: neither a space nor a character that only joins, marks or directs others.
VISIBLE: Final = re.compile(
    r"[^\x00-\x20\x7f-\xa0\xad\u061c\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff9-\ufffb]"
)
FLAGS: Final = {"true": True, "1": True, "false": False, "0": False}


class _Loaded(fields.Field[T]):
    """A field to which null means the same as being left out."""

    def deserialize(
        self, value: Any, attr: str | None = None, data: Mapping[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        return super().deserialize(missing if value is None else value, attr, data, **kwargs)


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValidationError("must be a number")
    return value


class FixedPoint(_Loaded[int]):
    """A JSON number that is held as a whole number of 10^-places.

    :param places: decimals; more than these are refused, or rounded half-up when `round_excess`.
    :param minimum, maximum: bounds in JSON's units; `above_zero` refuses 0 itself.
    """

    def __init__(
        self,
        places: int,
        *,
        maximum: int,
        above_zero: bool = False,
        round_excess: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.places = places
        self.unit: int = 10**places
        self.most = maximum
        self.maximum = maximum * self.unit
        self.minimum = 1 if above_zero else 0
        self.round_excess = round_excess
        self.convert: Callable[[int | float, int], int] = money.rounded if round_excess else money.whole
        floor = "must be more than 0" if above_zero else "must be 0 or more"
        self.bounds = f"{floor} and at most {maximum:,}"

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        number = _number(value)
        # Compared before the conversion, so that 1e308 is a refusal and not a long division.
        if not 0 <= number <= self.most:
            raise ValidationError(self.bounds)
        try:
            fixed = self.convert(number, self.places)
        except money.InexactError:
            raise ValidationError(f"must have at most {self.places} decimals") from None
        if not self.minimum <= fixed <= self.maximum:
            raise ValidationError(self.bounds)
        return fixed

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> float:
        return self.show(value)

    def show(self, value: int | None) -> float:
        return (value or 0) / self.unit


class Money(FixedPoint):
    """Minor units inside, a JSON float outside: 39780 <-> 397.8."""

    def __init__(self, *, maximum: int = money.MAX_MONEY // money.MINOR_PER_UNIT, **kwargs: Any) -> None:
        super().__init__(money.MONEY_PLACES, maximum=maximum, **kwargs)


class Quantity(FixedPoint):
    """Thousandths inside; outside an int where it is whole, since the existing app sends and reads ints."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(money.QUANTITY_PLACES, maximum=MAX_QUANTITY, above_zero=True, **kwargs)

    def show(self, value: int | None) -> float:
        quantity = value or 0
        return quantity // self.unit if quantity % self.unit == 0 else quantity / self.unit


class Percent(FixedPoint):
    """Millionths of a percent inside; 12.5 outside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(money.PERCENT_PLACES, maximum=100, round_excess=True, **kwargs)


class Claimed(_Loaded[Decimal]):
    """A figure that a client computed in floating point: any decimals, exact as written. Load only.

    :param late_rounding: whether it may be a little below zero, as a free bill's total is when it was rounded late.
    """

    def __init__(self, *, late_rounding: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum = -(MAX_LINES + 1) / money.MINOR_PER_UNIT if late_rounding else 0

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Decimal:
        number = _number(value)
        if not self.minimum <= number <= MAX_CLAIM:
            raise ValidationError(f"must be 0 or more and at most {MAX_CLAIM:,}")
        return money.exact(number)


class Text(_Loaded[str]):
    """Text of 1 to 500 characters without control characters, trimmed. `blank` allows none; `lines` allows newlines."""

    def __init__(self, *, blank: bool = False, lines: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.blank = blank
        self.refused = _CONTROL_BUT_LINES if lines else CONTROL

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError("must be text")
        if len(value) > MAX_TEXT:
            raise ValidationError(f"must have at most {MAX_TEXT} characters")
        text = value.strip()
        if not text.isprintable():
            text = self._visible(text)
        if not text and not self.blank:
            raise ValidationError("must not be empty")
        return text

    def _visible(self, text: str) -> str:
        """What is not plainly printable: a newline may be, and so may a joiner between letters, but not alone."""
        if self.refused.search(text):
            raise ValidationError("must not contain control characters")
        return text if VISIBLE.search(text) else ""


class Truth(_Loaded[bool]):
    """JSON true or false, nothing that merely looks like it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError("must be true or false")
        return value


class Flag(_Loaded[bool]):
    """A query parameter that is true or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        flag = FLAGS.get(value.strip().casefold())
        if flag is None:
            raise ValidationError("must be true or false")
        return flag


class LineId(_Loaded[Any]):
    """The client's own id of a cart line: an integer (the app: epoch milliseconds) or a short text."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int | str:
        if isinstance(value, float) and value.is_integer():
            # To JSON Schema, and to many a language, 7.0 is an integer too.
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER_ID:
            return value
        if isinstance(value, str) and 0 < len(value) <= MAX_LINE_ID and not CONTROL.search(value):
            return value
        raise ValidationError("must be an integer, or a text of 1 to 100 characters")


class Lines(_Loaded[Any], fields.List[Any]):
    """1 to 1,000 lines; counted before they are looked at, so that a flood of them costs nothing.

    :param schema: of one line.
    """

    def __init__(self, schema: type[QuickSchema], **kwargs: Any) -> None:
        # Null in place of a line is as much none as a text is.
        null: dict[str, Any] = {"null": schema.error_messages["type"]}
        super().__init__(fields.Nested(schema, error_messages=null), **kwargs)
        self._read = schema().read

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise ValidationError("must be a list of lines")
        if not 1 <= len(value) <= MAX_LINES:
            raise ValidationError(f"must have 1 to {MAX_LINES:,} lines")
        try:
            return [self._read(each) for each in value]
        except ValidationError:
            return super()._deserialize(value, attr, data, **kwargs)


class ShownLines(fields.List[Any]):
    """The lines of a document. Dump only.

    :param schema: of one line.
    """

    def __init__(self, schema: type[QuickSchema], **kwargs: Any) -> None:
        super().__init__(fields.Nested(schema), **kwargs)
        self._dump = schema().dump

    def show(self, value: list[Any]) -> list[Any]:
        return [self._dump(each) for each in value]


class Day(_Loaded[date]):
    """A day as `YYYY-MM-DD`, in the years 1970 to 2999."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> date:
        try:
            # fromisoformat alone would also take 20260131 and 2026-W05-6.
            day = date.fromisoformat(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) else None
        except ValueError:
            day = None
        if day is None or day.year not in YEARS:
            raise ValidationError("must be a date, YYYY-MM-DD")
        return day


class WholeNumber(_Loaded[int]):
    """A query parameter that is a whole number between two bounds, in plain ASCII digits."""

    def __init__(self, minimum: int, maximum: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum, self.maximum = minimum, maximum

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or not self.minimum <= int(value) <= self.maximum:
            raise ValidationError(f"must be a whole number from {self.minimum} to {self.maximum}")
        return int(value)


class OneOf(_Loaded[str]):
    """One of some names, in any case."""

    def __init__(self, names: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.names = {name.casefold(): name for name in names}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        name = self.names.get(value.strip().casefold()) if isinstance(value, str) else None
        if name is None:
            choice = "one of " if len(self.names) > 1 else ""
            raise ValidationError(f"must be {choice}{', '.join(self.names.values())}")
        return name


class PublicId(fields.String):
    """The document's own id. Dump only: several names show it, which `attribute` would not allow."""

    source = "_id"
    show = None

    def get_value(self, obj: Any, attr: str, accessor: Any = None, default: Any = None) -> Any:
        return obj[self.source]


class Number(fields.Field[int]):
    """A document number: 7 -> `#007`. Dump only."""

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return self.show(value)

    @staticmethod
    def show(value: int | None) -> str | None:
        return None if value is None else format_number(value)


class ShopTime(fields.Field[datetime]):
    """A UTC instant in the time zone of the schema that it stands in. Dump only."""

    zone: ZoneInfo

    def _bind_to_schema(self, field_name: str, parent: Any) -> None:
        super()._bind_to_schema(field_name, parent)
        root: Any = self.root
        self.zone = root.zone

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return self.show(value)

    def show(self, value: datetime | None) -> str | None:
        return None if value is None else shop_time(value, self.zone)


class ZonedSchema(QuickSchema):
    """A schema whose times are shown in the shop's zone."""

    def __init__(self, zone: ZoneInfo, **kwargs: Any) -> None:
        self.zone = zone
        super().__init__(**kwargs)
