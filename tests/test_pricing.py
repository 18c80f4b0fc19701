"""The arithmetic of a bill, by example: what is accepted, what is stored, what is refused."""

from decimal import Decimal

import pytest

from schemas import money
from schemas.errors import TotalsMismatch
from schemas.pricing import Bill, Claim, Line, prove


def a_line(price: float, quantity: float = 1, discount: float = 0) -> Line:
    return Line(money.whole(price, 2), money.whole(quantity, 3), money.rounded(discount, 6))


def a_claim(subtotal: float, total: float, discount: float = 0, *, percentage: bool = False) -> Claim:
    return Claim(subtotal, discount, percentage, total)


@pytest.mark.parametrize(
    ("line", "total"),
    [
        (a_line(100.0), 100_00),
        (a_line(99.99, 3), 299_97),
        (a_line(0.05, 0.5), 3),  # 2.5 paise: half-up
        (a_line(10.0, 1, 33.333333), 6_67),
        (a_line(19.99, 1.255, 12.5), 21_95),
        (a_line(10_000_000, 1_000_000), 10**15),
        (a_line(5.0, 1, 100), 0),
        (a_line(0.0, 7), 0),
    ],
)
def test_a_line_is_rounded_half_up_to_the_paisa(line: Line, total: int) -> None:
    assert line.total == total


def test_a_percentage_is_taken_off_the_subtotal() -> None:
    bill = prove([a_line(199.99, 3)], a_claim(599.97, 539.97, 10, percentage=True))
    assert bill == Bill((599_97,), 599_97, 60_00, 10_000_000, 0, 539_97)


def test_an_amount_is_taken_off_the_subtotal() -> None:
    bill = prove([a_line(100.0)], a_claim(100.0, 92.5, 7.5))
    assert (bill.discount, bill.discount_percentage, bill.total) == (7_50, None, 92_50)


def test_an_amount_that_says_percentage_is_taken_for_what_the_total_says() -> None:
    bill = prove([a_line(500.0)], a_claim(500.0, 350.0, 150, percentage=True))
    assert (bill.discount, bill.discount_percentage, bill.total) == (150_00, None, 350_00)


def test_where_both_readings_fit_it_is_the_percentage() -> None:
    bill = prove([a_line(100.0)], a_claim(100.0, 90.0, 10, percentage=True))
    assert bill.discount_percentage == 10_000_000


@pytest.mark.parametrize(
    ("claimed", "stored"), [(100.0, 100_00), (100.02, 100_00), (99.98, 100_00), (99.99999999999999, 100_00)]
)
def test_a_claim_within_a_paisa_a_line_and_one_is_accepted_and_the_exact_figure_stored(
    claimed: float, stored: int
) -> None:
    assert prove([a_line(100.0)], a_claim(claimed, claimed)).total == stored


@pytest.mark.parametrize("claimed", [100.03, 99.97, 0.0, 101.0, 99.0, 1e15])
def test_a_claim_beyond_that_is_refused_with_the_figures_of_the_lines(claimed: float) -> None:
    with pytest.raises(TotalsMismatch) as refusal:
        prove([a_line(100.0)], a_claim(100.0, claimed))
    assert refusal.value.members["computed"] == {"subtotal": 100.0, "discount": 0.0, "total": 100.0}


def test_a_wrong_subtotal_is_refused_even_under_a_right_total() -> None:
    with pytest.raises(TotalsMismatch, match="subtotal"):
        prove([a_line(100.0)], a_claim(90.0, 100.0))


@pytest.mark.parametrize(("claimed", "round_off"), [(398.0, 20), (397.0, -80)])
def test_rounding_to_a_whole_rupee_is_kept_apart(claimed: float, round_off: int) -> None:
    bill = prove([a_line(397.8)], a_claim(397.8, claimed))
    assert (bill.round_off, bill.total) == (round_off, 397_80 + round_off)


def test_rounding_to_a_whole_rupee_is_kept_even_where_late_rounding_could_explain_it() -> None:
    bill = prove([a_line(2.49)] * 40, a_claim(99.6, 100.0))
    assert (bill.subtotal, bill.round_off, bill.total) == (99_60, 40, 100_00)


def test_an_exact_amount_wins_over_a_percentage_and_a_rounding() -> None:
    bill = prove([a_line(10.4)], a_claim(10.4, 10.0, 0.4, percentage=True))
    assert (bill.discount, bill.discount_percentage, bill.round_off, bill.total) == (40, None, 0, 10_00)


@pytest.mark.parametrize("claimed", [399.0, 396.0, 397.5])
def test_what_is_no_rounding_to_the_next_whole_rupee_is_refused(claimed: float) -> None:
    with pytest.raises(TotalsMismatch):
        prove([a_line(397.8)], a_claim(397.8, claimed))


@pytest.mark.parametrize("discount", [100.01, 1e13])
def test_a_discount_above_the_subtotal_is_refused(discount: float) -> None:
    with pytest.raises(TotalsMismatch):
        prove([a_line(100.0)], a_claim(100.0, 0.0, discount))


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [(397.8, 2, 39780), (0.1 + 0.2, 2, 30), (1.005, 3, 1005), (7, 2, 700), (1e-7, 2, 0), (9999999.99, 2, 999999999)],
)
def test_a_float_means_its_shortest_decimal(value: float, places: int, expected: int) -> None:
    assert money.whole(value, places) == expected


@pytest.mark.parametrize("value", [10.555, 0.001, 1 / 3])
def test_more_decimals_than_a_paisa_has_are_not_money(value: float) -> None:
    with pytest.raises(money.InexactError):
        money.whole(value, 2)


def test_half_a_paisa_rounds_up() -> None:
    assert money.rounded(0.125, 2) == 13
    assert money.rounded(Decimal("0.124999"), 2) == 12
