"""The content of a printed document."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from schemas.printing.letterhead import Letterhead
from schemas.printing.sheet import Sheet, build_sheet, file_name
from tests.support.printed_documents import HEAD, ZONE, estimate, item, order


def sheet_of(document: Any, head: Letterhead = HEAD, currency: str = "INR") -> Sheet:
    return build_sheet(document, head, ZONE, currency)


def test_an_estimate_shows_no_payment() -> None:
    sheet = sheet_of(estimate())
    assert (sheet.title, sheet.number, sheet.settled, sheet.pay) == ("Estimate", "LT-007", (), None)
    assert sheet.facts == (("No.", "LT-007"), ("Date", "31 Jan 2026, 15:30"), ("Served by", "Ravi"))
    assert sheet.customer == ("Asha", "98450 12345", "4 Lake Road", "Mysuru")


def test_an_amount_due_has_a_upi_address() -> None:
    sheet = sheet_of(order(item(price=39_780), paid=10_000))
    assert sheet.settled == (("Paid", "₹100.00"), ("Due", "₹297.80"))
    assert sheet.pay is not None
    address = urlsplit(sheet.pay)
    assert (address.scheme, address.netloc, address.path) == ("upi", "pay", "")
    assert parse_qs(address.query) == {
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
def test_other_documents_have_no_upi_address(changes: dict[str, object], head: Letterhead, currency: str) -> None:
    assert sheet_of(order(**changes), head, currency).pay is None  # type: ignore[arg-type]


@pytest.mark.parametrize("rest", [2, 1, -1, -2])
def test_a_rounding_difference_is_neither_due_nor_an_advance(rest: int) -> None:
    # Half of 33.33 is rounded to 16.67 in each of two lines, and the client rounded their sum.
    halves = [{**item(price=33_33, quantity=500), "total": 16_67} for _ in range(2)]
    sheet = sheet_of(order(*halves, paid=33_34 - rest))
    assert (len(sheet.settled), sheet.pay) == (1, None)
    # Exact lines have no rounding difference.
    exact = sheet_of(order(item(price=16_67), item(price=16_67), paid=33_34 - rest))
    assert exact.settled[1][0] == ("Due" if rest > 0 else "Advance")


def test_an_advance_and_a_final_status_are_shown() -> None:
    assert sheet_of(order(paid=15_000)).settled == (("Paid", "₹150.00"), ("Advance", "₹50.00"))
    assert ("Status", "Refunded") in sheet_of(order(status="Refunded")).facts


def test_discount_and_rounding_are_shown_as_totals() -> None:
    discounted = sheet_of(estimate(discount=1_250, discount_percentage=12_500_000, round_off=50, total=8_800))
    assert discounted.totals == (("Subtotal", "100.00"), ("Discount 12.5%", "-12.50"), ("Round off", "0.50"))
    assert sheet_of(estimate()).totals == ()


def test_file_names_are_safe() -> None:
    assert (file_name(order()), file_name(estimate())) == ("order-007.pdf", "estimate-007.pdf")
