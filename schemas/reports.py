"""The shapes of the reports, made of rollup rows. Pure: rows and shown documents in, JSON objects out.

An amount of orders is what was paid (`amount_paid`) for those whose money the shop keeps; cancelled and refunded ones
are counted apart. Revenue never adds estimates.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from schemas.calendar import days
from schemas.money import divide_half_up, to_json
from schemas.rollups import ESTIMATES, ORDERS, Row
from schemas.statuses import CANCELLED, COMPLETED, CONVERTED, EARNING, PAYMENT_GROUPS, PENDING, REFUNDED

Json = dict[str, Any]

RECENT: Final = 5
NO_STAFF: Final = "Unknown"


@dataclass(slots=True)
class Tally:
    """A count and an amount in minor units."""

    count: int = 0
    amount: int = 0

    def add(self, count: int, amount: int) -> None:
        self.count += count
        self.amount += amount

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.amount + other.amount)

    def shown(self, amount_name: str = "amount") -> Json:
        return {"count": self.count, amount_name: to_json(self.amount)}


@dataclass(slots=True)
class Sums:
    """Rollup rows, added up."""

    estimates: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    orders: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    payments: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    sold: int = 0

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Sums":
        sums = cls()
        for key, measures in rows:
            for status, row in measures.get(ESTIMATES, {}).items():
                sums.estimates[status].add(row.get("count", 0), row.get("total", 0))
            for status, row in measures.get(ORDERS, {}).items():
                sums.orders[status].add(row.get("count", 0), row.get("paid", 0))
                if status in EARNING:
                    sums.payments[key.group].add(row.get("count", 0), row.get("paid", 0))
                    sums.sold += row.get("sold", 0)
        return sums

    @property
    def estimated(self) -> Tally:
        return self.estimates[PENDING] + self.estimates[CONVERTED]

    @property
    def earned(self) -> Tally:
        kept = [self.orders[status] for status in EARNING if status in self.orders]
        return Tally(sum(tally.count for tally in kept), sum(tally.amount for tally in kept))

    @property
    def listed(self) -> Tally:
        """As a list shows orders: every live one is counted, and what the shop keeps is added up."""
        return Tally(sum(tally.count for tally in self.orders.values()), self.earned.amount)


def day_report(rows: Sequence[Row], estimates: Sequence[Json], orders: Sequence[Json], items: int) -> Json:
    """The report of today, or of a range of days.

    :param estimates, orders: as shown, newest first, RECENT of each or more where there are.
    :param items: how many of each the report shows.
    """
    sums = Sums.of(rows)
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
            "items": list(estimates[:items]),
        },
        "orders": {
            **earned.shown("total_amount"),
            **_orders_apart(sums),
            "items": list(orders[:items]),
        },
        **_app_members(sums, staff_performance(rows), estimates, orders),
    }


def monthly_report(
    rows: Sequence[Row], first: date, last: date, estimates: Sequence[Json], orders: Sequence[Json]
) -> Json:
    """A month, day by day; every day of it stands there. rows: one period a day."""
    by_day: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_day[row.key.period].append(row)
    sums = Sums.of(rows)
    sums_of_days = {day.isoformat(): Sums.of(by_day[day.isoformat()]) for day in days(first, last)}
    estimated, earned = sums.estimated, sums.earned
    return {
        "period": first.isoformat()[:7],
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
        **_app_members(sums, staff_performance(rows), estimates, orders),
    }


def staff_report(rows: Sequence[Row], estimates: Sequence[Json], orders: Sequence[Json]) -> Json:
    """Who sold how much."""
    sums = Sums.of(rows)
    by_staff = staff_performance(rows)
    return {
        "summary": {
            "total_staff": len(by_staff),
            "total_transactions": sums.estimated.count + sums.earned.count,
            "total_revenue": to_json(sums.earned.amount),
            **_app_summary(sums),
        },
        **_app_members(sums, by_staff, estimates, orders),
    }


def estimates_report(rows: Sequence[Row], estimates: Sequence[Json], items: int) -> Json:
    """Estimates alone."""
    sums = Sums.of(rows)
    return {
        "estimates": {
            "total_count": sums.estimated.count,
            "total_amount": to_json(sums.estimated.amount),
            "conversion_breakdown": _conversions(sums),
            "items": list(estimates[:items]),
        },
        "summary": _app_summary(sums),
        **_app_members(sums, staff_performance(rows), estimates, ()),
    }


def orders_report(rows: Sequence[Row], orders: Sequence[Json], items: int) -> Json:
    """Orders alone."""
    sums = Sums.of(rows)
    return {
        "orders": {
            "total_count": sums.earned.count,
            "total_amount": to_json(sums.earned.amount),
            **_orders_apart(sums),
            "items": list(orders[:items]),
        },
        "summary": _app_summary(sums),
        **_app_members(sums, staff_performance(rows), (), orders),
    }


def stores_report(rows: Mapping[str, Sequence[Row]]) -> Json:
    """The stores side by side, and their sum. rows: by store."""
    stores = [{"store": store, **_of_a_store(Sums.of(of_store))} for store, of_store in sorted(rows.items())]
    return {"stores": stores, "total": _of_a_store(Sums.of(row for of_store in rows.values() for row in of_store))}


def _of_a_store(sums: Sums) -> Json:
    return {
        "orders_count": sums.earned.count,
        "total_revenue": to_json(sums.earned.amount),
        "total_sold": to_json(sums.sold),
        "estimates_count": sums.estimated.count,
        "estimates_total": to_json(sums.estimated.amount),
    }


def separate_summary(estimates: Tally, orders: Tally) -> Json:
    """The summary under the list of estimates and orders."""
    return {
        "total_estimates": estimates.count,
        "total_orders": orders.count,
        "total_transactions": estimates.count + orders.count,
        "total_revenue": to_json(orders.amount),
    }


def staff_performance(rows: Iterable[Row]) -> list[Json]:
    """Each member of staff with what they sold, the highest revenue first."""
    by_staff: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_staff[row.key.staff].append(row)
    performance = [_performance(staff, Sums.of(of_staff)) for staff, of_staff in by_staff.items()]
    active = [row for row in performance if row["total_transactions"]]
    return sorted(active, key=lambda row: (-row["total_revenue"], row["staff_name"]))


def _performance(staff: str, sums: Sums) -> Json:
    estimated, earned = sums.estimated, sums.earned
    return {
        "staff_name": staff or NO_STAFF,
        "estimates_count": estimated.count,
        "estimates_total": to_json(estimated.amount),
        "orders_count": earned.count,
        "orders_total": to_json(earned.amount),
        "total_transactions": estimated.count + earned.count,
        "total_revenue": to_json(earned.amount),
        # The names that the existing app's report screen reads.
        "total_sales": earned.count,
        "total_amount": to_json(earned.amount),
    }


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
    """What the existing app's report screen reads of a summary."""
    return {
        "total_sales": to_json(sums.earned.amount),
        "total_orders": sums.earned.count,
        "total_estimates": sums.estimated.count,
        "completed_sales": sums.orders[COMPLETED].count,
    }


def _app_members(sums: Sums, by_staff: list[Json], estimates: Sequence[Json], orders: Sequence[Json]) -> Json:
    """What the existing app's report screen reads beside the summary."""
    earned, estimated = sums.earned, sums.estimated
    converted = sums.estimates[CONVERTED].count
    return {
        "statistics": {
            "average_sale": to_json(divide_half_up(earned.amount, earned.count)) if earned.count else 0.0,
            "conversion_rate": round(converted / estimated.count, 4) if estimated.count else 0.0,
        },
        "staff_performance": by_staff,
        "recent_items": _recent(estimates, orders),
    }


def _recent(estimates: Sequence[Json], orders: Sequence[Json]) -> list[Json]:
    both = [("estimate", shown) for shown in estimates[:RECENT]] + [("order", shown) for shown in orders[:RECENT]]
    both.sort(key=lambda pair: datetime.fromisoformat(pair[1]["created_at"]), reverse=True)
    names = ("customer_name", "total", "status", "created_at")
    return [{"type": kind, **{name: shown[name] for name in names}} for kind, shown in both[:RECENT]]


def recent_and(items: int) -> int:
    """How many documents of a kind a report reads: its items, and enough for `recent_items`."""
    return max(items, RECENT)
