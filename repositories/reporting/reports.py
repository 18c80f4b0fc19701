"""Reads of rollup rows for reports: their cost grows with days, staff and payment modes, not with sales."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from pymongo.read_concern import ReadConcern

from repositories.concurrency.threads import offload
from repositories.database.client import Database
from repositories.database.errors import read_deadline
from repositories.database.raw_documents import decode_document, find_raw
from repositories.reporting.rollup_rows import row_key, row_range
from schemas.core.calendar import Clock, business_date, month_of
from schemas.core.collections import TOTALS
from schemas.reporting.periods import PeriodRange, covering_periods
from schemas.reporting.rollups import Rollup, Row

_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
#: All rows as of one instant, since rows are subtracted from others.
_SNAPSHOT: Final = ReadConcern("snapshot")
#: More than most reports need, so that one round trip is enough.
_BATCH_SIZE: Final = 10_000
#: Decoded rows, since those of most days do not change.
_CACHE_SIZE: Final = 2_048


class ReportRepository:
    """The rollups of one store."""

    def __init__(self, database: Database, store: str, zone: ZoneInfo, clock: Clock) -> None:
        self._totals = database.get_collection(TOTALS, read_concern=_SNAPSHOT)
        self._store = store
        self._zone = zone
        self._clock = clock

    async def between(self, start: date | None, end: date | None) -> list[Row]:
        """Return the rows of the few periods that add up to the days from `start` to `end`, both included.

        The rows of some periods are subtracted: their sign is -1.
        """
        today = business_date(self._clock(), self._zone)
        return await self._rows(covering_periods(start or _FIRST_DAY, end or _LAST_DAY, today))

    async def month(self, first: date, last: date) -> tuple[list[Row], list[Row]]:
        """Return the rows of a month, and those of its days from `first` to `last`."""
        month = month_of(first)
        rows = await self._rows([PeriodRange(month, month), PeriodRange(first.isoformat(), last.isoformat())])
        return [row for row in rows if row.key.period == month], [row for row in rows if row.key.period != month]

    async def _rows(self, spans: Sequence[PeriodRange]) -> list[Row]:
        filters = [row_range(self._store, span.first, span.last) for span in spans]
        async with read_deadline():
            found = await find_raw(self._totals, {"$or": filters} if len(filters) > 1 else filters[0], _BATCH_SIZE)
        return await offload(len(found), _signed, found, [span for span in spans if span.sign < 0])


def _signed(found: Sequence[bytes], subtracted: Sequence[PeriodRange]) -> list[Row]:
    """Return the decoded rows, with sign -1 for those of subtracted spans."""
    rows = [_row(stored) for stored in found]
    if not subtracted:
        return rows
    return [row._replace(sign=-1) if any(row.key.period in span for span in subtracted) else row for row in rows]


@lru_cache(_CACHE_SIZE)
def _row(stored: bytes) -> Row:
    row: Rollup = decode_document(stored)
    return Row(row_key(row["_id"]), row)
