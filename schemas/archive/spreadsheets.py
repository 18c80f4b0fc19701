"""The tables of spreadsheets: their columns and cells. Pure: documents in, rows out.

A cell holds a whole number of minor units (MONEY), of thousandths (QUANTITY) or of millionths of a percent (PERCENT),
a date, an instant in the shop's time without an offset, a count, or text; None is an empty cell. Each file format
writes them in its own way; see `format_csv` and `app/archive/table_files.py`.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from enum import Enum, auto
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from schemas.archive.formula_injection import escape_csv
from schemas.core import money
from schemas.core.collections import ORDERS
from schemas.core.document_numbers import format_number
from schemas.reporting.sums import Sums
from schemas.sales.statuses import CANCELLED, CONVERTED, PENDING, REFUNDED, REVENUE_STATUSES

Document = dict[str, Any]
Cell = str | int | date | datetime | None
VOIDED = "Voided"


class Kind(Enum):
    TEXT = auto()
    DATE = auto()
    INSTANT = auto()
    MONEY = auto()
    QUANTITY = auto()
    PERCENT = auto()
    COUNT = auto()


class Column(NamedTuple):
    """A column of a table.

    :ivar width: in characters.
    :ivar value: returns the cell of a row's subject.
    """

    title: str
    kind: Kind
    width: int
    value: Callable[[Any], Cell]


class Table(NamedTuple):
    """A table with its title and columns.

    :ivar things: returns the subjects of a document or rollup row; each makes a row.
    """

    title: str
    columns: tuple[Column, ...]
    things: Callable[[Any], Iterable[Any]]

    def rows(self, source: Any) -> Iterator[list[Cell]]:
        """Yield the rows of a document or a rollup row."""
        for thing in self.things(source):
            yield [column.value(thing) for column in self.columns]


def document_table(kind: str, zone: ZoneInfo, *, lines: bool = False) -> Table:
    """Return the table of `estimates` or `orders`, with a row for each document.

    :param lines: a row for each line of a document instead.
    """
    title = "Orders" if kind == ORDERS else "Estimates"
    if lines:
        return Table(f"{title}, lines", (*_lead(kind, zone, _of_line), *_LINE), _pairs)
    money_of_kind = _ORDER_MONEY if kind == ORDERS else ()
    own = _ORDER_ORIGIN if kind == ORDERS else _ESTIMATE_OUTCOME
    columns = (*_lead(kind, zone, _itself), *_BILL, *money_of_kind, *own, *_voiding(zone))
    return Table(title, columns, lambda document: (document,))


def report_table() -> Table:
    """Return the table of sales by day, staff and payment group, without empty rows."""
    return Table("Reports", _REPORT, lambda row: (pair for pair in ((row.key, Sums.of([row])),) if _happened(pair[1])))


def format_csv(kind: Kind, cell: Cell) -> str:
    """Return a cell in CSV: money `397.80`, dates `2026-01-31`, instants `2026-01-31 23:59:59`, text escaped."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return escape_csv(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell) if kind is Kind.COUNT else _decimal(cell, PLACES[kind], keeps_zeros=kind is Kind.MONEY)


#: The decimals of the whole number in a cell.
PLACES = {Kind.MONEY: money.MONEY_PLACES, Kind.QUANTITY: money.QUANTITY_PLACES, Kind.PERCENT: money.PERCENT_PLACES}


def revenue(order: Document) -> int:
    """Return what an order adds to the revenue of reports, so that a column's sum equals the report's."""
    is_kept = order["voided_at"] is None and order["status"] in REVENUE_STATUSES
    return int(order["amount_paid"]) if is_kept else 0


def _decimal(number: int, places: int, *, keeps_zeros: bool) -> str:
    whole, rest = divmod(abs(number), 10**places)
    decimals = f"{rest:0{places}d}"
    if not keeps_zeros:
        decimals = decimals.rstrip("0")
    return ("-" if number < 0 else "") + str(whole) + (f".{decimals}" if decimals else "")


def _status(kind: str) -> Callable[[Document], str]:
    def status(document: Document) -> str:
        if document["voided_at"] is not None:
            return VOIDED
        if kind == ORDERS:
            return str(document["status"])
        return CONVERTED if document["converted"] else PENDING

    return status


