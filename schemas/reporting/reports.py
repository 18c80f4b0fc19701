"""Reports, made of rollup rows and serialized documents. Pure.

The amount of orders is the sum of `amount_paid` without cancelled and refunded orders, which are counted separately.
Estimates are no revenue.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from schemas.core.calendar import days, month_of
from schemas.core.money import divide_half_up, to_json
from schemas.reporting.rollups import Row
from schemas.reporting.staff import MAX_STAFF, StaffCursor, StaffPage, staff_page
from schemas.reporting.sums import CountAndAmount, Sums
from schemas.sales.statuses import CANCELLED, COMPLETED, CONVERTED, PAYMENT_GROUPS, PENDING, REFUNDED

Json = dict[str, Any]

RECENT_COUNT: Final = 5


class Items(NamedTuple):
    """Documents, newest first: all of them serialized, and the first `RECENT_COUNT` as objects."""

    shown: Sequence[Any]
    newest: Sequence[Json]


NO_ITEMS: Final = Items((), ())


def day_report(rows: Sequence[Row], estimates: Items, orders: Items, items: int) -> Json:
    """Return the report of a day or of a range of days.

    :param estimates: at least `RECENT_COUNT`, where there are so many.
    :param orders: likewise.
    :param items: how many of each the report shows.
    """
    by_staff = sums_by_staff(rows)
    sums = Sums.of_all(by_staff.values())
    estimated, earned = sums.estimated, sums.earned
    return {
        "summary": {
            "total_transactions": estimated.count + earned.count,
            "total_revenue": to_json(earned.amount),
            "estimates_count": estimated.count,
            "orders_count": earned.count,
            **_app_summary(sums),
        },
        "estimates": {
            **estimated.shown("total_amount"),
            "conversion_breakdown": _conversions(sums),
            "items": estimates.shown[:items],
        },
        "orders": {
            **earned.shown("total_amount"),
            **_orders_apart(sums),
            "items": orders.shown[:items],
        },
        **_app_members(sums, staff_page(by_staff), estimates, orders),
    }


def monthly_report(
    of_month: Sequence[Row], of_days: Sequence[Row], first: date, last: date, estimates: Items, orders: Items
) -> Json:
    """Return the report of a month, with each of its days."""
    by_staff = sums_by_staff(of_month)
    by_day = Sums.by(lambda row: row.key.period, of_days)
    sums = Sums.of_all(by_staff.values())
    sums_of_days = {day.isoformat(): by_day[day.isoformat()] for day in days(first, last)}
    estimated, earned = sums.estimated, sums.earned
    return {
        "period": month_of(first),
        "summary": {
            "total_estimates": estimated.count,
            "total_orders": earned.count,
            "total_estimates_amount": to_json(estimated.amount),
            "total_orders_amount": to_json(earned.amount),
            "total_revenue": to_json(earned.amount),
            **_app_summary(sums),
        },
        "daily_breakdown": {
            "estimates": {day: of_day.estimated.shown("total") for day, of_day in sums_of_days.items()},
            "orders": {day: of_day.earned.shown("total") for day, of_day in sums_of_days.items()},
        },
        **_app_members(sums, staff_page(by_staff), estimates, orders),
    }


def staff_report(
    rows: Sequence[Row], estimates: Items, orders: Items, limit: int = MAX_STAFF, after: StaffCursor | None = None
) -> tuple[Json, StaffCursor | None]:
    """Return the report of a page of staff by revenue, and the cursor of the next page, if there is one.

    :param after: where the page begins; None for the highest revenue.
    """
    by_staff = sums_by_staff(rows)
    sums = Sums.of_all(by_staff.values())
    page = staff_page(by_staff, limit, after)
    report = {
        "summary": {
            "total_staff": page.total,
            "total_transactions": sums.estimated.count + sums.earned.count,
            "total_revenue": to_json(sums.earned.amount),
            **_app_summary(sums),
        },
        **_app_members(sums, page, estimates, orders),
    }
    return report, page.following


def estimates_report(rows: Sequence[Row], estimates: Items, items: int) -> Json:
    by_staff = sums_by_staff(rows)
    sums = Sums.of_all(by_staff.values())
    return {
        "estimates": {
            "total_count": sums.estimated.count,
            "total_amount": to_json(sums.estimated.amount),
            "conversion_breakdown": _conversions(sums),
            "items": estimates.shown[:items],
        },
        "summary": _app_summary(sums),
        **_app_members(sums, staff_page(by_staff), estimates, NO_ITEMS),
    }


def orders_report(rows: Sequence[Row], orders: Items, items: int) -> Json:
    by_staff = sums_by_staff(rows)
    sums = Sums.of_all(by_staff.values())
    return {
        "orders": {
            "total_count": sums.earned.count,
            "total_amount": to_json(sums.earned.amount),
            **_orders_apart(sums),
            "items": orders.shown[:items],
        },
        "summary": _app_summary(sums),
        **_app_members(sums, staff_page(by_staff), NO_ITEMS, orders),
    }


def stores_report(rows: Mapping[str, Sequence[Row]]) -> Json:
    """Return the figures of each store and their sum; `rows` are by store."""
    sums = {store: Sums.of(of_store) for store, of_store in rows.items()}
    stores = [{"store": store, **_of_a_store(sums[store])} for store in sorted(sums)]
    return {"stores": stores, "total": _of_a_store(Sums.of_all(sums.values()))}


def _of_a_store(sums: Sums) -> Json:
    return {
        "orders_count": sums.earned.count,
        "total_revenue": to_json(sums.earned.amount),
        "total_sold": to_json(sums.sold),
        "estimates_count": sums.estimated.count,
        "estimates_total": to_json(sums.estimated.amount),
    }


def separate_summary(estimates: CountAndAmount, orders: CountAndAmount) -> Json:
    """Return the summary of the separate lists of estimates and orders."""
    return {
        "total_estimates": estimates.count,
        "total_orders": orders.count,
        "total_transactions": estimates.count + orders.count,
        "total_revenue": to_json(orders.amount),
    }


def sums_by_staff(rows: Iterable[Row]) -> Mapping[str, Sums]:
    """Return the sums of each member of staff; case, width and invisible characters of names make no difference."""
    return Sums.by_name(lambda row: row.key.staff, rows)


def _conversions(sums: Sums) -> Json:
    return {"pending": sums.estimates[PENDING].count, "converted": sums.estimates[CONVERTED].count}


def _orders_apart(sums: Sums) -> Json:
    return {
        "payment_breakdown": {group: sums.payments[group].shown() for group in PAYMENT_GROUPS},
        "cancelled": sums.orders[CANCELLED].shown(),
        "refunded": sums.orders[REFUNDED].shown(),
        "total_sold": to_json(sums.sold),
    }


def _app_summary(sums: Sums) -> Json:
    """Return the members of a summary that the existing app's report screen reads."""
    return {
        "total_sales": to_json(sums.earned.amount),
        "total_orders": sums.earned.count,
        "total_estimates": sums.estimated.count,
        "completed_sales": sums.orders[COMPLETED].count,
    }


def _app_members(sums: Sums, staff: StaffPage, estimates: Items, orders: Items) -> Json:
    """Return the other members of a report that the existing app's report screen reads."""
    earned, estimated = sums.earned, sums.estimated
    converted = sums.estimates[CONVERTED].count
    return {
        "statistics": {
            "average_sale": to_json(divide_half_up(earned.amount, earned.count)) if earned.count else 0.0,
            "conversion_rate": round(converted / estimated.count, 4) if estimated.count else 0.0,
        },
        "staff_performance": staff.shown,
        "other_staff": staff.others,
        "recent_items": _recent(estimates, orders),
    }


def _recent(estimates: Items, orders: Items) -> list[Json]:
    both = [("estimate", shown) for shown in estimates.newest] + [("order", shown) for shown in orders.newest]
    both.sort(key=lambda pair: datetime.fromisoformat(pair[1]["created_at"]), reverse=True)
    names = ("customer_name", "total", "status", "created_at")
    return [{"type": kind, **{name: shown[name] for name in names}} for kind, shown in both[:RECENT_COUNT]]


def documents_to_read(items: int) -> int:
    """Return how many documents of a kind a report needs: its items, and enough for `recent_items`."""
    return max(items, RECENT_COUNT)
