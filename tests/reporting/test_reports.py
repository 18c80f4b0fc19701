"""Reports: days in the store's time zone, payments, and figures that are counted separately."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.clock import Clock
from tests.support.payloads import line
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]
REPORTS = (
    "/api/reports/today",
    "/api/reports/date-range?start_date=2026-03-01&end_date=2026-03-31",
    "/api/reports/monthly/2026/3",
    "/api/reports/staff-performance",
    "/api/reports/estimates-only",
    "/api/reports/orders-only",
)


@pytest.fixture
async def march_sales(open_shop: OpenShop) -> tuple[Shop, Clock]:
    """Create sales and estimates around two ends of a month: 28 February, 1 March, 31 March and 1 April 2026."""
    clock = Clock()
    shop = await open_shop(clock=clock)
    clock.at("2026-02-28T23:59:59.999+05:30")
    await shop.sale(items=[line(1.0)])
    clock.at("2026-03-01T00:00:00+05:30")
    estimate = await shop.estimate(items=[line(1_000.0)], sale_by="Ravi")
    await shop.convert(estimate["estimate_id"], payment_mode="UPI: Asha", amount_paid=400)
    await shop.estimate(items=[line(50.0)], sale_by="Ravi")
    clock.at("2026-03-31T23:59:59.999+05:30")
    await shop.sale(items=[line(30.0)], payment_mode="Card", sale_by="Meera")
    for status in ("Cancelled", "Refunded"):
        sale = await shop.sale(items=[line(7.0)], sale_by="Meera")
        await shop.ok("PUT", f"/api/orders/{sale['order_id']}/status", params={"status": status})
    voided = await shop.sale(items=[line(9_999.0)], sale_by="Meera")
    await shop.ok("DELETE", f"/api/orders/{voided['order_id']}")
    clock.at("2026-04-01T00:00:00+05:30")
    await shop.sale(items=[line(2.0)])
    return shop, clock


async def test_a_range_includes_its_first_and_last_day_only(march_sales: tuple[Shop, Clock]) -> None:
    shop, _ = march_sales
    report = await shop.get("/api/reports/date-range", start_date="2026-03-01", end_date="2026-03-31")
    assert report["date_range"] == {"start": "2026-03-01", "end": "2026-03-31"}
    assert report["summary"] == {
        "total_transactions": 4,
        "total_revenue": 430.0,
        "estimates_count": 2,
        "orders_count": 2,
        "total_sales": 430.0,
        "total_orders": 2,
        "total_estimates": 2,
        "completed_sales": 2,
    }
    estimates, orders = report["estimates"], report["orders"]
    assert (estimates["count"], estimates["total_amount"]) == (2, 1_050.0)
    assert estimates["conversion_breakdown"] == {"pending": 1, "converted": 1}
    assert (orders["count"], orders["total_amount"], orders["total_sold"]) == (2, 430.0, 1_030.0)
    assert orders["cancelled"] == orders["refunded"] == {"count": 1, "amount": 7.0}
    paid = {mode: row for mode, row in orders["payment_breakdown"].items() if row["count"]}
    assert paid == {"upi": {"count": 1, "amount": 400.0}, "card": {"count": 1, "amount": 30.0}}
    assert [item["total"] for item in orders["items"]] == [7.0, 7.0, 30.0, 1_000.0]


async def test_today_is_the_day_in_the_time_zone_of_the_store(march_sales: tuple[Shop, Clock]) -> None:
    shop, clock = march_sales
    for instant, revenue in (
        ("2026-02-28T12:00:00+05:30", 1.0),
        ("2026-03-01T00:00:00+05:30", 400.0),
        ("2026-03-31T23:59:59+05:30", 30.0),
        ("2026-04-01T00:00:00+05:30", 2.0),
        ("2026-04-02T00:00:00+05:30", 0.0),
    ):
        clock.at(instant)
        report = await shop.get("/api/reports/today")
        assert (report["date"], report["summary"]["total_revenue"]) == (instant[:10], revenue)


async def test_todays_report_changes_at_midnight_without_a_sale(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    tag = (await shop.http.get("/api/reports/today")).headers["etag"]
    clock.advance(days=1)
    assert (await shop.http.get("/api/reports/today", headers={"If-None-Match": tag})).status_code == 200


async def test_a_month_includes_its_last_day(march_sales: tuple[Shop, Clock]) -> None:
    shop, _ = march_sales
    report = await shop.get("/api/reports/monthly/2026/3")
    assert report["period"] == "2026-03"
    assert report["summary"]["total_estimates"] == 2
    assert report["summary"]["total_orders"] == 2
    assert report["summary"]["total_estimates_amount"] == 1_050.0
    assert report["summary"]["total_orders_amount"] == 430.0
    days = report["daily_breakdown"]
    assert len(days["orders"]) == len(days["estimates"]) == 31
    assert days["orders"]["2026-03-01"] == {"count": 1, "total": 400.0}
    assert days["orders"]["2026-03-31"] == {"count": 1, "total": 30.0}
    assert days["orders"]["2026-03-15"] == {"count": 0, "total": 0.0}
    assert days["estimates"]["2026-03-01"] == {"count": 2, "total": 1_050.0}


@pytest.mark.parametrize(("month", "days"), [("2026/2", 28), ("2028/02", 29), ("2026/12", 31), ("2026/4", 30)])
async def test_each_month_has_its_number_of_days(shop: Shop, month: str, days: int) -> None:
    report = await shop.get(f"/api/reports/monthly/{month}")
    assert len(report["daily_breakdown"]["orders"]) == days


async def test_staff_are_sorted_by_revenue(march_sales: tuple[Shop, Clock]) -> None:
    shop, _ = march_sales
    report = await shop.get("/api/reports/staff-performance", start_date="2026-03-01", end_date="2026-03-31")
    assert report["staff_performance"] == [
        {
            "staff_name": "Ravi",
            "estimates_count": 2,
            "estimates_total": 1_050.0,
            "orders_count": 1,
            "orders_total": 400.0,
            "total_transactions": 3,
            "total_revenue": 400.0,
            "total_sales": 1,
            "total_amount": 400.0,
        },
        {
            "staff_name": "Meera",
            "estimates_count": 0,
            "estimates_total": 0.0,
            "orders_count": 1,
            "orders_total": 30.0,
            "total_transactions": 1,
            "total_revenue": 30.0,
            "total_sales": 1,
            "total_amount": 30.0,
        },
    ]
    everything = await shop.get("/api/reports/staff-performance")
    assert [row["staff_name"] for row in everything["staff_performance"]] == ["Ravi", "Meera", "Test User"]


async def test_reports_of_estimates_or_orders_only(march_sales: tuple[Shop, Clock]) -> None:
    shop, _ = march_sales
    estimates = (await shop.get("/api/reports/estimates-only"))["estimates"]
    assert (estimates["total_count"], estimates["total_amount"]) == (2, 1_050.0)
    assert estimates["conversion_breakdown"] == {"pending": 1, "converted": 1}
    assert len(estimates["items"]) == 2
    orders = (await shop.get("/api/reports/orders-only", start_date="2026-03-31"))["orders"]
    assert (orders["total_count"], orders["total_amount"]) == (2, 32.0)
    assert (orders["payment_breakdown"]["card"], orders["cancelled"]["count"]) == ({"count": 1, "amount": 30.0}, 1)


@pytest.mark.parametrize(("items", "shown"), [(None, 5), (0, 0), (2, 2), (1_000, 5)])
async def test_the_number_of_newest_items_can_be_chosen(
    march_sales: tuple[Shop, Clock], items: int | None, shown: int
) -> None:
    shop, _ = march_sales
    parameters = {} if items is None else {"items": items}
    report = await shop.get("/api/reports/date-range", start_date="2026-02-28", end_date="2026-03-31", **parameters)
    times = [item["created_at"] for item in report["orders"]["items"]]
    assert len(times) == shown
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize("path", REPORTS)
async def test_every_report_has_the_members_that_the_app_needs(march_sales: tuple[Shop, Clock], path: str) -> None:
    shop, clock = march_sales
    clock.at("2026-03-31T12:00:00+05:30")
    report = await shop.get(path)
    assert isinstance(report["summary"]["total_sales"], float)
    for name in ("total_orders", "total_estimates", "completed_sales"):
        assert isinstance(report["summary"][name], int)
    assert isinstance(report["statistics"], dict)
    for row in report["staff_performance"]:
        assert row["staff_name"]
        assert isinstance(row["total_amount"], float)
    assert len(report["recent_items"]) <= 5
    for item in report["recent_items"]:
        assert set(item) == {"type", "customer_name", "total", "status", "created_at"}


@pytest.mark.parametrize("path", REPORTS)
async def test_reports_of_an_empty_store(shop: Shop, path: str) -> None:
    report = await shop.get(path)
    assert report["summary"]["total_sales"] == 0.0
    assert report["recent_items"] == report["staff_performance"] == []


@pytest.mark.parametrize(
    "path",
    [
        "date-range",
        "date-range?start_date=2026-03-01",
        "date-range?start_date=2026-03-02&end_date=2026-03-01",
        "date-range?start_date=01/03/2026&end_date=2026-03-01",
        "monthly/2026/13",
        "monthly/2026/0",
        "monthly/twenty/1",
        "monthly/0/1",
        "today?items=1001",
        "today?items=-1",
        "staff-performance?start_date=x",
    ],
)
async def test_an_invalid_parameter_is_rejected(shop: Shop, path: str) -> None:
    response = await shop.http.get(f"/api/reports/{path}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_query")


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        # The clock goes forward, then back: days of 23 and of 25 hours.
        ("America/New_York", "2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"),
        ("America/New_York", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        # An offset of half an hour; midnight itself skipped; the farthest zone, at a month's end.
        ("Asia/Kolkata", "2026-01-31T18:30:00Z", "2026-02-01T18:30:00Z"),
        ("Africa/Cairo", "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"),
        ("Pacific/Kiritimati", "2026-02-27T10:00:00Z", "2026-02-28T10:00:00Z"),
    ],
)
async def test_a_day_lasts_from_midnight_to_midnight_in_the_time_zone_of_the_store(
    open_shop: OpenShop, zone: str, start: str, end: str
) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock, timezone=ZoneInfo(zone))
    for instant, early in ((start, 1), (start, 0), (end, 1), (end, 0)):
        clock.at(instant)
        clock.advance(milliseconds=-early)
        await shop.sale()
    clock.at(start)
    day = clock.now.astimezone(ZoneInfo(zone)).date().isoformat()
    report = await shop.get("/api/reports/date-range", start_date=day, end_date=day)
    assert report["orders"]["count"] == 2
    assert [item["sale_number"] for item in report["orders"]["items"]] == ["#003", "#002"]
