"""The content of a document's PDF: each text of it, ready to be typeset. Pure."""

from typing import Final, NamedTuple
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from schemas.core import money
from schemas.printing.amount_in_words import amount_in_words
from schemas.printing.formatting import INR, format_amount, format_money, format_percentage, format_quantity
from schemas.printing.letterhead import Letterhead
from schemas.sales import statuses
from schemas.sales.documents import LineItem, Order, SalesDocument
from schemas.sales.pricing import Line, rounding_tolerance

#: Statuses that the PDF shows, since the sale is no longer valid.
_SHOWN_STATUSES: Final = (statuses.CANCELLED, statuses.REFUNDED)
_LONGEST_NAME: Final = 50


class Row(NamedTuple):
    """One line of the table; `discount` is empty where there is none."""

    position: str
    name: str
    quantity: str
    price: str
    discount: str
    total: str


class Sheet(NamedTuple):
    """The content of a PDF.

    :ivar facts: label and value of each line at the top.
    :ivar totals: label and amount of each figure below the table, without the grand total.
    :ivar settled: label and amount of the payment and of the amount due.
    :ivar pay: the UPI link, where an amount is due and the shop has a UPI id.
    """

    title: str
    number: str
    head: Letterhead
    facts: tuple[tuple[str, str], ...]
    customer: tuple[str, ...]
    rows: tuple[Row, ...]
    totals: tuple[tuple[str, str], ...]
    total: str
    settled: tuple[tuple[str, str], ...]
    words: str
    pay: str | None
    has_discounts: bool


def build_sheet(document: SalesDocument, head: Letterhead, zone: ZoneInfo, currency: str) -> Sheet:
    """Return the content of a stored estimate's or order's PDF."""
    order = document if "amount_paid" in document else None
    number = display_number(document, head)
    rest = 0 if order is None else _rest(order)
    due = 0 if order is None or _ended(order) else max(rest, 0)
    return Sheet(
        title="Estimate" if order is None else "Bill",
        number=number,
        head=head,
        facts=_facts(document, number, zone),
        customer=_customer(document),
        rows=tuple(_row(position, item, currency) for position, item in enumerate(document["items"], start=1)),
        totals=_totals(document, currency),
        total=format_money(document["total"], currency),
        settled=() if order is None else _settled(order, due, max(-rest, 0), currency),
        words=amount_in_words(document["total"], currency),
        pay=upi_link(head, due, number) if due and currency == INR else None,
        has_discounts=any(item["discount"] for item in document["items"]),
    )


def display_number(document: SalesDocument, head: Letterhead) -> str:
    """Return a document's number for people: `#007`, or with the shop's prefix `S-007`."""
    return f"{head.number_prefix or '#'}{document['number']:03d}"


def file_name(document: SalesDocument) -> str:
    """Return a file name that is valid on every system: `order-007.pdf`."""
    return f"{'order' if 'amount_paid' in document else 'estimate'}-{document['number']:03d}.pdf"


def upi_link(head: Letterhead, due: int, number: str) -> str | None:
    """Return the link by which a payment app pays the amount due, as in NPCI's UPI linking specification 1.6.

    :returns: None if the shop has no UPI id.
    """
    if not head.upi_id:
        return None
    parameters = {
        "pa": head.upi_id,
        "pn": head.business_name[:_LONGEST_NAME],
        "am": f"{due // money.MINOR_PER_UNIT}.{due % money.MINOR_PER_UNIT:02d}",
        "cu": INR,
        "tn": number,
    }
    return "upi://pay?" + urlencode(parameters, safe="@", quote_via=quote)


def _ended(document: Order) -> bool:
    return document["status"] in _SHOWN_STATUSES


def _facts(document: SalesDocument, number: str, zone: ZoneInfo) -> tuple[tuple[str, str], ...]:
    written = document["created_at"].astimezone(zone)
    facts = [("No.", number), ("Date", f"{written:%d %b %Y, %H:%M}"), ("Served by", document["sale_by"])]
    if "amount_paid" not in document:
        return tuple(facts)
    if _ended(document):
        facts.append(("Status", document["status"]))
    return (*facts, ("Payment", document["payment_mode"]))


def _customer(document: SalesDocument) -> tuple[str, ...]:
    lines = [document["customer_name"], document["customer_phone"], *document["customer_address"].splitlines()]
    return tuple(line.strip() for line in lines if line.strip())


def _row(position: int, item: LineItem, currency: str) -> Row:
    return Row(
        str(position),
        item["name"],
        format_quantity(item["quantity"]),
        format_amount(item["price"], currency),
        format_percentage(item["discount"]) if item["discount"] else "",
        format_amount(item["total"], currency),
    )


def _totals(document: SalesDocument, currency: str) -> tuple[tuple[str, str], ...]:
    """Return the figures between the lines and the total; none where subtotal and total are equal."""
    share = document["discount_percentage"]
    figure = {
        "Discount" if share is None else f"Discount {format_percentage(share)}": -document["discount"],
        "Round off": document["round_off"],
    }
    shown = tuple((label, format_amount(value, currency)) for label, value in figure.items() if value)
    return (("Subtotal", format_amount(document["subtotal"], currency)), *shown) if shown else ()


def _rest(document: Order) -> int:
    """Return the amount due of an order, negative for an advance; 0 where rounding explains the difference,
    since a till's full payment is stored as it was sent."""
    rest = document["total"] - document["amount_paid"]
    lines = [Line(item["price"], item["quantity"], item["discount"]) for item in document["items"]]
    return 0 if abs(rest) <= rounding_tolerance(lines, document["discount_percentage"]) else rest


def _settled(document: Order, due: int, advance: int, currency: str) -> tuple[tuple[str, str], ...]:
    """Return the amount paid, and the amount due or paid in advance."""
    paid = (("Paid", format_money(document["amount_paid"], currency)),)
    if due:
        return (*paid, ("Due", format_money(due, currency)))
    return (*paid, ("Advance", format_money(advance, currency))) if advance else paid
