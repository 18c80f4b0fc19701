"""A range of days as rollup periods: exactly its days, and few periods for any length."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.core.calendar import days, month_days
from schemas.reporting.periods import PeriodRange, covering_periods

TODAY = date(2026, 11, 28)

some_days = st.dates(date(2019, 1, 1), date(2030, 12, 31))


def days_of(span: PeriodRange) -> Iterator[date]:
    if len(span.first) == len("2026"):
        return days(date(int(span.first), 1, 1), date(int(span.last), 12, 31))
    if len(span.first) == len("2026-01"):
        return days(date.fromisoformat(f"{span.first}-01"), month_days(*map(int, span.last.split("-")))[1])
    return days(date.fromisoformat(span.first), date.fromisoformat(span.last))


def periods(span: PeriodRange) -> set[str]:
    return {day.isoformat()[: len(span.first)] for day in days_of(span)}


@given(start=some_days, length=st.integers(0, 1_200), today=some_days)
def test_each_day_of_a_range_counts_exactly_once(start: date, length: int, today: date) -> None:
    end = start + timedelta(days=length)
    counted: Counter[date] = Counter()
    for span in covering_periods(start, end, today.isoformat()):
        for day in days_of(span):
            counted[day] += span.sign
    assert {day: times for day, times in counted.items() if times} == dict.fromkeys(days(start, end), 1)


@given(start=some_days, length=st.integers(0, 1_200), today=some_days)
def test_spans_do_not_overlap_and_are_few(start: date, length: int, today: date) -> None:
    found = covering_periods(start, start + timedelta(days=length), today.isoformat())
    each = [periods(span) for span in found]
    assert sum(map(len, each)) == len(set().union(*each)) <= 80
    assert len(found) <= 9
    assert all(period in span for span, of_span in zip(found, each, strict=True) for period in of_span)


def test_a_range_until_today_is_the_whole_year() -> None:
    assert covering_periods(date(2025, 11, 30), TODAY, TODAY.isoformat()) == [
        PeriodRange("2025-11-30", "2025-11-30"),
        PeriodRange("2025-12", "2025-12"),
        PeriodRange("2026", "2026"),
        PeriodRange("2026-11-29", "2026-11-30", -1),
        PeriodRange("2026-12", "2026-12", -1),
    ]


def test_a_year_without_its_first_days_subtracts_those_days() -> None:
    assert covering_periods(date(2024, 1, 6), date(2024, 12, 31), TODAY.isoformat()) == [
        PeriodRange("2024", "2024"),
        PeriodRange("2024-01-01", "2024-01-05", -1),
    ]


def test_a_few_days_are_daily_periods() -> None:
    assert covering_periods(date(2025, 12, 30), date(2026, 1, 2), TODAY.isoformat()) == [
        PeriodRange("2025-12-30", "2025-12-31"),
        PeriodRange("2026-01-01", "2026-01-02"),
    ]


def test_complete_years_are_one_span_and_an_empty_range_has_none() -> None:
    assert covering_periods(date(1970, 1, 1), date(2999, 12, 31), TODAY.isoformat()) == [PeriodRange("1970", "2999")]
    assert covering_periods(date(2026, 1, 2), date(2026, 1, 1), TODAY.isoformat()) == []


def test_a_span_contains_periods_of_its_own_length_only() -> None:
    march = PeriodRange("2026-03", "2026-03")
    assert "2026-03" in march
    assert "2026-03-15" not in march
    assert "2026" not in march
    assert 3 not in march
