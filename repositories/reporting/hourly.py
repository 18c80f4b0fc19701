"""The hours of the present day, computed from its documents.

The rollups have days as their smallest period: a row for each hour would cost each sale one more write. The hours are
requested by screens, for one day only, and cost as much as that day has documents.
"""

import asyncio
from datetime import date
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from repositories.concurrency.threads import offload
from repositories.database.client import Database
from repositories.database.coalescing import CoalescedRead
from repositories.database.store_scope import HAS_NUMBER
from schemas.core.calendar import Clock, business_date, day_bounds
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.reporting.rollups import NO_PAYMENT, RollupKey, Row
from schemas.sales.statuses import CONVERTED, PENDING

# The offset of each time zone is a multiple of 15 minutes, so each quarter lies in one hour of the shop.
_QUARTER: Final = {"$dateTrunc": {"date": "$created_at", "unit": "minute", "binSize": 15}}
# The largest share of the time that the database may spend on this.
_MAX_SHARE: Final = 0.2
_COUNT: Final = {"$sum": 1}
_GROUPS: Final[dict[str, dict[str, Any]]] = {
    ESTIMATES: {
        "_id": {"quarter": _QUARTER, "staff": "$sale_by", "status": "$converted"},
        "count": _COUNT,
        "total": {"$sum": "$total"},
    },
    ORDERS: {
        "_id": {"quarter": _QUARTER, "staff": "$sale_by", "status": "$status", "group": "$payment_group"},
        "count": _COUNT,
        "paid": {"$sum": "$amount_paid"},
        "sold": {"$sum": "$total"},
    },
}


class HourlyRows(NamedTuple):
    """A day's rows in the form of rollup rows, with periods such as `2026-01-31T09`. Rows of the same key add up."""

    day: date
    rows: list[Row]


class HourRepository:
    """The documents of one store by hour of the shop, without voided ones."""

    def __init__(self, database: Database, store: str, zone: ZoneInfo, clock: Clock) -> None:
        self._database = database
        self._store = store
        self._zone = zone
        self._clock = clock
        # Limited, so that the database serves sales first, however many screens request this after each sale.
        self.today = CoalescedRead(self._today, _MAX_SHARE)

    async def _today(self) -> HourlyRows:
        """Return the hours of the shop's present day."""
        day = date.fromisoformat(business_date(self._clock(), self._zone))
        rows = await asyncio.gather(*(self._of_kind(kind, day) for kind in _GROUPS))
        return HourlyRows(day, [row for of_kind in rows for row in of_kind])

    async def _of_kind(self, kind: str, day: date) -> list[Row]:
        begin, end = day_bounds(day, self._zone)
        of_day = {"store": self._store, "created_at": {"$gte": begin, "$lt": end}, "voided_at": None, **HAS_NUMBER}
        pipeline: list[dict[str, Any]] = [{"$match": of_day}, {"$group": _GROUPS[kind]}]
        found = await self._database[kind].aggregate(pipeline, hint="newest").to_list(None)
        return await offload(len(found), lambda: [self._row(kind, **group) for group in found])

    def _row(self, kind: str, _id: dict[str, Any], **sums: int) -> Row:
        hour = _id["quarter"].astimezone(self._zone).strftime("%Y-%m-%dT%H")
        status = _id["status"]
        if kind == ESTIMATES:
            status = CONVERTED if status else PENDING
        key = RollupKey(hour, _id["staff"], _id.get("group", NO_PAYMENT))
        return Row(key, {kind: {status: sums}})
