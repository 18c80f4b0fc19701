"""Reports, read from the rollups: their cost grows with days, staff and payment modes, never with sales."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from pymongo.read_concern import ReadConcern

from repositories.concurrency.threads import offload
from repositories.database.client import Database
from repositories.database.errors import read_deadline
from repositories.database.raw_documents import decode_document, find_raw
from repositories.reporting.rollup_rows import row_key, row_range
from schemas.core.calendar import business_date, month_of
from schemas.core.collections import TOTALS
from schemas.reporting.periods import PeriodRange, covering_periods
from schemas.reporting.rollups import Row

_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
#: All rows as of one instant: what is taken off a row again is what was added to it.
_AS_OF_ONE_INSTANT: Final = ReadConcern("snapshot")
#: More than a report has, as a rule, so that it is one round trip.
_AT_ONCE: Final = 10_000
#: Rows that need not be decoded again while they are the same, as those of most days are.
_KEPT: Final = 2_048


class ReportRepository:
    """The totals of one store."""

    def __init__(self, database: Database, store: str, zone: ZoneInfo, clock: Callable[[], datetime]) -> None:
        self._totals = database.get_collection(TOTALS, read_concern=_AS_OF_ONE_INSTANT)
        self._store = store
        self._zone = zone
        self._clock = clock

    async def between(self, start: date | None, end: date | None) -> list[Row]:
        """The rows of the few periods that make up the days from `start` to `end`, both included; some are taken off.

        :raises Unavailable: the database is away.
        """
        today = business_date(self._clock(), self._zone)
        return await self._rows(covering_periods(start or _FIRST_DAY, end or _LAST_DAY, today))

    async def month(self, first: date, last: date) -> tuple[list[Row], list[Row]]:
        """The rollup rows of a month, and those of each of its days, from the `first` to the `last`.

        :raises Unavailable: the database is away.
        """
        month = month_of(first)
        rows = await self._rows([PeriodRange(month, month), PeriodRange(first.isoformat(), last.isoformat())])
        return [row for row in rows if row.key.period == month], [row for row in rows if row.key.period != month]

    async def _rows(self, spans: Sequence[PeriodRange]) -> list[Row]:
        filters = [row_range(self._store, span.first, span.last) for span in spans]
        async with read_deadline():
            found = await find_raw(self._totals, {"$or": filters} if len(filters) > 1 else filters[0], _AT_ONCE)
        return await offload(len(found), _signed, found, [span for span in spans if span.sign < 0])


def _signed(found: Sequence[bytes], taken_off: Sequence[PeriodRange]) -> list[Row]:
    """Return the rows as they are to be added up: those of some spans are to be taken off."""
    rows = [_row(stored) for stored in found]
    if not taken_off:
        return rows
    return [row._replace(sign=-1) if any(row.key.period in span for span in taken_off) else row for row in rows]


@lru_cache(_KEPT)
def _row(stored: bytes) -> Row:
    row = decode_document(stored)
    return Row(row_key(row["_id"]), row)
