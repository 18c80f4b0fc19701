"""The tables for accountants: columns and cells in CSV and XLSX, read back."""

import csv
import io
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.archive.table_files import AddRow, csv_file, xlsx_file
from schemas.archive.spreadsheets import Cell, Kind, Table, document_table, format_csv, report_table
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.reporting.rollups import RollupKey, Row

Json = dict[str, Any]

KOLKATA = ZoneInfo("Asia/Kolkata")
EVIL = '=HYPERLINK("http://evil.example","click")'
ORDER: Json = {
    "_id": "ORDER-1",
    "number": 7,
    "customer_name": EVIL,
    "customer_phone": "+91 98765 43210",
    "customer_address": "12, MG Road\nPune",
    "sale_by": "आशा",
    "items": [
        {"id": 1, "name": "Rice", "price": 12_345, "quantity": 1_500, "discount": 12_500_000, "total": 16_203},
        {"id": "b", "name": "@Soap", "price": 100, "quantity": 2_000, "discount": 0, "total": 200},
    ],
    "subtotal": 16_403,
    "discount": 403,
    "discount_percentage": None,
    "round_off": -50,
    "total": 15_950,
    "created_at": datetime(2026, 3, 31, 20, 0, 1, 500_000, tzinfo=UTC),
    "business_date": "2026-04-01",
    "voided_at": None,
    "amount_paid": 10_000,
    "payment_mode": "UPI: Asha",
    "payment_group": "upi",
    "status": "Completed",
    "estimate_id": "EST-1",
    "estimate_number": 3,
}
ESTIMATE: Json = {
    **{name: value for name, value in ORDER.items() if name not in ("status", "amount_paid", "payment_mode")},
    "_id": "EST-1",
    "converted": True,
    "order_id": "ORDER-1",
    "order_number": 7,
}


def as_csv(table: Table, rows: Sequence[Sequence[Cell]], *, bom: bool = False) -> list[dict[str, str]]:
    buffer = io.BytesIO()
    with csv_file(buffer, table, bom=bom) as add:
        for row in rows:
            add(row)
    assert buffer.getvalue().startswith(b"\xef\xbb\xbf") is bom
    return list(csv.DictReader(io.StringIO(buffer.getvalue().decode("utf-8-sig"), newline="")))


def as_xlsx(table: Table, rows: Sequence[Sequence[Cell]], **options: int) -> Any:
    buffer = io.BytesIO()
    writing: AbstractContextManager[AddRow] = xlsx_file(buffer, table, **options)
    with writing as add:
        for row in rows:
            add(row)
    return openpyxl.load_workbook(io.BytesIO(buffer.getvalue()))


def test_an_order_is_a_row_of_csv() -> None:
    table = document_table(ORDERS, KOLKATA)
    (row,) = as_csv(table, list(table.rows(ORDER)), bom=True)
    assert row == {
        "Number": "#007",
        "Date": "2026-04-01",
        "Time": "2026-04-01 01:30:01",
        "Status": "Completed",
        "Customer": "'" + EVIL,
        "Phone": "'+91 98765 43210",
        "Address": "12, MG Road\nPune",
        "Sold by": "आशा",
        "Payment": "UPI: Asha",
        "Document": "ORDER-1",
        "Items": "2",
        "Subtotal": "164.03",
        "Discount": "4.03",
        "Discount %": "",
        "Round-off": "-0.50",
        "Total": "159.50",
        "Paid": "100.00",
        "Due": "59.50",
        "Revenue": "100.00",
        "Estimate": "#003",
        "Voided": "",
        "Voided by": "",
        "Reason": "",
    }


@pytest.mark.parametrize("kind", [ORDERS, ESTIMATES, "reports"])
@pytest.mark.parametrize("lines", [False, True])
def test_text_columns_keep_leading_zeros(kind: str, lines: bool) -> None:
    table = report_table() if kind == "reports" else document_table(kind, KOLKATA, lines=lines)
    texts = [column.title for column in table.columns if column.kind is Kind.TEXT]
    cells: list[Cell] = ["0012345678905" if column.title in texts else None for column in table.columns]
    (row,) = as_csv(table, [cells])
    assert {row[title] for title in texts} == {"'0012345678905"}
    header, shown = list(as_xlsx(table, [cells]).active.rows)
    # Stored and formatted as text, so that it stays text after an edit.
    kept = [cell for title, cell in zip(header, shown, strict=True) if title.value in texts]
    assert {(cell.value, cell.data_type, cell.number_format) for cell in kept} == {("0012345678905", "s", "@")}


def test_line_items_are_rows_of_csv() -> None:
    table = document_table(ORDERS, KOLKATA, lines=True)
    first, second = as_csv(table, list(table.rows(ORDER)))
    names = ("Number", "Line", "Item", "Item id", "Price", "Quantity", "Discount %", "Line total")
    assert [first[name] for name in names] == ["#007", "1", "Rice", "1", "123.45", "1.5", "12.5", "162.03"]
    assert [second[name] for name in names] == ["#007", "2", "'@Soap", "b", "1.00", "2", "0", "2.00"]


