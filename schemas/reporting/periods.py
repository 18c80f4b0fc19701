"""The fewest rollup periods that make up a range of days.

There is a row for each day, month and year. A year without its last weeks is the row of the year minus the rows of
those weeks. So a range takes a few dozen periods at most, and one that ends today takes very few.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final, NamedTuple

from schemas.core.calendar import month_days, month_of

_DAY: Final = timedelta(days=1)
_MONTH: Final = len("2026-01")


class PeriodRange(NamedTuple):
    """Periods of one kind, both ends included: days (`2026-01-31`), months (`2026-01`) or years (`2026`).

    :ivar sign: 1 to add them, -1 to subtract them.
    """

    first: str
    last: str
    sign: int = 1

    def __contains__(self, period: object) -> bool:
        return isinstance(period, str) and len(period) == len(self.first) and self.first <= period <= self.last


def covering_periods(start: date, end: date, today: str) -> list[PeriodRange]:
    """Return few periods that make up the days `start` to `end`, both included, each day once.

    :param today: the shop's day; later days are taken to be empty, so to subtract them costs nothing.
    :returns: ranges without a common period.
    """
    if start > end:
        return []
    if start.year == end.year:
        return _of_year(start, end, today)
    years = _of_year(start, date(start.year, 12, 31), today)
    if end.year - start.year > 1:
        years.append(PeriodRange(str(start.year + 1), str(end.year - 1)))
    return _joined([*years, *_of_year(date(end.year, 1, 1), end, today)])


def _of_year(start: date, end: date, today: str) -> list[PeriodRange]:
    whole = date(start.year, 1, 1), date(start.year, 12, 31)
    return _cheapest(str(start.year), whole, (start, end), _by_month, today)


def _by_month(start: date, end: date, today: str) -> list[PeriodRange]:
    found: list[PeriodRange] = []
    for month in range(start.month, end.month + 1):
        whole = month_days(start.year, month)
        of_month = max(start, whole[0]), min(end, whole[1])
        found += _cheapest(month_of(whole[0]), whole, of_month, _by_day, today)
    return _joined(found)


def _joined(spans: list[PeriodRange]) -> list[PeriodRange]:
    """Return the ranges with consecutive months or years merged.

    Neighbours in the list of the same kind and sign are neighbours in time, since subtracted periods follow the longer
    period that they are subtracted from.
    """
    joined: list[PeriodRange] = []
    for span in spans:
        if (
            joined
            and (joined[-1].sign, len(joined[-1].last)) == (span.sign, len(span.first))
            and len(span.first) <= _MONTH
        ):
            joined[-1] = joined[-1]._replace(last=span.last)
        else:
            joined.append(span)
    return joined


def _by_day(start: date, end: date, _: str) -> list[PeriodRange]:
    return [PeriodRange(start.isoformat(), end.isoformat())]


def _cheapest(
    period: str,
    whole: tuple[date, date],
    wanted: tuple[date, date],
    by_parts: Callable[[date, date, str], list[PeriodRange]],
    today: str,
) -> list[PeriodRange]:
    """Return the cheaper way to make up some days of a period: parts of it, or the whole minus its other parts."""
    if wanted == whole:
        return [PeriodRange(period, period)]
    parts = by_parts(*wanted, today)
    less = [PeriodRange(period, period)]
    for first, last in ((whole[0], wanted[0] - _DAY), (wanted[1] + _DAY, whole[1])):
        if first <= last:
            less += [span._replace(sign=-span.sign) for span in by_parts(first, last, today)]
    return min(parts, less, key=lambda spans: sum(_filled(span, today) for span in spans))


def _filled(span: PeriodRange, today: str) -> int:
    """Return how many periods of a range have begun."""
    last = min(span.last, today[: len(span.last)])
    return max(0, _ordinal(last) - _ordinal(span.first) + 1)


def _ordinal(period: str) -> int:
    year, month, day = (*map(int, period.split("-")), 1, 1)[:3]
    if len(period) == _MONTH:
        return year * 12 + month
    return year if len(period) < _MONTH else date(year, month, day).toordinal()
