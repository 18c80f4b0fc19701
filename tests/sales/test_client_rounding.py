"""Clients that compute in binary floating point, each rounding in its own way: what they claim is accepted where
rounding explains it, and nothing else is."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.core.errors import TotalsMismatch
from schemas.sales.bodies import SaleBody
from schemas.sales.documents import draft_sale
from tests.support.payloads import line, sale_body

pytestmark = pytest.mark.soak

BODY = SaleBody()
Round = Callable[[float], float]


def unrounded(value: float) -> float:
    return value


def half_up(value: float) -> float:
    """Round as Dart's `toStringAsFixed(2)` and most tills do."""
    return math.floor(value * 100 + 0.5) / 100


def half_even(value: float) -> float:
    return round(value, 2)


def cut_off(value: float) -> float:
    return math.floor(value * 100 + 1e-6) / 100


def taken_up(value: float) -> float:
    return math.ceil(value * 100 - 1e-6) / 100


def nearest_rupee(value: float) -> float:
    return float(math.floor(value + 0.5))


ROUNDINGS = (unrounded, half_up, half_even, cut_off, taken_up)
roundings = st.sampled_from(ROUNDINGS)
prices = st.one_of(st.integers(0, 100_000_00), st.integers(0, 100_00)).map(lambda paise: paise / 100)
quantities = st.one_of(st.integers(1, 1_000), st.integers(1, 100_000).map(lambda n: n / 1_000))
percents = st.one_of(st.just(0.0), st.integers(0, 100_00).map(lambda n: n / 100), st.integers(0, 100).map(float))
lines = st.builds(line, prices, quantities, percents)
carts = st.lists(lines, min_size=1, max_size=40)
exact_lines = st.builds(line, prices, st.integers(1, 1_000))


def claimed(
    cart: list[dict[str, Any]], discount: float, *, by_line: Round, by_sum: Round, by_discount: Round, last: Round
) -> dict[str, Any]:
    """Return the body of a client that rounds its lines, their sum, the discount and the total in these ways."""
    subtotal = 0.0
    for each in cart:
        subtotal += by_line(each["price"] * each["quantity"] * (1 - each["discount"] / 100))
    subtotal = by_sum(subtotal)
    total = last(subtotal - by_discount(subtotal * discount / 100))
    return sale_body(cart, discount=discount, subtotal=subtotal, total=total, amount_paid=total)


def exact_total(cart: list[dict[str, Any]], discount: float) -> tuple[int, int]:
    """Return the exact subtotal and total in paise, with each line and the discount rounded half-up."""

    def paise(value: Fraction) -> int:
        return math.floor(value * 100 + Fraction(1, 2))

    def fraction(value: float) -> Fraction:
        return Fraction(repr(value))

    subtotal = sum(
        paise(fraction(each["price"]) * fraction(each["quantity"]) * (1 - fraction(each["discount"]) / 100))
        for each in cart
    )
    return subtotal, subtotal - paise(Fraction(subtotal, 100) * fraction(discount) / 100)


@given(cart=carts, discount=percents, by_line=roundings, by_sum=roundings, by_discount=roundings, last=roundings)
def test_each_way_of_rounding_is_accepted_and_the_exact_figures_are_stored(
    cart: list[dict[str, Any]], discount: float, by_line: Round, by_sum: Round, by_discount: Round, last: Round
) -> None:
    body = claimed(cart, discount, by_line=by_line, by_sum=by_sum, by_discount=by_discount, last=last)
    sale = draft_sale(BODY.load(body))
    subtotal, total = exact_total(cart, discount)
    assert sale["subtotal"] == subtotal
    assert sale["total"] in (total, round(body["total"] * 100))
    assert sale["total"] == sale["subtotal"] - sale["discount"] + sale["round_off"]
    assert sale["total"] == total or sale["total"] % 100 == 0


@given(cart=carts, discount=percents, by_line=roundings, by_discount=roundings)
# As an amount, 0.01 explains 500.00 by late rounding alone (500.01 - 0.01); as a percentage, by a round-off of 0.05.
@example(cart=[line(4.67, 122, 12.24)], discount=0.01, by_line=unrounded, by_discount=unrounded)
# As an amount, 0.40 off 10.40 is the rupee exactly.
@example(cart=[line(10.4)], discount=0.4, by_line=unrounded, by_discount=unrounded)
def test_a_claimed_whole_rupee_is_stored_with_its_round_off(
    cart: list[dict[str, Any]], discount: float, by_line: Round, by_discount: Round
) -> None:
    body = claimed(cart, discount, by_line=by_line, by_sum=half_up, by_discount=by_discount, last=nearest_rupee)
    sale = draft_sale(BODY.load(body))
    subtotal, total = exact_total(cart, discount)
    if sale["discount_percentage"] is None:
        # Only where an amount explains the rupee without a round-off.
        total = subtotal - round(discount * 100)
        assert sale["round_off"] == 0
    assert sale["total"] == body["total"] * 100
    assert sale["round_off"] == sale["total"] - total
    assert sale["amount_paid"] == body["total"] * 100


@given(cart=carts, discount=percents, by_line=roundings, last=roundings, is_sent=st.booleans())
def test_the_amount_paid_is_stored_as_claimed(
    cart: list[dict[str, Any]], discount: float, by_line: Round, last: Round, is_sent: bool
) -> None:
    body = claimed(cart, discount, by_line=by_line, by_sum=unrounded, by_discount=unrounded, last=last)
    if not is_sent:
        del body["amount_paid"]
    paid = draft_sale(BODY.load(body))["amount_paid"]
    assert abs(paid - body["total"] * 100) <= 0.5 + 1e-3


@given(cart=st.lists(exact_lines, min_size=1, max_size=40), paise=st.integers(1, 10**6), down=st.booleans())
def test_lines_that_need_no_rounding_allow_no_difference(cart: list[dict[str, Any]], paise: int, down: bool) -> None:
    subtotal, _ = exact_total(cart, 0.0)
    wrong = subtotal - paise if down else subtotal + paise
    if wrong < 0 or (wrong % 100 == 0 and paise < 100):
        return
    body = sale_body(cart, subtotal=subtotal / 100, total=wrong / 100)
    for claim in (body, {**body, "subtotal": wrong / 100}):
        with pytest.raises(TotalsMismatch):
            draft_sale(BODY.load(claim))


@given(cart=carts, beyond=st.integers(1, 1_000), down=st.booleans())
def test_a_difference_above_a_paisa_for_each_rounded_line_is_rejected(
    cart: list[dict[str, Any]], beyond: int, down: bool
) -> None:
    subtotal, _ = exact_total(cart, 0.0)
    exact = [
        Fraction(repr(each["price"])) * Fraction(repr(each["quantity"])) * (100 - Fraction(repr(each["discount"])))
        for each in cart
    ]
    inexact = sum(paise.denominator != 1 for paise in exact)
    wrong = subtotal - inexact - beyond if down else subtotal + inexact + beyond
    if wrong < 0:
        return
    with pytest.raises(TotalsMismatch):
        draft_sale(BODY.load(sale_body(cart, subtotal=wrong / 100, total=subtotal / 100)))
