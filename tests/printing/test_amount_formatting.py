"""Amounts on printed documents, in figures and in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.core.money import MAX_MONEY
from schemas.printing.amount_in_words import amount_in_words, number_in_words
from schemas.printing.formatting import format_amount, format_money, format_percentage, format_quantity, indian_groups

AMOUNTS = st.integers(0, MAX_MONEY)
SIZES = {"Crore": 10**7, "Lakh": 10**5, "Thousand": 10**3, "Hundred": 100}
ONES = {number_in_words(each): each for each in range(100)}


def read(words: str) -> int:
    """Return the number that Indian words stand for."""
    if words in ONES:
        return ONES[words]
    for name, size in SIZES.items():
        if name in words.split():
            before, _, after = words.rpartition(f" {name}")
            return read(before) * size + (read(after.strip()) if after else 0)
    raise AssertionError(words)


@given(st.integers(0, MAX_MONEY // 100))
def test_words_can_be_read_back_as_the_number(number: int) -> None:
    assert read(number_in_words(number)) == number


@pytest.mark.parametrize(
    ("minor", "currency", "words"),
    [
        (39_780, "INR", "Rupees Three Hundred Ninety-Seven and Eighty Paise Only"),
        (0, "INR", "Rupees Zero Only"),
        (1, "INR", "One Paisa Only"),
        (100, "INR", "Rupee One Only"),
        (
            123_456_780,
            "INR",
            "Rupees Twelve Lakh Thirty-Four Thousand Five Hundred Sixty-Seven and Eighty Paise Only",
        ),
        (10**15, "INR", "Rupees Ten Lakh Crore Only"),
        (200_150, "USD", "Dollars Two Thousand One and Fifty Cents Only"),
        (
            123_456_700_000,
            "USD",
            "Dollars One Billion Two Hundred Thirty-Four Million Five Hundred Sixty-Seven Thousand Only",
        ),
        (1_205, "CHF", "CHF Twelve and 05/100 Only"),
        (1_200, "CHF", "CHF Twelve Only"),
    ],
)
def test_amounts_in_words(minor: int, currency: str, words: str) -> None:
    assert amount_in_words(minor, currency) == words


@given(st.integers(0, 10**15))
def test_indian_groups_are_three_digits_and_then_pairs(number: int) -> None:
    first, *rest = indian_groups(number).split(",")
    assert int("".join([first, *rest])) == number
    if rest:
        assert len(rest[-1]) == 3
        assert {len(each) for each in rest[:-1]} <= {2}
        assert 1 <= len(first) <= 2


@given(AMOUNTS, st.sampled_from(("INR", "USD")))
def test_formatted_digits_equal_the_amount(minor: int, currency: str) -> None:
    assert int(format_amount(minor, currency).replace(",", "").replace(".", "")) == minor


def test_formatted_figures() -> None:
    assert format_amount(123_456_780) == "12,34,567.80"
    assert format_amount(123_456_780, "USD") == "1,234,567.80"
    assert format_amount(-16) == "-0.16"
    assert format_money(5) == "₹0.05"
    assert format_money(123_450, "CHF") == "CHF 1,234.50"
    assert [format_quantity(each) for each in (1_500, 2_000, 1, 10_000)] == ["1.5", "2", "0.001", "10"]
    assert [format_percentage(each) for each in (12_500_000, 100_000_000)] == ["12.5%", "100%"]
