"""Reports merge names of staff and payment modes that differ only by case, width and joiners."""

from typing import Any

import pytest

from repositories.archive.snapshot import open_snapshot
from repositories.auditing.verification import verify
from schemas.archive.spreadsheets import report_table
from schemas.core.collections import ORDERS
from schemas.reporting.rollups import RollupKey, Row
from schemas.reporting.sums import Sums
from schemas.sales.statuses import payment_group
from tests.support.shop import Shop

ALIKE = ["Asha", "asha", "ASHA", "Ａｓｈａ", "As\u200bha", "Asha\u200d", "\ufeffAsha", "a\u00adsha"]


def rows_of(*spellings: str) -> list[Row]:
    done: dict[str, Any] = {ORDERS: {"Completed": {"count": 1, "paid": 100, "sold": 100}}}
    return [Row(RollupKey("2026-01-31", each, "cash"), done) for each in spellings]


def staff_of(report: Any) -> list[tuple[str, int, float]]:
    return [(each["staff_name"], each["orders_count"], each["orders_total"]) for each in report["staff_performance"]]


async def test_similar_names_of_sellers_are_merged_in_every_report(shop: Shop) -> None:
    for name in (*ALIKE, "Asha", "Ashá", "Asha P"):
        await shop.sale(sale_by=name)
        await shop.estimate(sale_by=name)
    month = (await shop.get("/api/reports/today"))["orders"]["items"][0]["created_at"][:7].replace("-", "/")
    for path in (
        "today",
        "date-range?start_date=2020-01-01&end_date=2039-12-31",
        "staff-performance",
        f"monthly/{month}",
    ):
        staff = staff_of(await shop.get(f"/api/reports/{path}"))
        assert sorted(staff) == [("Asha", 9, 900.0), ("Asha P", 1, 100.0), ("Ashá", 1, 100.0)], path
    assert (await shop.get("/api/reports/staff-performance"))["summary"]["total_staff"] == 3
    board = await shop.get("/api/board")
    assert min(staff_of(board)) == ("Asha", 9, 900.0)
    assert await verify(shop.database, shop.store) == []


def test_the_most_frequent_spelling_is_shown() -> None:
    def shown(*spellings: str) -> list[str]:
        return list(Sums.by_name(lambda row: row.key.staff, rows_of(*spellings)))

    assert shown("ASHA", "asha", "asha") == ["asha"]
    assert shown("asha", "ASHA") == shown("ASHA", "asha") == ["ASHA"]
    assert shown("asha", "Ravi") == ["asha", "Ravi"]
    subtracted = [row._replace(sign=-1) for row in rows_of("ASHA", "ASHA")]
    assert list(Sums.by_name(lambda row: row.key.staff, [*rows_of("ASHA", "ASHA", "asha"), *subtracted])) == ["asha"]


async def test_similar_names_of_sellers_are_one_row_in_exported_reports(shop: Shop) -> None:
    for name in (*ALIKE, "Asha", "Ravi"):
        await shop.sale(sale_by=name)
    async with open_snapshot(shop.database, shop.store) as view:
        rows = [row async for batch in view.daily_totals(None, None) for row in batch]
    table = report_table()
    cells = [of_row for row in rows for of_row in table.rows(row)]
    assert [(row[1], row[2], row[3], row[4]) for row in cells] == [
        ("Asha", "cash", 9, 90_000),
        ("Ravi", "cash", 1, 10_000),
    ]


@pytest.mark.parametrize(
    ("group", "modes"),
    [
        ("upi", ["UPI", "ＵＰＩ", "u\u200bpi", "upi\ufeff", "UPI: Asha", "ＵＰＩ：Asha", "upi-asha", "UPI\u00a0Asha"]),
        ("cash", ["Cash", "CASH\u200b", "\u202acash\u202c", "Ｃａｓｈ", "cash\u00a0"]),
        ("card", ["Credit Card", "credit\u2011card", "DEBIT_CARD", "ｄｅｂｉｔ　ｃａｒｄ"]),
        ("bank_transfer", ["Bank Transfer", "bank\u2013transfer", "BANK\u200b TRANSFER"]),
        ("other", ["Barter", "cash back"]),
    ],
)
def test_similar_payment_modes_are_one_group(group: str, modes: list[str]) -> None:
    assert {payment_group(mode) for mode in modes} == {group}


async def test_sales_are_reported_and_listed_by_payment_group(shop: Shop) -> None:
    for mode in ("UPI", "ＵＰＩ", "u\u200bpi"):
        await shop.sale(payment_mode=mode)
    report = await shop.get("/api/reports/today")
    assert report["orders"]["payment_breakdown"]["upi"]["count"] == 3
    for mode in ("upi", "ＵＰＩ", " UPI\u200b"):
        assert (await shop.get("/api/orders/orders-only", payment_mode=mode))["orders"]["count"] == 3
