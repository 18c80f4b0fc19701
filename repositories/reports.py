"""Reports, read from the rollups: their cost grows with days, staff and payment modes, never with sales."""

from collections.abc import Iterable
from datetime import date

from repositories.database import TOTALS, Database
from repositories.errors import answered
from repositories.totals import row_key, row_range
from schemas.calendar import periods
from schemas.rollups import Row

_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)


class ReportRepository:
    """The totals of one store."""

    def __init__(self, database: Database, store: str) -> None:
        self._totals = database[TOTALS]
        self._store = store

    async def between(self, start: date | None, end: date | None) -> list[Row]:
        """The rollup rows that make up the days from `start` to `end`, both included, by month where months are whole.

        :raises Unavailable: the database is away.
        """
        return await self._rows(periods(start or _FIRST_DAY, end or _LAST_DAY))

    async def by_day(self, start: date, end: date) -> list[Row]:
        """The rollup rows of each day from `start` to `end`, both included.

        :raises Unavailable: the database is away.
        """
        return await self._rows([(start.isoformat(), end.isoformat())])

    async def _rows(self, ranges: Iterable[tuple[str, str]]) -> list[Row]:
        filters = [row_range(self._store, first, last) for first, last in ranges]
        async with answered():
            found = await self._totals.find({"$or": filters} if len(filters) > 1 else filters[0]).to_list(None)
        return [Row(row_key(row["_id"]), row) for row in found]
