"""The exact arithmetic of bills, and the verification of the totals that a client sends.

The existing clients compute in binary floating point and round late, or not at all. So a client's figure is accepted
where rounding explains it: each figure that is not a whole number of minor units may have been rounded down or up, at
any step of the sum; a whole one may not. The server stores its own figure, or a total that was rounded to a whole unit
of currency.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from schemas.core import money
from schemas.core.errors import TotalsMismatch

#: A line's amount before it is divided: minor units x thousandths x millionths of a percent.
_PARTS: Final = money.WHOLE_QUANTITY * money.HUNDRED_PERCENT
#: How far binary noise may move a client's figure from a whole number of minor units, or millionths of a percent.
_NOISE: Final = Decimal("0.001")
#: A percentage with more than three decimals was computed, and may have been rounded to millionths.
_TYPED: Final = 1_000
#: A float this near to a whole number of minor units is rounded to it, whatever its noise.
_SURELY: Final = 0.4


class Line(NamedTuple):
    """One line of a cart.

    :ivar price: minor units.
    :ivar quantity: thousandths.
    :ivar discount: millionths of a percent.
    """

    price: int
    quantity: int
    discount: int

    @property
    def total(self) -> int:
        """Return price x quantity x (1 - discount), rounded half-up to the minor unit."""
        return money.divide_half_up(self._parts, _PARTS)

    @property
    def rounding_range(self) -> "RoundingRange":
        """Return the amounts that rounding can make of the line, and of a percentage that was computed."""
        if self.discount % _TYPED == 0:
            return RoundingRange.around(self._parts, _PARTS)
        half_a_step = self.price * self.quantity
        low, high = 2 * self._parts - half_a_step, 2 * self._parts + half_a_step
        return RoundingRange(low // (2 * _PARTS), -(-high // (2 * _PARTS)))

    @property
    def _parts(self) -> int:
        return self.price * self.quantity * (money.HUNDRED_PERCENT - self.discount)


class RoundingRange(NamedTuple):
    """The whole numbers, `low` to `high`, that rounding can make of a figure; a single one where it is whole."""

    low: int
    high: int

    @classmethod
    def around(cls, numerator: int, denominator: int) -> "RoundingRange":
        """Return the quotient rounded down and up."""
        return cls(numerator // denominator, -(-numerator // denominator))

    @classmethod
    def of(cls, claimed: Decimal, places: int) -> "RoundingRange":
        """Return a client's figure in units of 10^-places, rounded down and up, without the noise of a float."""
        scaled = claimed.scaleb(places)
        nearest = money.round_to_units(claimed, places)
        if abs(scaled - nearest) <= _NOISE:
            return cls(nearest, nearest)
        low = math.floor(scaled)
        return cls(low, low + 1)

    def holds(self, claimed: Decimal) -> bool:
        """Return whether a client's amount, rounded to the minor unit, is in the range."""
        return self.low <= money.round_to_units(claimed, money.MONEY_PLACES) <= self.high


class ClientTotals(NamedTuple):
    """The client's figures, in currency units, unrounded. `discount` is a percentage if `is_percentage`."""

    subtotal: int | float
    discount: int | float
    is_percentage: bool
    total: int | float


class _ExactClaim(NamedTuple):
    """The client's figures in decimals."""

    subtotal: Decimal
    discount: Decimal
    is_percentage: bool
    total: Decimal

    @classmethod
    def of(cls, claim: ClientTotals) -> "_ExactClaim":
        return cls(
            money.to_decimal(claim.subtotal),
            money.to_decimal(claim.discount),
            claim.is_percentage,
            money.to_decimal(claim.total),
        )


class Bill(NamedTuple):
    """The verified figures, in minor units.

    :ivar discount: subtracted from the subtotal.
    :ivar discount_percentage: millionths of a percent; None where the discount is an amount.
    :ivar round_off: added (or, negative, subtracted) to reach a whole unit of currency.
    """

    line_totals: tuple[int, ...]
    subtotal: int
    discount: int
    discount_percentage: int | None
    round_off: int
    total: int


class _Discount(NamedTuple):
    """A discount as `Bill` has it, and the totals that rounding can make with it."""

    amount: int
    percentage: int | None
    totals: RoundingRange


def rounding_tolerance(lines: Sequence[Line], percentage: int | None) -> int:
    """Return by how many minor units late rounding may move the total of these lines from the exact one.

    :param percentage: of the bill's discount; None where it is an amount.
    """
    ranges = (line.rounding_range for line in lines)
    return sum(each.high - each.low for each in ranges) + bool(percentage)


def verify_totals(lines: Sequence[Line], claim: ClientTotals) -> Bill:
    """Return the bill of the lines, if it agrees with the client's figures.

    :raises TotalsMismatch: subtotal or total differ by more than rounding explains; it has the server's figures.
    """
    line_totals = tuple([line.total for line in lines])
    subtotal = sum(line_totals)
    if claim.subtotal == claim.total == money.to_json(subtotal) and not claim.discount and subtotal <= money.MAX_TOTAL:
        # The same floats and no discount, as most bills have: no need for decimals.
        return Bill(line_totals, subtotal, 0, 0 if claim.is_percentage else None, 0, subtotal)
    bill = _equal_bill(line_totals, subtotal, claim)
    if bill is not None:
        return bill
    ranges = [line.rounding_range for line in lines]
    subtotals = RoundingRange(sum(each.low for each in ranges), sum(each.high for each in ranges))
    return _explained_bill(line_totals, subtotal, subtotals, _ExactClaim.of(claim))


