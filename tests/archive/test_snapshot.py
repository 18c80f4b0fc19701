"""Snapshots: an export has the data of one instant, despite sales meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from repositories.archive.snapshot import StoreSnapshot, open_snapshot
from repositories.database.errors import DatabaseRefused
from schemas.archive.spreadsheets import document_table, report_table, revenue
from schemas.core.collections import ARCHIVED, ESTIMATES, ORDERS
from tests.support.clock import Clock
from tests.support.faults.failpoints import failing
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]

TOO_OLD = 239


async def gathered(batches: AsyncIterator[list[Any]]) -> list[Any]:
    return [each async for batch in batches for each in batch]


async def numbers(view: StoreSnapshot, *days: date | None) -> list[int]:
    start, end = days or (None, None)
    return [order["number"] for order in await gathered(view.documents(ORDERS, start, end, voided=False))]


async def everything(view: StoreSnapshot) -> dict[str, list[Json]]:
    return {name: await gathered(view.all_documents(name)) for name in ARCHIVED}


async def test_a_snapshot_does_not_contain_later_sales(shop: Shop) -> None:
    estimate = await shop.estimate()
    sale = await shop.sale()
    async with open_snapshot(shop.database, shop.store) as view:
        await shop.convert(estimate["estimate_id"])
        await shop.ok("DELETE", f"/api/orders/{sale['order_id']}")
        found = await everything(view)
        assert {name: len(documents) for name, documents in found.items()} == await view.counts()
    assert [each["number"] for each in found["orders"]] == [1]
    assert (found["orders"][0]["voided_at"], found["estimates"][0]["converted"]) == (None, False)
    assert [event["seq"] for group in found["log"] for event in group["events"]] == [1, 2]
    assert found["counters"][0]["head"] == 2


async def test_an_export_beside_sales_is_consistent(shop: Shop) -> None:
    """Check that numbers, events and totals are of one instant, while tills sell."""
    is_done = asyncio.Event()

    async def till() -> None:
        while not is_done.is_set():
            await shop.sale()

    tills = [asyncio.create_task(till()) for _ in range(4)]
    try:
        for _ in range(5):
            async with open_snapshot(shop.database, shop.store) as view:
                found = await everything(view)
            (counters,) = found["counters"]
            assert [order["number"] for order in found["orders"]] == list(range(1, counters["orders"] + 1))
            seqs = [event["seq"] for group in found["log"] for event in group["events"]]
            assert seqs == list(range(1, counters["head"] + 1))
            days = [row for row in found["totals"] if row["_id"]["span"] == "day"]
            sold = sum(row["orders"]["Completed"]["paid"] for row in days)
            assert sold == sum(order["amount_paid"] for order in found["orders"])
    finally:
        is_done.set()
        await asyncio.gather(*tills)


def expired_snapshot(shop: Shop) -> AbstractAsyncContextManager[Any]:
    """Expire the snapshot at the next batch of orders (of orders only, since change streams fetch batches, too)."""
    return failing(shop.database, "getMore", times=1, errorCode=TOO_OLD, namespace=f"{shop.database.name}.{ORDERS}")


async def test_an_expired_snapshot_is_renewed_if_nothing_changed(shop: Shop) -> None:
    for _ in range(5):
        await shop.sale()
    async with (
        open_snapshot(shop.database, shop.store, batch=2) as view,
        expired_snapshot(shop),
    ):
        assert await numbers(view) == [1, 2, 3, 4, 5]


async def test_an_expired_snapshot_is_refused_after_a_sale(shop: Shop) -> None:
    for _ in range(5):
        await shop.sale()
    async with open_snapshot(shop.database, shop.store, batch=2) as view:
        await shop.sale()
        async with expired_snapshot(shop):
            with pytest.raises(DatabaseRefused, match="something was sold meanwhile"):
                await numbers(view)


async def test_days_are_in_the_time_zone_of_the_store(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock, timezone=ZoneInfo("Asia/Kolkata"))
    for instant in ("2026-03-31T23:59:59+05:30", "2026-04-01T00:00:01+05:30", "2026-04-02T12:00:00+05:30"):
        clock.at(instant)
        await shop.sale()
    async with open_snapshot(shop.database, shop.store) as view:
        assert await numbers(view, date(2026, 4, 1), None) == [2, 3]
        assert await numbers(view, None, date(2026, 3, 31)) == [1]
        assert await numbers(view, date(2026, 4, 1), date(2026, 4, 1)) == [2]
        assert await numbers(view, date(2027, 1, 1), None) == []
        rows = await gathered(view.daily_totals(date(2026, 4, 1), date(2026, 4, 2)))
    assert [row.key.period for row in rows] == ["2026-04-01", "2026-04-02"]


async def test_tables_and_reports_have_the_same_sums(shop: Shop) -> None:
    sales = [await shop.sale(amount_paid=paid) for paid in (100.0, 60.0, 130.0, 100.0)]
    await shop.ok("PUT", f"/api/orders/{sales[0]['order_id']}/status", params={"status": "Refunded"})
    await shop.ok("DELETE", f"/api/orders/{sales[3]['order_id']}")
    await shop.estimate()
    report = await shop.get("/api/reports/today")
    async with open_snapshot(shop.database, shop.store) as view:
        orders = await gathered(view.documents(ORDERS, None, None, voided=True))
        live = await gathered(view.documents(ORDERS, None, None, voided=False))
        estimates = await gathered(view.documents(ESTIMATES, None, None, voided=True))
        totals = await gathered(view.daily_totals(None, None))
    assert (len(orders), len(live), len(estimates)) == (4, 3, 1)
    assert sum(map(revenue, orders)) == round(report["summary"]["total_revenue"] * 100) == 19_000
    table = report_table()
    column = [each.title for each in table.columns].index("Revenue")
    assert sum(row[column] for each in totals for row in table.rows(each)) == 19_000  # type: ignore[misc]
    statuses = [row[3] for order in orders for row in document_table(ORDERS, ZoneInfo("Asia/Kolkata")).rows(order)]
    assert statuses == ["Refunded", "Completed", "Completed", "Voided"]


async def test_an_unknown_store_is_refused(shop: Shop) -> None:
    with pytest.raises(DatabaseRefused, match="run `pos migrate`"):
        async with open_snapshot(shop.database, "nowhere"):
            pass
