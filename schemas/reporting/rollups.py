"""Rollup rows: the sums of documents that reports read.

A row belongs to (period, staff, payment group). A period is a day (`2026-01-31`), a month (`2026-01`) or a year
(`2026`). Estimates have no payment and belong to the empty group. The measures are counts and sums of minor units:

    estimates.<status>.count, .total            status: Pending, Converted
    orders.<status>.count, .paid, .sold         status: as of the order; paid: amount_paid; sold: total
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, NotRequired, TypedDict

from schemas.core.collections import ESTIMATES, ORDERS
from schemas.sales import statuses

NO_PAYMENT = ""
_MEASURES: Final = {ESTIMATES: ("count", "total"), ORDERS: ("count", "paid", "sold")}
#: How many characters of a day name the day, its month and its year.
_PERIODS: Final = (len("2026-01-31"), len("2026-01"), len("2026"))


class RollupPeriod(TypedDict):
    store: str
    span: str  # year, month or day
    period: str


class RollupId(RollupPeriod):
    staff: str
    mode: str  # the payment group


class Rollup(TypedDict):
    """A row as it is stored: counts and minor units, by status and measure."""

    _id: RollupId
    estimates: NotRequired[dict[str, dict[str, int]]]
    orders: NotRequired[dict[str, dict[str, int]]]


class RollupKey(NamedTuple):
    period: str
    staff: str
    group: str


class Row(NamedTuple):
    """A rollup row as it is stored.

    :ivar measures: nested, such as `measures["orders"]["Completed"]["paid"]`.
    :ivar sign: -1 to subtract the row from the row of a longer period.
    """

    key: RollupKey
    measures: Mapping[str, Any]
    sign: int = 1


class RollupDeltas:
    """The changes of rollup rows: each document that is not voided counts for its day, its month and its year."""

    def __init__(self) -> None:
        # First by day, since most documents that are added together are of one day; `rows` makes the rows at the end.
        self._days: dict[tuple[str, str, RollupKey], list[int]] = {}

    def add(self, kind: str, document: Mapping[str, Any] | None, sign: int = 1) -> None:
        """Add a document.

        :param document: None or a voided one adds nothing.
        :param sign: -1 to subtract the document as it was before a change.
        """
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
        """Return the sums by row and measure (`orders.Completed.paid`), without zeros."""
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
