"""Ranges of missing numbers agree with sets of them, also when the numbers are far apart."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from schemas.core.number_ranges import format_ranges, missing_ranges, parse_ranges, single_ranges, subtract_ranges

NUMBERS = st.sets(st.integers(1, 60))


@given(NUMBERS)
def test_missing_numbers_are_kept_as_ranges(numbers: set[int]) -> None:
    missing = set(range(1, max(numbers, default=0) + 1)) - numbers
    assert set(chain(*parse_ranges(format_ranges(missing_ranges(sorted(numbers)))))) == missing


@given(NUMBERS, NUMBERS)
def test_ranges_without_others_are_the_difference_of_sets(numbers: set[int], others: set[int]) -> None:
    for mine in (single_ranges(numbers), list(missing_ranges(sorted(numbers)))):
        for theirs in (single_ranges(others), list(missing_ranges(sorted(others)))):
            left = list(subtract_ranges(mine, theirs))
            assert list(chain(*left)) == sorted(set(chain(*mine)) - set(chain(*theirs)))