def _shop_instant(instant: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Return an instant in the shop's time without an offset, which spreadsheets do not have."""
    if instant is None:
        return None
    return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(zone).replace(tzinfo=None)


def _lead(kind: str, zone: ZoneInfo, of: Callable[[Any], Document]) -> tuple[Column, ...]:
    """Return the first columns of each row.

    :param of: returns the document of a row's subject.
    """
    status = _status(kind)

    def text(title: str, width: int, name: str) -> Column:
        return Column(title, Kind.TEXT, width, lambda thing: of(thing)[name])

    return (
        Column("Number", Kind.TEXT, 10, lambda thing: format_number(of(thing)["number"])),
        Column("Date", Kind.DATE, 12, lambda thing: date.fromisoformat(of(thing)["business_date"])),
        Column("Time", Kind.INSTANT, 20, lambda thing: _shop_instant(of(thing)["created_at"], zone)),
        Column("Status", Kind.TEXT, 12, lambda thing: status(of(thing))),
        text("Customer", 26, "customer_name"),
        text("Phone", 18, "customer_phone"),
        text("Address", 30, "customer_address"),
        text("Sold by" if kind == ORDERS else "Written by", 18, "sale_by"),
        *((text("Payment", 16, "payment_mode"),) if kind == ORDERS else ()),
        text("Document", 34, "_id"),
    )


def _money(title: str, name: str) -> Column:
    return Column(title, Kind.MONEY, 14, lambda document: document[name])


_BILL = (
    Column("Items", Kind.COUNT, 8, lambda document: len(document["items"])),
    _money("Subtotal", "subtotal"),
    _money("Discount", "discount"),
    Column("Discount %", Kind.PERCENT, 12, lambda document: document["discount_percentage"]),
    _money("Round-off", "round_off"),
    _money("Total", "total"),
)
_ORDER_MONEY = (
    _money("Paid", "amount_paid"),
    Column("Due", Kind.MONEY, 14, lambda order: order["total"] - order["amount_paid"]),
    Column("Revenue", Kind.MONEY, 14, revenue),
)


def _number(title: str, name: str) -> Column:
    def number(document: Document) -> Cell:
        return None if document[name] is None else format_number(document[name])

    return Column(title, Kind.TEXT, 12, number)


_ORDER_ORIGIN = (_number("Estimate", "estimate_number"),)
_ESTIMATE_OUTCOME = (_number("Order", "order_number"),)


def _voiding(zone: ZoneInfo) -> tuple[Column, ...]:
    return (
        Column("Voided", Kind.INSTANT, 20, lambda document: _shop_instant(document["voided_at"], zone)),
        Column("Voided by", Kind.TEXT, 18, lambda document: document.get("voided_by")),
        Column("Reason", Kind.TEXT, 26, lambda document: document.get("void_reason")),
    )


def _itself(document: Document) -> Document:
    return document


def _pairs(document: Document) -> Iterator[tuple[int, Document, Document]]:
    return ((position, line, document) for position, line in enumerate(document["items"], start=1))


def _of_line(thing: tuple[int, Document, Document]) -> Document:
    return thing[2]


_LINE = (
    Column("Line", Kind.COUNT, 6, lambda thing: thing[0]),
    Column("Item", Kind.TEXT, 30, lambda thing: thing[1]["name"]),
    Column("Item id", Kind.TEXT, 16, lambda thing: str(thing[1]["id"])),
    Column("Price", Kind.MONEY, 14, lambda thing: thing[1]["price"]),
    Column("Quantity", Kind.QUANTITY, 10, lambda thing: thing[1]["quantity"]),
    Column("Discount %", Kind.PERCENT, 12, lambda thing: thing[1]["discount"]),
    Column("Line total", Kind.MONEY, 14, lambda thing: thing[1]["total"]),
)


def _sum(title: str, kind: Kind, value: Callable[[Sums], int]) -> Column:
    return Column(title, kind, 14, lambda pair: value(pair[1]))


_REPORT = (
    Column("Date", Kind.DATE, 12, lambda pair: date.fromisoformat(pair[0].period)),
    Column("Staff", Kind.TEXT, 20, lambda pair: pair[0].staff),
    Column("Payment", Kind.TEXT, 16, lambda pair: pair[0].group),
    _sum("Orders", Kind.COUNT, lambda sums: sums.earned.count),
    _sum("Sold", Kind.MONEY, lambda sums: sums.sold),
    _sum("Revenue", Kind.MONEY, lambda sums: sums.earned.amount),
    _sum("Cancelled", Kind.COUNT, lambda sums: sums.orders[CANCELLED].count),
    _sum("Cancelled, paid", Kind.MONEY, lambda sums: sums.orders[CANCELLED].amount),
    _sum("Refunded", Kind.COUNT, lambda sums: sums.orders[REFUNDED].count),
    _sum("Refunded, paid", Kind.MONEY, lambda sums: sums.orders[REFUNDED].amount),
    _sum("Estimates", Kind.COUNT, lambda sums: sums.estimated.count),
    _sum("Converted", Kind.COUNT, lambda sums: sums.estimates[CONVERTED].count),
    _sum("Estimates, total", Kind.MONEY, lambda sums: sums.estimated.amount),
)


def _happened(sums: Sums) -> bool:
    return bool(sums.estimated.count or sums.listed.count)
