"""What a sheet says of a document."""

from urllib.parse import parse_qs, urlsplit

import pytest

from schemas.printing.letterhead import Letterhead
from schemas.printing.sheet import Sheet, build_sheet, file_name
from tests.support.printed_documents import HEAD, ZONE, estimate, item, order


def said(document: dict[str, object], head: Letterhead = HEAD, currency: str = "INR") -> Sheet:
    return build_sheet(document, head, ZONE, currency)


def test_an_estimate_says_no_payment() -> None:
    made = said(estimate())
    assert (made.title, made.number, made.settled, made.pay) == ("Estimate", "LT-007", (), None)
    assert made.facts == (("No.", "LT-007"), ("Date", "31 Jan 2026, 15:30"), ("Served by", "Ravi"))
    assert made.customer == ("Asha", "98450 12345", "4 Lake Road", "Mysuru")


def test_what_is_due_can_be_paid_by_upi() -> None:
    made = said(order(item(price=39_780), paid=10_000))
    assert made.settled == (("Paid", "₹100.00"), ("Due", "₹297.80"))
    assert made.pay is not None
    asked = urlsplit(made.pay)
    assert (asked.scheme, asked.netloc, asked.path) == ("upi", "pay", "")
    assert parse_qs(asked.query) == {
        "pa": ["lakshmi@okbank"],
        "pn": ["Lakshmi Textiles"],
        "am": ["297.80"],
        "cu": ["INR"],
        "tn": ["LT-007"],
    }


@pytest.mark.parametrize(
    ("changes", "head", "currency"),
    [
        ({"paid": 10_000}, HEAD, "INR"),
        ({"status": "Cancelled"}, HEAD, "INR"),
        ({}, Letterhead("Shop"), "INR"),
        ({}, HEAD, "USD"),
    ],
    ids=["paid", "cancelled", "no UPI id", "another currency"],
)
def test_nothing_else_asks_for_money(changes: dict[str, object], head: Letterhead, currency: str) -> None:
    assert said(order(**changes), head, currency).pay is None  # type: ignore[arg-type]


@pytest.mark.parametrize("rest", [2, 1, -1, -2])
def test_what_late_rounding_leaves_is_neither_due_nor_an_advance(rest: int) -> None:
    # Half of 33.33 is rounded to 16.67 in each of two lines, and the till rounded their sum.
    halves = [{**item(price=33_33, quantity=500), "total": 16_67} for _ in range(2)]
    made = said(order(*halves, paid=33_34 - rest))
    assert (len(made.settled), made.pay) == (1, None)
    # Lines that need no rounding leave nothing.
    exact = said(order(item(price=16_67), item(price=16_67), paid=33_34 - rest))
    assert exact.settled[1][0] == ("Due" if rest > 0 else "Advance")


def test_an_advance_and_an_end_are_said() -> None:
    assert said(order(paid=15_000)).settled == (("Paid", "₹150.00"), ("Advance", "₹50.00"))
    assert ("Status", "Refunded") in said(order(status="Refunded")).facts


def test_totals_lead_to_the_total() -> None:
    cut = said(estimate(discount=1_250, discount_percentage=12_500_000, round_off=50, total=8_800))
    assert cut.totals == (("Subtotal", "100.00"), ("Discount 12.5%", "-12.50"), ("Round off", "0.50"))
    assert said(estimate()).totals == ()


def test_names_of_files_are_safe() -> None:
    assert (file_name(order()), file_name(estimate())) == ("order-007.pdf", "estimate-007.pdf")
