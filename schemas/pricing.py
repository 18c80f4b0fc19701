"""Totals are proved, not trusted: the shop's arithmetic, exact, and the comparison with what a client claims.

The existing clients compute in binary floating point and round late, so a claim is accepted within 0.01 a line plus
0.01; what is stored is always the server's own figure.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from schemas import money
from schemas.errors import TotalsMismatch


class Line(NamedTuple):
    """One line of a cart. price: minor units; quantity: thousandths; discount: millionths of a percent."""

    price: int
    quantity: int
    discount: int

    @property
    def total(self) -> int:
        """price x quantity x (1 - discount), half-up to the minor unit."""
        return money.divide_half_up(
            self.price * self.quantity * (money.HUNDRED_PERCENT - self.discount),
            money.WHOLE_QUANTITY * money.HUNDRED_PERCENT,
        )


class Claim(NamedTuple):
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
    def of(cls, claim: Claim) -> "_ExactClaim":
        return cls(
            money.exact(claim.subtotal), money.exact(claim.discount), claim.is_percentage, money.exact(claim.total)
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


def prove(lines: Sequence[Line], claim: Claim) -> Bill:
    """The bill that the lines make, if it is the one that the client claims.

    :raises TotalsMismatch: subtotal or total differ by more than late rounding explains; carries the server's figures.
    """
    line_totals = tuple([line.total for line in lines])
    subtotal = sum(line_totals)
    if claim.subtotal == claim.total == money.to_json(subtotal) and not claim.discount and subtotal <= money.MAX_MONEY:
        # The very floats, and nothing taken off, as most bills are: they need no decimals.
        return Bill(line_totals, subtotal, 0, 0 if claim.is_percentage else None, 0, subtotal)
    return _prove(line_totals, subtotal, _ExactClaim.of(claim))


def _prove(line_totals: tuple[int, ...], subtotal: int, claim: _ExactClaim) -> Bill:
    tolerance = Decimal(len(line_totals) + 1).scaleb(-money.MONEY_PLACES)
    discount, percentage = _discount(subtotal, claim, tolerance)
    total = subtotal - discount
    if not 0 <= total <= money.MAX_MONEY:
        raise _mismatch("The total is out of bounds", subtotal, discount, total)
    if not _close(claim.subtotal, subtotal, tolerance):
        raise _mismatch("The subtotal does not add up", subtotal, discount, total)
    # A total that follows from the client's own subtotal was not rounded to a whole unit, even where it is one.
    round_off = 0 if _follows(claim, percentage is not None) else _round_off(claim.total, total)
    if not _close(claim.total, total + round_off, tolerance):
        raise _mismatch("The total does not add up", subtotal, discount, total)
    return Bill(line_totals, subtotal, discount, percentage, round_off, total + round_off)


def _discount(subtotal: int, claim: _ExactClaim, tolerance: Decimal) -> tuple[int, int | None]:
    """The discount in minor units, and its percentage where it is one."""
    amount = money.rounded(claim.discount, money.MONEY_PLACES)
    if not claim.is_percentage:
        return amount, None
    percentage = money.rounded(claim.discount, money.PERCENT_PLACES)
    discount = money.divide_half_up(subtotal * percentage, money.HUNDRED_PERCENT)
    if not _close(claim.total, subtotal - discount, tolerance) and _close(claim.total, subtotal - amount, tolerance):
        # The app has a switch that leaves `is_percentage_discount` set on an amount; the total says which was meant.
        return amount, None
    return discount, percentage


def _follows(claim: _ExactClaim, is_percentage: bool) -> bool:
    """Whether the claimed total is what the client's own subtotal and discount make, to the minor unit."""
    discount = claim.subtotal * claim.discount / 100 if is_percentage else claim.discount
    return abs(claim.subtotal - discount - claim.total) < Decimal(1).scaleb(-money.MONEY_PLACES)


def _close(claimed: Decimal, minor: int, tolerance: Decimal) -> bool:
    return abs(claimed - Decimal(minor).scaleb(-money.MONEY_PLACES)) <= tolerance


def _round_off(claimed: Decimal, total: int) -> int:
    """What turns `total` into the whole unit of currency just below or above it that the client claims; else 0."""
    difference = money.rounded(claimed, money.MONEY_PLACES) - total
    is_whole = (total + difference) % money.MINOR_PER_UNIT == 0
    return difference if is_whole and abs(difference) < money.MINOR_PER_UNIT else 0


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
