"""Examples of totals: accepted, stored and rejected figures."""

from decimal import Decimal

import pytest

from schemas.core import money
from schemas.core.errors import TotalsMismatch
from schemas.sales.pricing import Bill, ClientTotals, Line, verify_totals


def a_line(price: float, quantity: float = 1, discount: float = 0) -> Line:
    return Line(money.to_units(price, 2), money.to_units(quantity, 3), money.round_to_units(discount, 6))


def a_claim(subtotal: float, total: float, discount: float = 0, *, percentage: bool = False) -> ClientTotals:
    return ClientTotals(subtotal, discount, percentage, total)


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
    bill = verify_totals([a_line(199.99, 3)], a_claim(599.97, 539.97, 10, percentage=True))
    assert bill == Bill((599_97,), 599_97, 60_00, 10_000_000, 0, 539_97)


def test_an_amount_is_taken_off_the_subtotal() -> None:
    bill = verify_totals([a_line(100.0)], a_claim(100.0, 92.5, 7.5))
    assert (bill.discount, bill.discount_percentage, bill.total) == (7_50, None, 92_50)


def test_an_amount_sent_as_a_percentage_is_an_amount_if_the_total_shows_it() -> None:
    bill = verify_totals([a_line(500.0)], a_claim(500.0, 350.0, 150, percentage=True))
    assert (bill.discount, bill.discount_percentage, bill.total) == (150_00, None, 350_00)


def test_a_percentage_has_precedence_if_both_readings_fit() -> None:
    bill = verify_totals([a_line(100.0)], a_claim(100.0, 90.0, 10, percentage=True))
    assert bill.discount_percentage == 10_000_000


@pytest.mark.parametrize("claimed", [100.0, 100.00000000000001, 99.99999999999999, 100.004, 99.996])
def test_a_total_equal_to_the_paisa_is_stored_as_the_exact_figure(claimed: float) -> None:
    assert verify_totals([a_line(100.0)], a_claim(claimed, claimed)).total == 100_00


def test_four_hundred_exact_lines_allow_no_difference() -> None:
    lines = [a_line(10.0)] * 400
    assert verify_totals(lines, a_claim(4000.0, 4000.0)).total == 4000_00
    for claimed in (3995.99, 3999.99, 4000.01):
        with pytest.raises(TotalsMismatch):
            verify_totals(lines, a_claim(claimed, claimed))
        with pytest.raises(TotalsMismatch):
            verify_totals(lines, a_claim(4000.0, claimed))


@pytest.mark.parametrize("claimed", [0.0, 3.0, 2.999, 1.5])
def test_lines_that_need_rounding_allow_each_of_them_to_be_rounded_either_way(claimed: float) -> None:
    # 200 x 0.015: 0.02 each, if rounded by the line; 3.00 as a sum, 2.00 if cut off.
    lines = [a_line(0.03, 0.5)] * 200
    if claimed >= 2:
        assert verify_totals(lines, a_claim(claimed, claimed)).subtotal == 4_00
    else:
        with pytest.raises(TotalsMismatch):
            verify_totals(lines, a_claim(claimed, claimed))


def test_only_lines_that_need_rounding_allow_a_difference() -> None:
    lines = [*[a_line(10.0)] * 399, a_line(0.03, 0.5)]
    for claimed in (3990.01, 3990.015, 3990.02):
        assert verify_totals(lines, a_claim(claimed, claimed)).total == 3990_02
    for claimed in (3990.03, 3989.99):
        with pytest.raises(TotalsMismatch):
            verify_totals(lines, a_claim(claimed, claimed))


@pytest.mark.parametrize("claimed", [100.01, 100.03, 99.97, 0.0, 101.0, 99.0, 1e15])
def test_a_larger_difference_is_rejected_with_the_correct_figures(claimed: float) -> None:
    with pytest.raises(TotalsMismatch) as refusal:
        verify_totals([a_line(100.0)], a_claim(100.0, claimed))
    assert refusal.value.members["computed"] == {"subtotal": 100.0, "discount": 0.0, "total": 100.0}


def test_a_wrong_subtotal_is_rejected_despite_a_correct_total() -> None:
    with pytest.raises(TotalsMismatch, match="subtotal"):
        verify_totals([a_line(100.0)], a_claim(90.0, 100.0))


@pytest.mark.parametrize(("claimed", "round_off"), [(398.0, 20), (397.0, -80)])
def test_rounding_to_a_whole_rupee_is_stored_as_round_off(claimed: float, round_off: int) -> None:
    bill = verify_totals([a_line(397.8)], a_claim(397.8, claimed))
    assert (bill.round_off, bill.total) == (round_off, 397_80 + round_off)


def test_rounding_to_a_whole_rupee_is_kept_even_where_late_rounding_could_explain_it() -> None:
    bill = verify_totals([a_line(2.49)] * 40, a_claim(99.6, 100.0))
    assert (bill.subtotal, bill.round_off, bill.total) == (99_60, 40, 100_00)


def test_an_exact_amount_has_precedence_over_a_percentage_with_rounding() -> None:
    bill = verify_totals([a_line(10.4)], a_claim(10.4, 10.0, 0.4, percentage=True))
    assert (bill.discount, bill.discount_percentage, bill.round_off, bill.total) == (40, None, 0, 10_00)


def test_a_percentage_has_precedence_over_an_amount_with_round_off() -> None:
    # 500.003824 less 0.01 % is 499.95; less 0.01 it is 499.99: neither is 500.00.
    bill = verify_totals([a_line(4.67, 122, 12.24)], a_claim(500.0, 500.0, 0.01, percentage=True))
    assert (bill.discount, bill.discount_percentage, bill.round_off, bill.total) == (5, 10_000, 5, 500_00)


