"""The hours of today, added up from today's documents.

The totals know days and nothing finer: a row for each hour would be one more write of every sale, for ever. What is
asked here is asked by screens, about one day, and costs what that day holds.
"""

import asyncio
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from repositories.concurrency.threads import offload
from repositories.database.client import Database
from repositories.database.coalescing import CoalescedRead
from repositories.database.store_scope import HAS_NUMBER
from schemas.core.calendar import business_date, day_bounds
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.reporting.rollups import NO_PAYMENT, RollupKey, Row
from schemas.sales.statuses import CONVERTED, PENDING

# Every zone's offset is a whole number of quarters, so a quarter lies in one hour of the shop, whichever its zone.
_QUARTER: Final = {"$dateTrunc": {"date": "$created_at", "unit": "minute", "binSize": 15}}
# How much of the time the day may be added up at most.
_SHARE: Final = 0.2
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


class Hours(NamedTuple):
    """A day's rows, as the totals would have them if they had hours: with periods as `2026-01-31T09`.

    Several may be of one key; they are to be added up.
    """

    day: date
    rows: list[Row]


class HourRepository:
    """The live documents of one store, by the hour of the shop in which they were made."""

    def __init__(self, database: Database, store: str, zone: ZoneInfo, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._store = store
        self._zone = zone
        self._clock = clock
        # However many screens ask, and at however many heads of the log, selling has the database for itself mostly.
        self.today = CoalescedRead(self._today, _SHARE)

    async def _today(self) -> Hours:
        """`today`: the hours of the shop's present day; all who ask together share a reading.

        :raises Unavailable: the database is away.
        """
        day = date.fromisoformat(business_date(self._clock(), self._zone))
        rows = await asyncio.gather(*(self._of_kind(kind, day) for kind in _GROUPS))
        return Hours(day, [row for of_kind in rows for row in of_kind])

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
