"""The backfill of yearly rollups, for stores that only have monthly ones."""

from collections import Counter
from typing import Final

from motor.motor_asyncio import AsyncIOMotorClientSession

from repositories.database.client import Database
from repositories.reporting.rollup_rows import measures, row_id, row_key, row_range
from schemas.core.collections import COUNTERS, TOTALS
from schemas.reporting.rollups import RollupKey

#: The value of `totals` in a store's counters when its rollups include years.
_YEARLY: Final = "year"


async def add_yearly_rollups(database: Database, store: str) -> None:
    """Sum the monthly rollups to yearly ones, in a store of an earlier version.

    :raises PyMongoError: callers translate.
    """

    async def add(session: AsyncIOMotorClientSession) -> None:
        # First, because this write makes concurrent sales wait.
        begun = await database[COUNTERS].update_one(
            {"_id": store, "totals": {"$ne": _YEARLY}}, {"$set": {"totals": _YEARLY}}, session=session
        )
        if not begun.modified_count:
            return
        sums: dict[RollupKey, Counter[str]] = {}
        async for row in database[TOTALS].find(row_range(store, "0000-00", "9999-99"), session=session):
            month = row_key(row["_id"])
            sums.setdefault(month._replace(period=month.period[:4]), Counter()).update(dict(measures(row)))
        for key, row in sums.items():
            await database[TOTALS].update_one({"_id": row_id(store, key)}, {"$inc": row}, upsert=True, session=session)

    async with await database.client.start_session() as session:
        await session.with_transaction(add)
