"""Exact numbers. Inside the service, money, quantities and percentages are whole numbers of a small unit:

- money: minor units (paise), two decimals;
- quantities: thousandths, three decimals;
- percentages: millionths of a percent, six decimals.

JSON numbers are binary floats. `Decimal(repr(x))` is the shortest decimal that means the same float, which the client
wrote or computed, so exact arithmetic starts from it. No float arithmetic happens on money.
"""

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

MONEY_PLACES: Final = 2
QUANTITY_PLACES: Final = 3
PERCENT_PLACES: Final = 6

MINOR_PER_UNIT: Final = 10**MONEY_PLACES
WHOLE_QUANTITY: Final = 10**QUANTITY_PLACES
HUNDRED_PERCENT: Final = 100 * 10**PERCENT_PLACES

#: The largest amount of a line, in minor units: the highest price times the highest quantity. A float holds it exactly.
MAX_MONEY: Final = 10**15
#: The largest total and payment of a bill, in minor units: nine million of them fit into a sum of 64 bits.
MAX_TOTAL: Final = 10**12

# How far a client's float may be from the whole unit that it means: 0.1 + 0.2 is 0.30000000000000004.
_NOISE: Final = Decimal("0.0001")
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)


class InexactError(ValueError):
    """A number has more decimals than are allowed."""


def to_decimal(value: int | float | Decimal) -> Decimal:
    """Return the shortest decimal that means the same number."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def round_to_units(value: int | float | Decimal, places: int) -> int:
    """Return a number in units of 10^-places, rounded half-up (away from zero)."""
    exact = _exact_units(value, places)
    if exact is not None:
        return exact
    return int(to_decimal(value).scaleb(places, _EXACT).to_integral_value(ROUND_HALF_UP))


def to_units(value: int | float | Decimal, places: int) -> int:
    """Return a number in units of 10^-places, without the noise of a float.

    :raises InexactError: it has more decimals than `places`.
    """
    exact = _exact_units(value, places)
    if exact is not None:
        return exact
    scaled = to_decimal(value).scaleb(places, _EXACT)
    nearest = scaled.to_integral_value(ROUND_HALF_UP)
    if abs(scaled - nearest) > _NOISE:
        raise InexactError(f"at most {places} decimals")
    return int(nearest)


def _exact_units(value: int | float | Decimal, places: int) -> int | None:
    """Return a number in units of 10^-places if it is a whole number of them; None also if only a Decimal can tell."""
    unit: int = 10**places
    if isinstance(value, int):
        return value * unit
    if isinstance(value, float):
        near = round(value * unit)
        # Where the quotient is the same float again, the float means this whole number.
        if near / unit == value:
            return near
    return None


def divide_half_up(numerator: int, denominator: int) -> int:
    """Return the quotient of two non-negative integers, rounded half-up."""
    return (2 * numerator + denominator) // (2 * denominator)


def to_json(minor: int) -> float:
    """Return an amount in minor units as a JSON number, always a float: 39780 -> 397.8."""
    return minor / MINOR_PER_UNIT