def _equal_bill(line_totals: tuple[int, ...], subtotal: int, claim: ClientTotals) -> Bill | None:
    """Return the bill where it equals the client's to the minor unit: as `_explained_bill`, at a third of its cost."""
    percentage = money.round_to_units(claim.discount, money.PERCENT_PLACES) if claim.is_percentage else None
    if percentage is None:
        discount = money.round_to_units(claim.discount, money.MONEY_PLACES)
    else:
        discount = money.divide_half_up(subtotal * percentage, money.HUNDRED_PERCENT)
    total = subtotal - discount
    is_claimed = all(
        abs(claimed * money.MINOR_PER_UNIT - minor) < _SURELY
        for claimed, minor in ((claim.subtotal, subtotal), (claim.total, total))
    )
    is_right = is_claimed and 0 <= total <= money.MAX_TOTAL
    return Bill(line_totals, subtotal, discount, percentage, 0, total) if is_right else None


def _explained_bill(line_totals: tuple[int, ...], subtotal: int, subtotals: RoundingRange, claim: _ExactClaim) -> Bill:
    discount = _discount(subtotal, subtotals, claim)
    exact = subtotal - discount.amount
    if exact < 0:
        raise _mismatch("The discount is more than the subtotal", subtotal, discount.amount, exact)
    if not subtotals.holds(claim.subtotal):
        raise _mismatch("The subtotal does not add up", subtotal, discount.amount, exact)
    round_off = _round_off(claim.total, exact, discount.totals)
    if round_off is None and not discount.totals.holds(claim.total):
        raise _mismatch("The total does not add up", subtotal, discount.amount, exact)
    total = exact + (round_off or 0)
    if total > money.MAX_TOTAL:
        raise _mismatch("The total is out of bounds", subtotal, discount.amount, exact)
    return Bill(line_totals, subtotal, discount.amount, discount.percentage, round_off or 0, total)


def _discount(subtotal: int, subtotals: RoundingRange, claim: _ExactClaim) -> _Discount:
    """Return the discount in the sense in which the client computed the total."""
    by_amount = _amount_off(subtotals, claim.discount)
    if not claim.is_percentage:
        return by_amount
    by_percentage = _percentage_off(subtotal, subtotals, claim.discount)
    if by_percentage.totals.holds(claim.total) or not by_amount.totals.holds(claim.total):
        return by_percentage
    # The app may send an amount with `is_percentage_discount` set; the total shows which of the two it is. Where
    # both need a round-off to explain a whole unit of currency, it is the percentage.
    is_exact = money.round_to_units(claim.total, money.MONEY_PLACES) == subtotal - by_amount.amount
    is_rounded = _round_off(claim.total, subtotal - by_percentage.amount, by_percentage.totals) is not None
    return by_percentage if is_rounded and not is_exact else by_amount


def _amount_off(subtotals: RoundingRange, claimed: Decimal) -> _Discount:
    off = RoundingRange.of(claimed, money.MONEY_PLACES)
    totals = RoundingRange(subtotals.low - off.high, subtotals.high - off.low)
    return _Discount(money.round_to_units(claimed, money.MONEY_PLACES), None, totals)


def _percentage_off(subtotal: int, subtotals: RoundingRange, claimed: Decimal) -> _Discount:
    whole = money.HUNDRED_PERCENT
    percentage = money.round_to_units(claimed, money.PERCENT_PLACES)
    off = RoundingRange.of(claimed, money.PERCENT_PLACES)
    low = RoundingRange.around(subtotals.low * (whole - off.high), whole).low
    high = RoundingRange.around(subtotals.high * (whole - off.low), whole).high
    # The client may have rounded the discount of an unrounded subtotal: by up to a minor unit, either way.
    late = 1 if subtotals.low < subtotals.high else 0
    totals = RoundingRange(low - late, high + late)
    return _Discount(money.divide_half_up(subtotal * percentage, whole), percentage, totals)


def _round_off(claimed: Decimal, exact: int, totals: RoundingRange) -> int | None:
    """Return what rounding to a whole unit of currency adds to the exact total; None where the claim is no such total.

    :param totals: the totals of late rounding, from which the client may have rounded.
    """
    rounded, unit = money.round_to_units(claimed, money.MONEY_PLACES), money.MINOR_PER_UNIT
    difference = rounded - exact
    is_whole = rounded % unit == 0 and abs(claimed.scaleb(money.MONEY_PLACES) - rounded) <= _NOISE
    is_next = totals.low // unit * unit <= rounded <= -(-totals.high // unit) * unit
    # Many lines that are all rounded the other way may be more than a unit apart.
    is_near = abs(difference) <= unit or totals.low <= rounded <= totals.high
    return difference if is_whole and is_next and is_near and rounded >= 0 else None


def _mismatch(problem: str, subtotal: int, discount: int, total: int) -> TotalsMismatch:
    computed = {
        "subtotal": money.to_json(subtotal),
        "discount": money.to_json(discount),
        "total": money.to_json(total),
    }
    return TotalsMismatch(
        f"{problem}: the lines make a subtotal of {computed['subtotal']:.2f}, a discount of {computed['discount']:.2f} "
        f"and a total of {computed['total']:.2f}.",
        computed=computed,
    )
