"""What the live board shows: today's report, made of rows of hours, with the hours apart. Pure."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from schemas.reporting.reports import NO_ITEMS, day_report
from schemas.reporting.rollups import Row
from schemas.reporting.sums import Sums

Json = dict[str, Any]

#: How many of the latest sales there are.
LATEST_COUNT: Final = 12
_HOURS: Final = 24
# The board hangs where customers see it, so who bought is not among these.
_SHOWN: Final = ("order_id", "sale_number", "created_at", "sale_by", "payment_mode", "amount_paid", "total", "status")


def build_board(day: date, rows: Sequence[Row], orders: Sequence[Json]) -> Json:
    """The figures of a day.

    :param rows: with periods as `2026-01-31T09`; all figures are made of them, so that they agree with one another.
    :param orders: the day's latest, as shown, newest first.
    """
    return {
        "date": day.isoformat(),
        **day_report(rows, NO_ITEMS, NO_ITEMS, 0),
        "by_hour": _by_hour(rows),
        "latest": [{name: order[name] for name in _SHOWN} for order in orders],
    }


def _by_hour(rows: Sequence[Row]) -> list[Json]:
    """Each of the 24 hours of the shop's clock, empty ones too."""
    sums_of_hours = Sums.by(lambda row: row.key.period[-2:], rows)
    return [
        {"hour": hour, "orders": sums.earned.shown(), "estimates": sums.estimated.shown()}
        for hour, sums in ((hour, sums_of_hours[f"{hour:02}"]) for hour in range(_HOURS))
    ]
