"""The live board's data: today's report and its hours, made of hourly rollup rows. Pure."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from schemas.reporting.reports import NO_ITEMS, day_report
from schemas.reporting.rollups import Row
from schemas.reporting.sums import Sums

Json = dict[str, Any]

#: The number of latest sales.
LATEST_COUNT: Final = 12
_HOURS: Final = 24
# Without the customer, since customers can see the board.
_SHOWN: Final = ("order_id", "sale_number", "created_at", "sale_by", "payment_mode", "amount_paid", "total", "status")


def build_board(day: date, rows: Sequence[Row], orders: Sequence[Json]) -> Json:
    """Return the figures of a day.

    :param rows: hourly rows, with periods such as `2026-01-31T09`; all figures come from them, so they agree.
    :param orders: the day's latest, serialized, newest first.
    """
    return {
        "date": day.isoformat(),
        **day_report(rows, NO_ITEMS, NO_ITEMS, 0),
        "by_hour": _by_hour(rows),
        "latest": [{name: order[name] for name in _SHOWN} for order in orders],
    }


def _by_hour(rows: Sequence[Row]) -> list[Json]:
    """Return the figures of each of the 24 hours of the shop's clock."""
    sums_of_hours = Sums.by(lambda row: row.key.period[-2:], rows)
    return [
        {"hour": hour, "orders": sums.earned.shown(), "estimates": sums.estimated.shown()}
        for hour, sums in ((hour, sums_of_hours[f"{hour:02}"]) for hour in range(_HOURS))
    ]