def test_an_estimate_row_has_its_order_and_no_payment() -> None:
    table = document_table(ESTIMATES, KOLKATA)
    (row,) = as_csv(table, list(table.rows(ESTIMATE)))
    assert (row["Status"], row["Order"], row["Written by"]) == ("Converted", "#007", "आशा")
    assert not {"Paid", "Revenue", "Payment", "Estimate"} & set(row)


def test_cancelled_sales_are_no_revenue() -> None:
    table = document_table(ORDERS, KOLKATA)
    voided = {"voided_at": datetime(2026, 4, 2, tzinfo=UTC), "voided_by": "Ravi", "void_reason": "mistake"}
    rows = as_csv(table, [*table.rows({**ORDER, "status": "Refunded"}), *table.rows({**ORDER, **voided})])
    assert [(row["Status"], row["Paid"], row["Revenue"]) for row in rows] == [
        ("Refunded", "100.00", "0.00"),
        ("Voided", "100.00", "0.00"),
    ]
    assert (rows[1]["Voided"], rows[1]["Voided by"], rows[1]["Reason"]) == ("2026-04-02 05:30:00", "Ravi", "mistake")


def test_a_workbook_has_real_dates_and_numbers_and_no_formula() -> None:
    table = document_table(ORDERS, KOLKATA)
    sheet = as_xlsx(table, list(table.rows(ORDER))).active
    header, cells = list(sheet.rows)
    row = dict(zip((cell.value for cell in header), cells, strict=True))
    assert list(row) == [column.title for column in table.columns]
    assert (row["Date"].value, row["Date"].number_format) == (datetime(2026, 4, 1), "yyyy-mm-dd")  # noqa: DTZ001
    assert row["Time"].value.replace(microsecond=0) == datetime(2026, 4, 1, 1, 30, 1)  # noqa: DTZ001
    assert (row["Total"].value, row["Total"].data_type, row["Total"].number_format) == (159.5, "n", "#,##0.00")
    assert (row["Round-off"].value, row["Items"].value, row["Discount %"].value) == (-0.5, 2, None)
    assert (row["Customer"].value, row["Customer"].hyperlink) == ("'" + EVIL, None)
    assert row["Phone"].value == "+91 98765 43210"
    texts = [cell for column, cell in zip(table.columns, cells, strict=True) if column.kind is Kind.TEXT]
    assert {cell.data_type for cell in texts if cell.value is not None} <= {"s", "inlineStr"}
    assert (sheet.freeze_panes, header[0].font.b) == ("A2", True)
    assert [sheet.column_dimensions[letter].width > width for letter, width in (("A", 10), ("E", 26))] == [True, True]


def test_rows_beyond_the_limit_of_a_sheet_go_to_the_next_one() -> None:
    table = document_table(ORDERS, KOLKATA)
    row = next(table.rows(ORDER))
    book = as_xlsx(table, [row] * 5, max_rows=3)
    assert [(sheet.title, sheet.max_row) for sheet in book] == [("Orders", 3), ("Orders 2", 3), ("Orders 3", 2)]
    assert [sheet["A1"].value for sheet in book] == ["Number"] * 3


def test_a_day_of_sales_is_a_row_and_an_empty_one_is_left_out() -> None:
    table = report_table()
    orders = {"Completed": {"count": 2, "paid": 300, "sold": 350}, "Refunded": {"count": 1, "paid": 50, "sold": 50}}
    key = RollupKey("2026-04-01", "Ravi", "cash")
    (row,) = as_csv(table, list(table.rows(Row(key, {"orders": orders}))))
    assert (row["Date"], row["Staff"], row["Payment"]) == ("2026-04-01", "Ravi", "cash")
    assert (row["Orders"], row["Sold"], row["Revenue"], row["Refunded, paid"]) == ("2", "3.50", "3.00", "0.50")
    assert list(table.rows(Row(key, {"orders": {"Completed": {"count": 0, "paid": 0, "sold": 0}}}))) == []


def test_every_column_is_documented() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "data.md").read_text()
    lines = {kind: document_table(kind, KOLKATA, lines=True).columns[-7:] for kind in (ORDERS, ESTIMATES)}
    assert lines[ORDERS] == lines[ESTIMATES]
    for name, columns in (
        ("orders", document_table(ORDERS, KOLKATA).columns),
        ("estimates", document_table(ESTIMATES, KOLKATA).columns),
        ("reports", report_table().columns),
    ):
        titles = [f'"{column.title}"' if "," in column.title else column.title for column in columns]
        assert f"| {name} | {', '.join(titles)} |" in text
    assert ", ".join(column.title for column in lines[ORDERS]) in text


@given(st.integers(-(10**15), 10**15))
def test_money_in_csv_is_exact(minor: int) -> None:
    text = format_csv(Kind.MONEY, minor)
    assert len(text.rpartition(".")[2]) == 2
    assert int(text.replace(".", "")) == minor


@pytest.mark.parametrize(
    ("kind", "cell", "text"),
    [
        (Kind.QUANTITY, 1, "0.001"),
        (Kind.QUANTITY, 12_000, "12"),
        (Kind.PERCENT, 12_500_000, "12.5"),
        (Kind.DATE, date(2026, 4, 1), "2026-04-01"),
        (Kind.COUNT, 0, "0"),
        (Kind.TEXT, None, ""),
    ],
)
def test_other_cells_of_csv(kind: Kind, cell: Cell, text: str) -> None:
    assert format_csv(kind, cell) == text