def test_a_whole_rupee_from_many_late_rounded_lines_is_accepted() -> None:
    # 300 lines of 0.333 at 1.01 are 0.33633 each: 102.00 where each is rounded up, 100.899 unrounded, ours is 102.00.
    lines = [a_line(1.01, 0.333)] * 300
    bill = verify_totals(lines, a_claim(100.899, 100.0))
    assert (bill.subtotal, bill.round_off, bill.total) == (102_00, -2_00, 100_00)


@pytest.mark.parametrize("claimed", [399.0, 396.0, 397.5])
def test_a_total_that_is_not_the_nearest_whole_rupee_is_rejected(claimed: float) -> None:
    with pytest.raises(TotalsMismatch):
        verify_totals([a_line(397.8)], a_claim(397.8, claimed))


def test_a_whole_rupee_after_a_percentage_discount_is_kept_as_it_is_claimed() -> None:
    # Half of 199.99 is 99.995: rounded, the discount is 100.00 and leaves 99.99, but a rounded total is 100.00.
    bill = verify_totals([a_line(199.99)], a_claim(199.99, 100.0, 50, percentage=True))
    assert (bill.discount, bill.round_off, bill.total) == (100_00, 1, 100_00)
    bill = verify_totals([a_line(1_055_414.99)], a_claim(1_055_414.99, 1_055_415.0))
    assert (bill.round_off, bill.total) == (1, 1_055_415_00)


def test_a_whole_rupee_below_or_above_a_figure_that_was_not_rounded_is_kept() -> None:
    # 4,592 x 11.428 less 33.33 % and 10 % is 31,487.99992, of which the rupees are 31,487; rounded, it is 31,488.00.
    bill = verify_totals([a_line(4592, 11.428, 33.33)], a_claim(34986.666579200006, 31487.0, 10, percentage=True))
    assert (bill.round_off, bill.total) == (-1_00, 31_487_00)
    # 4 x 76.43 less 65 % is 107.002: the next rupee is 108.
    bill = verify_totals([a_line(76.43, 4, 65)], a_claim(107.002, 108.0))
    assert (bill.round_off, bill.total) == (1_00, 108_00)
    with pytest.raises(TotalsMismatch):
        verify_totals([a_line(107, 1)], a_claim(107.0, 108.0))


@pytest.mark.parametrize(
    ("price", "quantity", "percentage"),
    [(64396.27, 50, 100 / 3), (92068.94, 33, 100 / 3), (72981.13, 31, 23.24914953055478), (1e7, 1000, 200 / 3)],
)
def test_a_computed_percentage_is_accepted(price: float, quantity: float, percentage: float) -> None:
    total = price * quantity * (1 - percentage / 100)
    for claimed in (total, round(total, 2)):
        bill = verify_totals([a_line(price, quantity, percentage)], a_claim(claimed, claimed))
        assert abs(bill.total - claimed * 100) <= 1 + price * quantity * 100 * 0.5e-8
    wrong = total + 0.03 + price * quantity * 0.5e-8
    with pytest.raises(TotalsMismatch):
        verify_totals([a_line(price, quantity, percentage)], a_claim(wrong, wrong))


def test_a_whole_rupee_that_follows_from_late_rounding_is_kept_too() -> None:
    # 2 x 16.665: 33.34, if rounded by the line; 33.33 as a sum; 33.00 rounded to a rupee from either.
    for claimed, round_off in ((33.0, -34), (34.0, 66)):
        bill = verify_totals([a_line(33.33, 0.5)] * 2, a_claim(33.33, claimed))
        assert (bill.subtotal, bill.round_off, bill.total) == (33_34, round_off, int(claimed * 100))


def test_the_largest_total_is_ten_billion() -> None:
    most = money.to_json(money.MAX_TOTAL)
    assert verify_totals([a_line(10_000_000, 1_000)], a_claim(most, most)).total == money.MAX_TOTAL
    for line, claimed in ((a_line(10_000_000, 1_000.001), most + 10_000), (a_line(10_000_000, 2_000), 2 * most)):
        with pytest.raises(TotalsMismatch, match="out of bounds"):
            verify_totals([line], a_claim(claimed, claimed))
    bill = verify_totals([a_line(10_000_000, 2_000)], a_claim(2 * most, most, 50, percentage=True))
    assert (bill.subtotal, bill.total) == (2 * money.MAX_TOTAL, money.MAX_TOTAL)


@pytest.mark.parametrize("discount", [100.01, 1e13])
def test_a_discount_above_the_subtotal_is_rejected(discount: float) -> None:
    with pytest.raises(TotalsMismatch):
        verify_totals([a_line(100.0)], a_claim(100.0, 0.0, discount))


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [(397.8, 2, 39780), (0.1 + 0.2, 2, 30), (1.005, 3, 1005), (7, 2, 700), (1e-7, 2, 0), (9999999.99, 2, 999999999)],
)
def test_a_float_means_its_shortest_decimal(value: float, places: int, expected: int) -> None:
    assert money.to_units(value, places) == expected


@pytest.mark.parametrize("value", [10.555, 0.001, 1 / 3])
def test_amounts_with_more_than_two_decimals_are_rejected(value: float) -> None:
    with pytest.raises(money.InexactError):
        money.to_units(value, 2)


def test_half_a_paisa_rounds_up() -> None:
    assert money.round_to_units(0.125, 2) == 13
    assert money.round_to_units(Decimal("0.124999"), 2) == 12
