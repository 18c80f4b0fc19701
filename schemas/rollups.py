"""What each document adds to the totals that reports read.

A rollup row belongs to (period, staff, payment group), where a period is a day (`2026-01-31`), a month (`2026-01`)
or a year (`2026`); estimates have no payment and stand under the empty group. Its measures are counts and sums of minor
units:

    estimates.<status>.count, .total            status: Pending, Converted
    orders.<status>.count, .paid, .sold         status: as of the order; paid: amount_paid; sold: total
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from schemas import statuses

ESTIMATES = "estimates"
ORDERS = "orders"
CUSTOMERS = "customers"
NO_PAYMENT = ""


class RollupKey(NamedTuple):
    period: str
    staff: str
    group: str


class Row(NamedTuple):
    """A rollup row as it is stored: its measures stand nested, as `measures["orders"]["Completed"]["paid"]`."""

    key: RollupKey
    measures: Mapping[str, Any]


def contributions(kind: str, document: Mapping[str, Any] | None) -> Iterator[tuple[RollupKey, str, int]]:
    """Each (row, measure, amount) that an estimate or an order adds; a voided or absent one adds nothing."""
    if document is None or document["voided_at"] is not None:
        return
    if kind == ESTIMATES:
        status = statuses.CONVERTED if document["converted"] else statuses.PENDING
        group, sums = NO_PAYMENT, {"count": 1, "total": document["total"]}
    else:
        status = document["status"]
        group = document["payment_group"]
        sums = {"count": 1, "paid": document["amount_paid"], "sold": document["total"]}
    day = document["business_date"]
    for period in (day, day[:7], day[:4]):
        key = RollupKey(period, document["sale_by"], group)
        for name, amount in sums.items():
            yield key, f"{kind}.{status}.{name}", amount
