"""Reports of any range of days are the sums over the documents of those days, for any combination of rollup rows."""

import asyncio
import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

from tests.support.clock import Clock
from tests.support.payloads import line
from tests.support.shop import OpenShop

FIRST, LAST = date(2024, 11, 20), date(2026, 12, 31)


async def test_a_report_of_any_range_has_the_sales_of_its_days(open_shop: OpenShop) -> None:
    chance = random.Random(4)
    clock = Clock()
    shop = await open_shop(clock=clock)
    sold: list[tuple[date, str, str, float]] = []
    for _ in range(120):
        day = FIRST + timedelta(days=chance.randrange((LAST - FIRST).days + 1))
        sale = (
            day,
            chance.choice(("Asha", "Ravi", "Meera")),
            chance.choice(("cash", "upi")),
            float(chance.randrange(1, 99)),
        )
        clock.at(f"{day}T12:00:00+05:30")
        await shop.sale(items=[line(sale[3])], sale_by=sale[1], payment_mode=sale[2])
        sold.append(sale)
    # Some sales are before this day, and some after it.
    clock.at("2026-06-15T12:00:00+05:30")
    for _ in range(60):
        start = FIRST + timedelta(days=chance.randrange(700))
        end = min(LAST, start + timedelta(days=chance.choice((0, 3, 25, 80, 200, 365, 600))))
        report = await shop.get("/api/reports/date-range", start_date=str(start), end_date=str(end))
        within = [sale for sale in sold if start <= sale[0] <= end]
        assert report["summary"]["total_revenue"] == sum(sale[3] for sale in within)
        assert report["orders"]["count"] == len(within)
        assert [item["total"] for item in report["orders"]["items"]] == _newest_first(within)
        paid = Counter(sale[2] for sale in within)
        breakdown = report["orders"]["payment_breakdown"]
        assert {mode: of_mode["count"] for mode, of_mode in breakdown.items() if of_mode != NOTHING} == paid
        by_staff = {each["staff_name"]: each["orders_count"] for each in report["staff_performance"]}
        assert by_staff == Counter(sale[1] for sale in within)


NOTHING = {"count": 0, "amount": 0.0}


def _newest_first(sold: list[tuple[date, str, str, float]]) -> list[float]:
    by_day = sorted(enumerate(sold), key=lambda pair: (pair[1][0], pair[0]), reverse=True)
    return [sale[3] for _, sale in by_day]


async def test_a_report_until_yesterday_does_not_change_during_sales(open_shop: OpenShop) -> None:
    """Check a report that subtracts today's row from that of the year, while each sale writes both."""
    clock = Clock()
    shop = await open_shop(clock=clock)
    clock.at("2026-11-27T12:00:00+05:30")
    await shop.sale(items=[line(70.0)])
    clock.at("2026-11-28T12:00:00+05:30")
    is_done = False
    reports: list[dict[str, Any]] = []

    async def poll() -> None:
        while not is_done:
            reports.append(
                await shop.get("/api/reports/date-range", start_date="2026-01-01", end_date="2026-11-27", items=0)
            )

    async def sell() -> None:
        for _ in range(40):
            await shop.sale(items=[line(5.0)])

    polling = asyncio.gather(poll(), poll())
    await asyncio.gather(*(sell() for _ in range(4)))
    is_done = True
    await polling
    assert len(reports) > 10
    assert {(each["summary"]["total_revenue"], each["orders"]["count"]) for each in reports} == {(70.0, 1)}
    today = await shop.get("/api/reports/today")
    assert today["summary"]["total_revenue"] == 800.0
