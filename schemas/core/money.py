"""Exact numbers. Inside the house money, quantities and percentages are whole numbers of a small unit:

- money: minor units (paise), two decimals;
- quantities: thousandths, three decimals;
- percentages: millionths of a percent, six decimals.

JSON carries binary floats. `Decimal(repr(x))` is the shortest decimal that means the same float, which is what the
client wrote or computed, so it is where exact arithmetic starts. No float arithmetic happens on money.
"""

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final

MONEY_PLACES: Final = 2
QUANTITY_PLACES: Final = 3
PERCENT_PLACES: Final = 6

MINOR_PER_UNIT: Final = 10**MONEY_PLACES
WHOLE_QUANTITY: Final = 10**QUANTITY_PLACES
HUNDRED_PERCENT: Final = 100 * 10**PERCENT_PLACES

#: The largest amount of a line, in minor units: the highest price and quantity. A float shows it exactly.
MAX_MONEY: Final = 10**15
#: The largest total of a bill, and the most that is paid: nine million of them fit into a sum of 64 bits.
MAX_TOTAL: Final = 10**12

# What a client's float may be away from a whole unit and still mean it: 0.1 + 0.2 is 0.30000000000000004.
_NOISE: Final = Decimal("0.0001")
_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)


class InexactError(ValueError):
    """The number has more decimals than its kind allows."""


def exact(value: int | float | Decimal) -> Decimal:
    """The decimal number that `value` stands for, without binary noise beyond what the float itself holds."""
    return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)


def rounded(value: int | float | Decimal, places: int) -> int:
    """`value` in units of 10^-places, rounded half-up (away from zero)."""
    return int(exact(value).scaleb(places, _EXACT).to_integral_value(ROUND_HALF_UP))


def whole(value: int | float | Decimal, places: int) -> int:
    """`value` in units of 10^-places, which it must be a whole number of, but for a float's noise.

    :raises InexactError: more decimals than `places`.
    """
    # Most numbers need no Decimal: where the quotient gives back the very float, the whole number is what it means.
    unit: int = 10**places
    if isinstance(value, int):
        return value * unit
    if isinstance(value, float):
        near = round(value * unit)
        if near / unit == value:
            return near
    scaled = exact(value).scaleb(places, _EXACT)
    nearest = scaled.to_integral_value(ROUND_HALF_UP)
    if abs(scaled - nearest) > _NOISE:
        raise InexactError(f"at most {places} decimals")
    return int(nearest)


def divide_half_up(numerator: int, denominator: int) -> int:
    """The quotient of two non-negative integers, rounded half-up."""
    return (2 * numerator + denominator) // (2 * denominator)


def to_json(minor: int) -> float:
    """An amount in minor units as the JSON number that shows it: 39780 -> 397.8. Always a float, never an int."""
    return minor / MINOR_PER_UNIT
