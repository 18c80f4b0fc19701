"""Names of sellers and payment modes are free texts; with many of them, reports and the board stay small."""

from collections.abc import Sequence
from typing import Any

import pytest

from repositories.migrations.indexes import prepare
from repositories.reporting.rollup_rows import row_id
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.pagination import InvalidCursor
from schemas.reporting.reports import NO_ITEMS, day_report, staff_report
from schemas.reporting.rollups import NO_PAYMENT, RollupKey, Row
from schemas.reporting.staff import MAX_STAFF, StaffCursor
from schemas.reporting.sums import Sums
from schemas.sales.statuses import PAYMENT_GROUPS
from tests.http.test_status_and_errors import assert_problem
from tests.support.shop import Shop

FIGURES = ("estimates_count", "estimates_total", "orders_count", "orders_total", "total_transactions", "total_revenue")
STAFF = "/api/reports/staff-performance"


def rows_of(names: Sequence[str], period: str = "2026") -> list[Row]:
    """Return rows of sellers with different revenues, some of them equal, and an estimate each."""
    return [
        row
        for number, name in enumerate(names)
        for row in (
            Row(RollupKey(period, name, "cash"), {ORDERS: {"Completed": {"count": 1, "paid": 7 + number // 3}}}),
            Row(RollupKey(period, name, NO_PAYMENT), {ESTIMATES: {"Pending": {"count": 1, "total": 11}}}),
        )
    ]


def names(count: int) -> list[str]:
    return [f"Seller {number:05}" for number in range(count)]


def cents(value: float) -> int:
    return round(value * 100)


def assert_complete(report: Any, everything: Any) -> None:
    """Check that the listed sellers and the others add up to the sums of all."""
    for name in FIGURES:
        shown = sum(cents(each[name]) for each in report["staff_performance"])
        assert shown + cents(report["other_staff"][name]) == cents(everything[name]), name


@pytest.mark.parametrize("count", [0, 1, MAX_STAFF, MAX_STAFF + 1, 3_000])
def test_a_report_names_200_sellers_and_sums_up_the_others(count: int) -> None:
    rows = rows_of(names(count))
    report = day_report(rows, NO_ITEMS, NO_ITEMS, 0)
    assert len(report["staff_performance"]) == min(count, MAX_STAFF)
    assert report["other_staff"]["count"] == max(0, count - MAX_STAFF)
    sums = Sums.of(rows)
    totals = {
        "estimates_count": sums.estimated.count,
        "estimates_total": sums.estimated.amount / 100,
        "orders_count": sums.earned.count,
        "orders_total": sums.earned.amount / 100,
        "total_transactions": report["summary"]["total_transactions"],
        "total_revenue": report["summary"]["total_revenue"],
    }
    assert_complete(report, totals)
    revenues = [each["total_revenue"] for each in report["staff_performance"]]
    assert revenues == sorted(revenues, reverse=True)


@pytest.mark.parametrize("limit", [1, 7, 100, MAX_STAFF])
def test_pages_list_each_seller_once_and_are_complete(limit: int) -> None:
    count = 3 * limit + 2
    rows = rows_of(names(count))
    seen, after = [], None
    while True:
        report, after = staff_report(rows, NO_ITEMS, NO_ITEMS, limit, after)
        assert report["summary"]["total_staff"] == count
        assert len(report["staff_performance"]) + report["other_staff"]["count"] == count
        assert sum(each["orders_count"] for each in report["staff_performance"]) + report["other_staff"][
            "orders_count"
        ] == (count)
        seen += [each["staff_name"] for each in report["staff_performance"]]
        if after is None:
            break
        assert StaffCursor.decode(after.encode()) == after
    assert sorted(seen) == names(count)


@pytest.mark.parametrize("cursor", ["", "x", "MTIz", "MS4w", "MS4tMQ", "YS5i", "MS4y.", "OTIyMzM3MjAzNjg1NDc3NTgwOC4x"])
def test_an_invalid_cursor_is_rejected(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        StaffCursor.decode(cursor)


async def _sold_by(shop: Shop, staff: Sequence[str]) -> str:
    """Insert rollup rows of sellers in a month."""
    await prepare(shop.database, shop.store, shop.state["zone"], 90)
    rows = [row for period in ("2025-03-04", "2025-03", "2025") for row in rows_of(staff, period)]
    await shop.database.totals.insert_many({"_id": row_id(shop.store, row.key), **row.measures} for row in rows)
    return "2025/3"


async def test_reports_stay_small_with_many_sellers(shop: Shop) -> None:
    """Remove the rows at the end, since there are no documents for them."""
    month = await _sold_by(shop, names(1_000))
    try:
        for path in (
            "/api/reports/date-range?start_date=2025-01-01&end_date=2025-12-31",
            f"/api/reports/monthly/{month}",
            "/api/reports/estimates-only",
            "/api/reports/orders-only",
            STAFF,
        ):
            response = await shop.http.get(path)
            report = response.json()
            assert len(report["staff_performance"]) == MAX_STAFF, path
            assert report["other_staff"]["count"] == 1_000 - MAX_STAFF
            assert len(response.content) < 100_000
        first = await shop.http.get(f"{STAFF}?limit=150&start_date=2025-01-01&end_date=2025-12-31")
        seen = [each["staff_name"] for each in first.json()["staff_performance"]]
        following = first
        while link := following.links.get("next"):
            assert "start_date=2025-01-01" in link["url"]
            following = await shop.http.get(link["url"])
            assert following.json()["summary"] == first.json()["summary"]
            seen += [each["staff_name"] for each in following.json()["staff_performance"]]
        assert sorted(seen) == names(1_000)
        assert "x-next-cursor" not in following.headers
        for wrong in ("limit=0", "limit=201", "limit=x"):
            assert_problem(await shop.http.get(f"{STAFF}?{wrong}"), 422, "invalid_query")
        assert_problem(await shop.http.get(f"{STAFF}?cursor=none"), 400, "invalid_cursor")
    finally:
        await shop.database.totals.delete_many({"_id.store": shop.store})


async def test_the_board_names_200_sellers_and_sums_up_the_others(shop: Shop) -> None:
    await shop.sale(sale_by="Asha")
    (order,) = await shop.database.orders.find({"store": shop.store}).to_list()
    copies = [
        {**order, "_id": f"{order['_id']}-{n}", "number": n + 2, "sale_by": name} for n, name in enumerate(names(600))
    ]
    await shop.database.orders.insert_many(copies)
    board = await shop.get("/api/board")
    await shop.database.orders.delete_many({"_id": {"$in": [each["_id"] for each in copies]}})
    assert len(board["staff_performance"]) == MAX_STAFF
    assert board["other_staff"]["count"] == 601 - MAX_STAFF
    assert (
        sum(each["orders_count"] for each in board["staff_performance"]) + board["other_staff"]["orders_count"] == 601
    )


async def test_any_payment_modes_are_reported_in_seven_groups(shop: Shop) -> None:
    for number in range(20):
        await shop.sale(payment_mode=f"Voucher {number}", customer_name=f"Customer {number}")
    report = await shop.get("/api/reports/today")
    breakdown = report["orders"]["payment_breakdown"]
    assert set(breakdown) == set(PAYMENT_GROUPS)
    assert breakdown["other"] == {"count": 20, "amount": 2_000.0}
