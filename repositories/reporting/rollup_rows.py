"""The keys of rollup rows: one row for each (store, period, staff, payment group)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from schemas.core.collections import DOCUMENT_KINDS
from schemas.reporting.rollups import RollupId, RollupKey, RollupPeriod

_SPANS: Final = {len("2026"): "year", len("2026-01"): "month", len("2026-01-31"): "day"}


def row_id(store: str, key: RollupKey) -> RollupId:
    """Return the `_id` of a row. Subdocuments sort field by field, so the days of a store are a range of `_id`."""
    return {**_leading(store, key.period), "staff": key.staff, "mode": key.group}


def measures(row: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield each measure of a stored row, such as `orders.Completed.paid`, and its sum."""
    for kind in DOCUMENT_KINDS:
        for status, sums in row.get(kind, {}).items():
            for name, amount in sums.items():
                yield f"{kind}.{status}.{name}", amount


def row_key(row_id: RollupId) -> RollupKey:
    return RollupKey(row_id["period"], row_id["staff"], row_id["mode"])


def row_range(store: str, first: str, last: str) -> dict[str, Any]:
    """Return a filter for the rows from period `first` to `last`, both included: days, months or years."""
    return {"_id": {"$gte": _leading(store, first), "$lt": _leading(store, last + "\x00")}}


def _leading(store: str, period: str) -> RollupPeriod:
    return {"store": store, "span": _SPANS[len(period.rstrip("\x00"))], "period": period}
