"""The stores of a database."""

import asyncio
from datetime import date
from zoneinfo import ZoneInfo

from repositories.database.client import Database
from repositories.database.errors import read_deadline
from repositories.reporting.reports import ReportRepository
from schemas.core.calendar import Clock
from schemas.core.collections import COUNTERS
from schemas.reporting.rollups import Row


async def store_exists(database: Database, name: str) -> bool:
    """Return whether a store exists: whether it has counters."""
    async with read_deadline():
        return await database[COUNTERS].find_one({"_id": name}, {"_id": 1}) is not None


async def store_names(database: Database) -> list[str]:
    """Return the names of a database's stores, in alphabetical order."""
    async with read_deadline():
        return [row["_id"] for row in await database[COUNTERS].find({}, {"_id": 1}).sort("_id", 1).to_list(None)]


class AllStoresReports:
    """The rollups of all stores of a database."""

    def __init__(self, database: Database, zone: ZoneInfo, clock: Clock) -> None:
        self._database = database
        self._zone = zone
        self._clock = clock

    async def between(self, start: date | None, end: date | None) -> dict[str, list[Row]]:
        """Return, by store, the rollup rows that cover the days from `start` to `end`, both included."""
        names = await store_names(self._database)
        stores = [ReportRepository(self._database, name, self._zone, self._clock) for name in names]
        rows = await asyncio.gather(*(store.between(start, end) for store in stores))
        return dict(zip(names, rows, strict=True))
