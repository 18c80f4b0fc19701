"""How rollup rows are keyed: one row for each (store, period, staff, payment group)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorClientSession

from repositories.database import COUNTERS, TOTALS, Database
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.reporting.rollups import RollupKey

_SPANS: Final = {len("2026"): "year", len("2026-01"): "month", len("2026-01-31"): "day"}
#: What a store's counters say where its totals have rows of years.
_YEARLY: Final = "year"


def row_id(store: str, key: RollupKey) -> dict[str, Any]:
    """The `_id` of a row. Sub-documents sort field by field, so a range of days of one store is a range of `_id`."""
    return {**_leading(store, key.period), "staff": key.staff, "mode": key.group}


def measures(row: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Each measure of a stored row, as `orders.Completed.paid`, and its sum."""
    for kind in (ESTIMATES, ORDERS):
        for status, sums in row.get(kind, {}).items():
            for name, amount in sums.items():
                yield f"{kind}.{status}.{name}", amount


def row_key(row_id: dict[str, Any]) -> RollupKey:
    """The other way round."""
    return RollupKey(row_id["period"], row_id["staff"], row_id["mode"])


def row_range(store: str, first: str, last: str) -> dict[str, Any]:
    """A filter for the rows of the periods `first` to `last`, both included: two days, two months, or two years."""
    return {"_id": {"$gte": _leading(store, first), "$lt": _leading(store, last + "\x00")}}


def _leading(store: str, period: str) -> dict[str, Any]:
    return {"store": store, "span": _SPANS[len(period.rstrip("\x00"))], "period": period}


async def add_years(database: Database, store: str) -> None:
    """Adds up the rows of months to rows of years, in a store that was begun before there were any.

    :raises PyMongoError: callers translate.
    """

    async def add(session: AsyncIOMotorClientSession) -> None:
        # First, so that nothing is sold meanwhile.
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
