"""The stores of a database: which there are, and what is theirs."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from repositories.database import COUNTERS, ORIGINALS, TOTALS, Database
from repositories.errors import answered
from repositories.late_documents import NUMBERED
from repositories.reports import ReportRepository
from schemas.core.collections import CUSTOMERS, ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.reporting.rollups import Row


def of_store(collection: str, store: str) -> Document:
    """A filter, which an index serves, for all that a store has in a collection of documents."""
    if collection in (TOTALS, ORIGINALS):
        # A range of `_id`, which has an index; a field inside of it has none.
        return {"_id": {"$gte": {"store": store}, "$lt": {"store": store + "\x00"}}}
    if collection in (ESTIMATES, ORDERS):
        # The earlier backend may still write here, and what it writes has no number of ours.
        return {"store": store, "number": {"$gte": 0}}
    return {"store": store}


def named(collection: str, store: str, ids: Iterable[str]) -> Document:
    """A filter, which indexes serve, for what ids name; customers are named by their phone numbers as well."""
    by_id: Document = {"_id": {"$in": list(ids)}, **(NUMBERED if collection in (ESTIMATES, ORDERS) else {})}
    if collection == CUSTOMERS:
        by_id = {"$or": [by_id, {"store": store, "numbers": {"$in": list(ids)}}]}
    return {**by_id, "store": store}


async def store_exists(database: Database, name: str) -> bool:
    """Whether somebody founded a store of that name: it has counters then.

    :raises Unavailable: the database is away.
    """
    async with answered():
        return await database[COUNTERS].find_one({"_id": name}, {"_id": 1}) is not None


async def store_names(database: Database) -> list[str]:
    """The stores of a database, by name.

    :raises Unavailable: the database is away.
    """
    async with answered():
        return [row["_id"] for row in await database[COUNTERS].find({}, {"_id": 1}).sort("_id", 1).to_list(None)]


class AllStores:
    """The totals of all the stores of a database, for those who may see them all."""

    def __init__(self, database: Database, zone: ZoneInfo, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._zone = zone
        self._clock = clock

    async def between(self, start: date | None, end: date | None) -> dict[str, list[Row]]:
        """By store, the rollup rows that make up these days, both included.

        :raises Unavailable: the database is away.
        """
        names = await store_names(self._database)
        stores = [ReportRepository(self._database, name, self._zone, self._clock) for name in names]
        rows = await asyncio.gather(*(store.between(start, end) for store in stores))
        return dict(zip(names, rows, strict=True))
