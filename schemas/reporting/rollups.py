"""What each document adds to the totals that reports read.

A rollup row belongs to (period, staff, payment group), where a period is a day (`2026-01-31`), a month (`2026-01`)
or a year (`2026`); estimates have no payment and stand under the empty group. Its measures are counts and sums of minor
units:

    estimates.<status>.count, .total            status: Pending, Converted
    orders.<status>.count, .paid, .sold         status: as of the order; paid: amount_paid; sold: total
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from schemas.core.collections import ESTIMATES, ORDERS
from schemas.sales import statuses

NO_PAYMENT = ""
_MEASURES: Final = {ESTIMATES: ("count", "total"), ORDERS: ("count", "paid", "sold")}
#: Of a day, how many characters name the day itself, its month and its year.
_PERIODS: Final = (len("2026-01-31"), len("2026-01"), len("2026"))


class RollupKey(NamedTuple):
    period: str
    staff: str
    group: str


class Row(NamedTuple):
    """A rollup row as it is stored: its measures stand nested, as `measures["orders"]["Completed"]["paid"]`.

    sign: -1 where they are to be taken off a sum, in which those of a longer period stand.
    """

    key: RollupKey
    measures: Mapping[str, Any]
    sign: int = 1


class RollupDeltas:
    """What documents add to the rollup rows: each estimate and order that is not voided, once for its day, once for
    the month and once for the year."""

    def __init__(self) -> None:
        # First by the day, as most of what is added together is of one: the rows are made when all of it is there.
        self._days: dict[tuple[str, str, RollupKey], list[int]] = {}

    def add(self, kind: str, document: Mapping[str, Any] | None, sign: int = 1) -> None:
        """:param sign: -1 for what a document added before it was changed. document: a voided or absent one adds
        nothing."""
        if document is None or document["voided_at"] is not None:
            return
        if kind == ESTIMATES:
            status = statuses.CONVERTED if document["converted"] else statuses.PENDING
            group, amounts = NO_PAYMENT, [1, document["total"]]
        else:
            status = document["status"]
            group, amounts = document["payment_group"], [1, document["amount_paid"], document["total"]]
        place = kind, status, RollupKey(document["business_date"], document["sale_by"], group)
        sums = self._days.get(place)
        if sums is None:
            sums = self._days[place] = [0] * len(amounts)
        for index, amount in enumerate(amounts):
            sums[index] += sign * amount

    def rows(self) -> dict[RollupKey, dict[str, int]]:
        """The sums by row and measure, as `orders.Completed.paid`; zeros left out."""
        rows: dict[RollupKey, dict[str, int]] = {}
        for (kind, status, key), sums in self._days.items():
            for name, amount in zip(_MEASURES[kind], sums, strict=True):
                if amount:
                    for length in _PERIODS:
                        row = rows.setdefault(key._replace(period=key.period[:length]), {})
                        measure = f"{kind}.{status}.{name}"
                        row[measure] = row.get(measure, 0) + amount
        kept = {key: {name: amount for name, amount in row.items() if amount} for key, row in rows.items()}
        return {key: row for key, row in kept.items() if row}
