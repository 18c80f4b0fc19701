"""Totals are proved, not trusted: the shop's arithmetic, exact, and the comparison with what a client claims.

The existing clients compute in binary floating point and round late, or not at all. So a claim is accepted where
rounding can have made it: each figure that is no whole number of minor units may have been taken down or up, in any
place of the sum, and one that is whole may not. What is stored is the server's own figure, or a total that was rounded
to a whole unit of currency.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from schemas.core import money
from schemas.core.errors import TotalsMismatch

#: A line's amount before it is divided: minor units x thousandths x millionths of a percent.
_PARTS: Final = money.WHOLE_QUANTITY * money.HUNDRED_PERCENT
#: What binary noise may take a claim from a whole number of minor units, or millionths of a percent.
_NOISE: Final = Decimal("0.001")
#: A percentage of more decimals than three was computed, and may have been rounded to millionths.
_TYPED: Final = 1_000
#: So near to a whole number of minor units a float is rounded to it, whatever its noise.
_SURELY: Final = 0.4


class Line(NamedTuple):
    """One line of a cart. price: minor units; quantity: thousandths; discount: millionths of a percent."""

    price: int
    quantity: int
    discount: int

    @property
    def total(self) -> int:
        """price x quantity x (1 - discount), half-up to the minor unit."""
        return money.divide_half_up(self._parts, _PARTS)

    @property
    def span(self) -> "RoundingRange":
        """What rounding can make of the same: of the amount, and of a percentage that was computed."""
        if self.discount % _TYPED == 0:
            return RoundingRange.around(self._parts, _PARTS)
        half_a_step = self.price * self.quantity
        low, high = 2 * self._parts - half_a_step, 2 * self._parts + half_a_step
        return RoundingRange(low // (2 * _PARTS), -(-high // (2 * _PARTS)))

    @property
    def _parts(self) -> int:
        return self.price * self.quantity * (money.HUNDRED_PERCENT - self.discount)


class RoundingRange(NamedTuple):
    """The whole numbers that rounding can make of a figure; one alone where it needs none."""

    low: int
    high: int

    @classmethod
    def around(cls, numerator: int, denominator: int) -> "RoundingRange":
        """Return the quotient, rounded down and up."""
        return cls(numerator // denominator, -(-numerator // denominator))

    @classmethod
    def of(cls, claimed: Decimal, places: int) -> "RoundingRange":
        """Return a claim in units of 10^-places, rounded down and up; but for the noise of a float."""
        scaled = claimed.scaleb(places)
        nearest = money.round_to_units(claimed, places)
        if abs(scaled - nearest) <= _NOISE:
            return cls(nearest, nearest)
        low = math.floor(scaled)
        return cls(low, low + 1)

    def holds(self, claimed: Decimal) -> bool:
        """Return whether an amount that a client claims is one of these, rounded to the minor unit."""
        return self.low <= money.round_to_units(claimed, money.MONEY_PLACES) <= self.high


class ClientTotals(NamedTuple):
    """What the client computed, in currency units, unrounded. `discount` is a percentage if `is_percentage`."""

    subtotal: int | float
    discount: int | float
    is_percentage: bool
    total: int | float


class _ExactClaim(NamedTuple):
    """The same in decimals."""

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
    """The proved figures, in minor units.

    discount: what is taken off the subtotal; discount_percentage: millionths of a percent, or None where the discount
    was given as an amount; round_off: what rounding to a whole unit of currency added (or, negative, took off).
    """

    line_totals: tuple[int, ...]
    subtotal: int
    discount: int
    discount_percentage: int | None
    round_off: int
    total: int


class _Discount(NamedTuple):
    """What is taken off a subtotal, as `Bill` has it, and what rounding can make of the total."""

    amount: int
    percentage: int | None
    total: RoundingRange


def rounding_tolerance(lines: Sequence[Line], percentage: int | None) -> int:
    """Return by how many minor units late rounding may take the total of these lines away from ours.

    :param percentage: of the bill's discount, where it is one.
    """
    room = sum(span.high - span.low for span in (line.span for line in lines))
    return room + bool(percentage)


def verify_totals(lines: Sequence[Line], claim: ClientTotals) -> Bill:
    """Return the bill that the lines make, if it is the one that the client claims.

    :raises TotalsMismatch: subtotal or total differ by more than rounding explains; carries the server's figures.
    """
    line_totals = tuple([line.total for line in lines])
    subtotal = sum(line_totals)
    if claim.subtotal == claim.total == money.to_json(subtotal) and not claim.discount and subtotal <= money.MAX_TOTAL:
        # The very floats, and nothing taken off, as most bills are: they need no decimals.
        return Bill(line_totals, subtotal, 0, 0 if claim.is_percentage else None, 0, subtotal)
    bill = _plain(line_totals, subtotal, claim)
    if bill is not None:
        return bill
    spans = [line.span for line in lines]
    span = RoundingRange(sum(each.low for each in spans), sum(each.high for each in spans))
    return _prove(line_totals, subtotal, span, _ExactClaim.of(claim))


def _plain(line_totals: tuple[int, ...], subtotal: int, claim: ClientTotals) -> Bill | None:
    """Return the bill that is claimed to the minor unit, without a doubt: as `_prove` would, at a third of its cost."""
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


def _prove(line_totals: tuple[int, ...], subtotal: int, span: RoundingRange, claim: _ExactClaim) -> Bill:
    discount = _discount(subtotal, span, claim)
    exact = subtotal - discount.amount
    if exact < 0:
        raise _mismatch("The discount is more than the subtotal", subtotal, discount.amount, exact)
    if not span.holds(claim.subtotal):
        raise _mismatch("The subtotal does not add up", subtotal, discount.amount, exact)
    round_off = _round_off(claim.total, exact, discount.total)
    if round_off is None and not discount.total.holds(claim.total):
        raise _mismatch("The total does not add up", subtotal, discount.amount, exact)
    total = exact + (round_off or 0)
    if total > money.MAX_TOTAL:
        raise _mismatch("The total is out of bounds", subtotal, discount.amount, exact)
    return Bill(line_totals, subtotal, discount.amount, discount.percentage, round_off or 0, total)


def _discount(subtotal: int, span: RoundingRange, claim: _ExactClaim) -> _Discount:
    """Return the discount in the sense in which the client computed the total."""
    by_amount = _amount_off(span, claim.discount)
    if not claim.is_percentage:
        return by_amount
    by_percentage = _percentage_off(subtotal, span, claim.discount)
    if by_percentage.total.holds(claim.total) or not by_amount.total.holds(claim.total):
        return by_percentage
    # The app has a switch that leaves `is_percentage_discount` set on an amount; the total says which was meant. Where
    # both need a round-off to explain a whole unit of currency, it is the percentage.
    is_exact = money.round_to_units(claim.total, money.MONEY_PLACES) == subtotal - by_amount.amount
    is_rounded = _round_off(claim.total, subtotal - by_percentage.amount, by_percentage.total) is not None
    return by_percentage if is_rounded and not is_exact else by_amount


def _amount_off(span: RoundingRange, claimed: Decimal) -> _Discount:
    off = RoundingRange.of(claimed, money.MONEY_PLACES)
    return _Discount(
        money.round_to_units(claimed, money.MONEY_PLACES), None, RoundingRange(span.low - off.high, span.high - off.low)
    )


def _percentage_off(subtotal: int, span: RoundingRange, claimed: Decimal) -> _Discount:
    whole = money.HUNDRED_PERCENT
    percentage, off = (
        money.round_to_units(claimed, money.PERCENT_PLACES),
        RoundingRange.of(claimed, money.PERCENT_PLACES),
    )
    low = RoundingRange.around(span.low * (whole - off.high), whole).low
    high = RoundingRange.around(span.high * (whole - off.low), whole).high
    # Of a subtotal that was not rounded, the discount may have been: by up to a minor unit, either way.
    late = 1 if span.low < span.high else 0
    return _Discount(
        money.divide_half_up(subtotal * percentage, whole), percentage, RoundingRange(low - late, high + late)
    )


def _round_off(claimed: Decimal, exact: int, span: RoundingRange) -> int | None:
    """Return what rounding to the claimed whole unit of currency adds to the exact total; None where it is no such.

    :param span: what late rounding makes of the total, from which a client may have gone on.
    """
    rounded, unit = money.round_to_units(claimed, money.MONEY_PLACES), money.MINOR_PER_UNIT
    difference = rounded - exact
    is_whole = rounded % unit == 0 and abs(claimed.scaleb(money.MONEY_PLACES) - rounded) <= _NOISE
    is_next = span.low // unit * unit <= rounded <= -(-span.high // unit) * unit
    # Many lines that are all rounded the other way may be more than a unit away.
    is_near = abs(difference) <= unit or span.low <= rounded <= span.high
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
