"""The live board over HTTP: its figures, and the files of its page."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from schemas.core.calendar import day_bounds
from tests.support.clock import Clock
from tests.support.payloads import line
from tests.support.shop import OpenShop, Shop

ASSETS = sorted(
    path.name for path in Path(__file__).parents[2].joinpath("endpoints", "reporting", "board_assets").iterdir()
)


async def test_the_figures_equal_those_of_todays_report(open_shop: OpenShop) -> None:
    """Compare the report, from rollups, with the board, from documents, for all kinds of documents and hours."""
    clock = Clock()
    shop = await open_shop(clock=clock)
    clock.at("2026-03-13T23:59:59+05:30")
    await shop.sale()
    for hour, minute in ((0, 0), (9, 29), (9, 30), (14, 59), (23, 59)):
        clock.at(f"2026-03-14T{hour:02}:{minute:02}:00+05:30")
        deleted = await shop.sale(items=[line(10.1 + hour)], sale_by="Asha", payment_mode="Card")
        await shop.sale(items=[line(99.99)], sale_by="Ravi", payment_mode="UPI: Asha", amount_paid=50.0)
        estimate = await shop.estimate(items=[line(70)])
        await shop.convert(estimate["estimate_id"])
        await shop.estimate(items=[line(30)])
        for status in ("Cancelled", "Refunded"):
            order = await shop.sale()
            await shop.ok("PUT", f"/api/orders/{order['order_id']}/status", params={"status": status})
    await shop.ok("DELETE", f"/api/orders/{deleted['order_id']}")

    board, report = await shop.get("/api/board"), await shop.get("/api/reports/today", items=0)
    assert board["date"] == report["date"] == "2026-03-14"
    for name in ("summary", "estimates", "orders", "statistics", "staff_performance"):
        assert board[name] == report[name]
    busy = {row["hour"]: (row["orders"]["count"], row["estimates"]["count"]) for row in board["by_hour"]}
    assert {hour: counts for hour, counts in busy.items() if any(counts)} == {
        0: (3, 2),
        9: (6, 4),
        14: (3, 2),
        23: (2, 2),
    }
    assert board["by_hour"][9]["orders"]["amount"] == round(2 * (19.1 + 50 + 70), 2)
    assert [hour["hour"] for hour in board["by_hour"]] == list(range(24))
    newest = await shop.get("/api/orders/all", limit=500)
    newest = [order["order_id"] for order in newest if order["type"] == "order"][:12]
    assert [sale["order_id"] for sale in board["latest"]] == newest
    assert "customer_name" not in board["latest"][0]


@pytest.mark.parametrize(
    ("zone", "hour"), [("Asia/Kathmandu", 5), ("America/St_Johns", 21), ("Pacific/Chatham", 13), ("UTC", 0)]
)
async def test_hours_are_in_the_time_zone_of_the_store(open_shop: OpenShop, zone: str, hour: int) -> None:
    clock = Clock()
    clock.at("2026-03-14T00:10:00+00:00")
    shop = await open_shop(clock=clock, timezone=ZoneInfo(zone))
    await shop.sale()
    assert [row["hour"] for row in (await shop.get("/api/board"))["by_hour"] if row["orders"]["count"]] == [hour]


def test_a_day_has_23_to_25_hours() -> None:
    def hours(day: date, zone: str) -> float:
        begin, end = day_bounds(day, ZoneInfo(zone))
        return (end - begin).total_seconds() / 3_600

    assert hours(date(2026, 3, 29), "Europe/Berlin") == 23
    assert hours(date(2026, 10, 25), "Europe/Berlin") == 25
    assert hours(date(2026, 3, 14), "Asia/Kolkata") == 24


async def test_a_conditional_request_gets_304_until_a_change_or_a_new_day(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock, currency="EUR")
    await shop.sale()
    first = await shop.http.get("/api/board")
    body = first.json()
    assert (body["currency"], body["timezone"]) == ("EUR", "Asia/Kolkata")
    assert body["position"].endswith(f".{first.headers['x-stream-position']}")
    held = {"If-None-Match": first.headers["etag"]}
    assert (await shop.http.get("/api/board", headers=held)).status_code == 304
    await shop.sale()
    second = await shop.http.get("/api/board", headers=held)
    assert (second.status_code, second.json()["orders"]["count"]) == (200, 2)
    clock.advance(days=1)
    third = await shop.http.get("/api/board", headers={"If-None-Match": second.headers["etag"]})
    assert (third.status_code, third.json()["orders"]["count"]) == (200, 0)


async def test_the_files_of_the_page_have_a_policy_and_an_etag(shop: Shop) -> None:
    assert (await shop.get("/"))["board"] == "/board"
    for path in ("/board", *(f"/board/{name}" for name in ASSETS if name != "board.html")):
        response = await shop.http.get(path)
        assert response.status_code == 200, path
        assert "default-src 'self'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        held = await shop.http.get(path, headers={"If-None-Match": response.headers["etag"]})
        assert (held.status_code, held.content) == (304, b"")
    assert (await shop.http.get("/board/board.html")).status_code == 404
    assert (await shop.http.get("/board/..%2Fboard.py")).status_code == 404


async def test_fifty_requests_are_computed_once(shop: Shop) -> None:
    """Check that the day is added up once for any number of requests without new events."""
    await shop.sale()
    hours, added_up = shop.state["hours"], 0
    today = hours.today

    async def count() -> Any:
        nonlocal added_up
        added_up += 1
        return await today()

    hours.today = count
    answers = await asyncio.gather(*(shop.get("/api/board") for _ in range(50)))
    assert added_up == 1
    assert all(answer == answers[0] for answer in answers)
