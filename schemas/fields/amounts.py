"""Fields of amounts: JSON numbers outside, whole numbers of small units inside."""

from collections.abc import Callable, Mapping
from typing import Any

from marshmallow import ValidationError

from schemas.core import money
from schemas.core.limits import MAX_CLAIM, MAX_LINES, MAX_QUANTITY
from schemas.fields.inputs import InputField


def _number(value: Any) -> int | float:
    if type(value) not in (int, float):
        raise ValidationError("must be a number")
    number: int | float = value
    return number


class FixedPoint(InputField[int]):
    """A JSON number that is stored as a whole number of 10^-places.

    :param places: the most decimals.
    :param maximum: in the units of the JSON number.
    :param above_zero: refuse 0.
    :param round_excess: round more decimals half-up, instead of refusing them.
    """

    def __init__(
        self, places: int, *, maximum: int, above_zero: bool = False, round_excess: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.places = places
        self.unit: int = 10**places
        self.most = maximum
        self.maximum = maximum * self.unit
        self.minimum = 1 if above_zero else 0
        self.round_excess = round_excess
        self.convert: Callable[[int | float, int], int] = money.round_to_units if round_excess else money.to_units
        floor = "must be more than 0" if above_zero else "must be 0 or more"
        self.bounds = f"{floor} and at most {maximum:,}"
        step = {} if round_excess else {"multipleOf": 1 / self.unit}
        self.json_schema = {"type": "number", "minimum": self.minimum / self.unit, "maximum": maximum, **step}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        number = _number(value)
        # Compared before the conversion, so that 1e308 is refused without a long division.
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
        return self.dump_value(value)

    def dump_value(self, value: int | None) -> float:
        return (value or 0) / self.unit


class Money(FixedPoint):
    """Minor units inside, a JSON float outside: 39780 <-> 397.8."""

    def __init__(self, *, maximum: int = MAX_CLAIM, **kwargs: Any) -> None:
        super().__init__(money.MONEY_PLACES, maximum=maximum, **kwargs)


class Quantity(FixedPoint):
    """Thousandths inside. Outside, a whole quantity is an int, since the existing app sends and reads ints."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(money.QUANTITY_PLACES, maximum=MAX_QUANTITY, above_zero=True, **kwargs)

    def dump_value(self, value: int | None) -> float:
        quantity = value or 0
        return quantity // self.unit if quantity % self.unit == 0 else quantity / self.unit


class Percent(FixedPoint):
    """Millionths of a percent inside; 12.5 outside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(money.PERCENT_PLACES, maximum=100, round_excess=True, **kwargs)


class ClientFigure(InputField[float]):
    """A figure that a client computed in floating point, with any number of decimals. Load only.

    :param late_rounding: allow a little less than zero: the total of a free bill that the client rounded late.
    """

    def __init__(self, *, maximum: int = MAX_CLAIM, late_rounding: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.maximum = maximum
        self.minimum = -(MAX_LINES + 1) / money.MINOR_PER_UNIT if late_rounding else 0
        self.json_schema = {"type": "number", "minimum": self.minimum, "maximum": maximum}

    def json_default(self, default: Any) -> Any:
        return float(default)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int | float:
        number = _number(value)
        if not self.minimum <= number <= self.maximum:
            raise ValidationError(f"must be 0 or more and at most {self.maximum:,}")
        return number
