"""The times of purchases: hours, weekends, and the days before festivals."""

import random
from datetime import UTC, date, datetime, time, timedelta
from itertools import accumulate
from typing import Final
from zoneinfo import ZoneInfo

OPENS, CLOSES = 9, 21
#: Weights of the hours from 9:00. Late morning and early evening are busy.
_HOURS: Final = (2, 5, 8, 9, 6, 4, 4, 6, 9, 10, 8, 3)
#: Weights of the weekdays from Monday.
_WEEKDAYS: Final = (0.9, 0.8, 0.9, 0.95, 1.05, 1.5, 1.35)

#: The factor of sales on the day before a festival: for movable festivals by year, and for fixed ones.
_FESTIVALS: Final[dict[str, float]] = {
    **dict.fromkeys(("2023-11-12", "2024-10-31", "2025-10-20", "2026-11-08", "2027-10-29"), 2.4),  # Diwali
    **dict.fromkeys(("2024-03-25", "2025-03-14", "2026-03-04", "2027-03-22"), 1.2),  # Holi
    **dict.fromkeys(("2024-04-11", "2025-03-31", "2026-03-21", "2027-03-10"), 1.4),  # Eid al-Fitr
    **dict.fromkeys(("2023-10-24", "2024-10-12", "2025-10-02", "2026-10-20", "2027-10-09"), 1.5),  # Dussehra
    **dict.fromkeys(("2024-09-15", "2025-09-05", "2026-08-26", "2027-09-12"), 1.3),  # Onam
}
_YEARLY: Final = {"01-14": 1.3, "08-15": 0.6, "12-25": 0.8}
_EVE_DAYS: Final = 12


def weight(day: date) -> float:
    """Return how busy a day is; an ordinary weekday is about 1."""
    weight = _WEEKDAYS[day.weekday()]
    for ahead in range(_EVE_DAYS + 1):
        coming = day + timedelta(days=ahead)
        more = _FESTIVALS.get(coming.isoformat(), 0) + _YEARLY.get(coming.isoformat()[5:], 0)
        # On the day itself, people stay at home.
        weight *= 0.4 if more and not ahead else 1 + more * (1 - ahead / (_EVE_DAYS + 1)) * 0.5
    return weight


def moments(chance: random.Random, count: int, days: list[date], zone: ZoneInfo, until: datetime) -> list[datetime]:
    """Return times of purchases (UTC, whole milliseconds) before `until`, ascending and all different.

    Purchases of today after `until` are moved to earlier days, so that today is as busy as other days are until the
    same hour.
    """
    # Time for those that are moved apart.
    end = until - timedelta(seconds=1)
    busy = [weight(day) for day in days]
    chosen = chance.choices(days, busy, k=count)
    hours = chance.choices(range(OPENS, CLOSES), _HOURS, k=count)
    earlier = [day for day in days if _at(day, CLOSES, zone) <= end]
    earlier_busy = list(accumulate(map(weight, earlier)))
    found = []
    for day, hour in zip(chosen, hours, strict=True):
        within = timedelta(milliseconds=chance.randrange(3_600_000))
        moment = _at(day, hour, zone) + within
        if moment >= end:
            other = chance.choices(earlier, cum_weights=earlier_busy)[0] if earlier else day - timedelta(days=1)
            moment = _at(other, hour, zone) + within
        found.append(moment)
    return apart(sorted(found))


def _at(day: date, hour: int, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(hour), zone).astimezone(UTC)


def apart(ascending: list[datetime]) -> list[datetime]:
    """Return the same times, but each in another millisecond."""
    found = ascending[:1]
    for moment in ascending[1:]:
        found.append(max(moment, found[-1] + timedelta(milliseconds=1)))
    return found
