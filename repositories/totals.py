"""How rollup rows are keyed: one row for each (store, period, staff, payment group)."""

from typing import Any

from schemas.rollups import RollupKey


def row_id(store: str, key: RollupKey) -> dict[str, Any]:
    """The `_id` of a row. Sub-documents sort field by field, so a range of days of one store is a range of `_id`."""
    return {**_leading(store, key.period), "staff": key.staff, "mode": key.group}


def row_key(row_id: dict[str, Any]) -> RollupKey:
    """The other way round."""
    return RollupKey(row_id["period"], row_id["staff"], row_id["mode"])


def row_range(store: str, first: str, last: str) -> dict[str, Any]:
    """A filter for the rows of the periods `first` to `last`, both included: two days, or two months."""
    return {"_id": {"$gte": _leading(store, first), "$lt": _leading(store, last + "\x00")}}


def _leading(store: str, period: str) -> dict[str, Any]:
    return {
        "store": store,
        "span": "month" if len(period.rstrip("\x00")) == len("2026-01") else "day",
        "period": period,
    }
