"""The shop's calendar: conversion between UTC instants and days and times of the shop's zone."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

#: Returns the present instant, UTC.
Clock = Callable[[], datetime]

# How far a shop's day and the UTC day of the same date can be apart, at most (zones reach from -12 to +14 hours).
_FARTHEST = timedelta(hours=26)
# Documents of one commit share an instant, and each instant is shown several times.
_INSTANTS = 256


@lru_cache(_INSTANTS)
def business_date(instant: datetime, zone: ZoneInfo) -> str:
    """Return the shop's day of an instant, `YYYY-MM-DD`."""
    return instant.astimezone(zone).date().isoformat()


@lru_cache(_INSTANTS)
def shop_time(instant: datetime, zone: ZoneInfo) -> str:
    """Return an instant in ISO 8601 with the shop's offset, such as `2026-01-31T23:59:59.000+05:30`."""
    return instant.astimezone(zone).isoformat(timespec="milliseconds")


def widest_bounds(start: date | None, end: date | None) -> tuple[datetime | None, datetime | None]:
    """Return instants that enclose the days `start` to `end` in every zone: bounds for an index, not a filter."""
    lower = datetime.combine(start, time.min, tzinfo=UTC) - _FARTHEST if start else None
    upper = datetime.combine(end, time.max, tzinfo=UTC) + _FARTHEST if end else None
    return lower, upper


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the UTC instants at which a shop's day and the next one begin, 23 to 25 hours apart."""
    first, following = (datetime.combine(each, time.min, tzinfo=zone) for each in (day, day + timedelta(days=1)))
    return first.astimezone(UTC), following.astimezone(UTC)


def month_of(day: date) -> str:
    """Return the month of a day, `YYYY-MM`."""
    return day.isoformat()[: len("YYYY-MM")]


def month_days(year: int, month: int) -> tuple[date, date]:
    """Return the first and the last day of a month."""
    first = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    return first, following - timedelta(days=1)


def days(start: date, end: date) -> Iterator[date]:
    """Yield each day from `start` to `end`, both included."""
    while start <= end:
        yield start
        start += timedelta(days=1)
