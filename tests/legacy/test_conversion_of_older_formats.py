"""The conversion of documents of older formats: each keeps its meaning, and the report says how it was read."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import Decimal128, Int64, ObjectId

from schemas.core.collections import ESTIMATES, ORDERS
from schemas.legacy.conversion import ConvertedDocument, convert
from schemas.legacy.shapes import actual_kind
from schemas.sales.serializers import Serializers
from tests.legacy.test_conversion import KOLKATA, placed, rules
from tests.support.legacy import legacy_documents as legacy
from tests.support.payloads import line

MADE = datetime(2025, 7, 14, 14, 0, tzinfo=UTC)
NEW_YORK, UTC_ZONE, SYDNEY = ZoneInfo("America/New_York"), ZoneInfo("UTC"), ZoneInfo("Australia/Sydney")


def at(created: Any, made: datetime = MADE, zone: ZoneInfo = KOLKATA, **changes: Any) -> ConvertedDocument:
    """Return an order whose id contains one time, and whose fields contain another."""
    source = legacy.order(1, made.replace(tzinfo=None), created_at=created, **changes)
    return convert(ORDERS, source, zone)


@pytest.mark.parametrize(
    ("created", "made", "zone"),
    [
        # A local time, stored as if it were UTC.
        (datetime(2025, 7, 14, 19, 30, tzinfo=UTC), MADE, KOLKATA),
        (datetime(2025, 7, 14, 19, 29, 57, 123_000, tzinfo=UTC), MADE, KOLKATA),
        (datetime(2025, 7, 14, 19, 34, tzinfo=UTC), MADE, KOLKATA),
        # Late in the evening, where the day would change.
        (datetime(2025, 7, 14, 23, 50, tzinfo=UTC), datetime(2025, 7, 14, 18, 20, tzinfo=UTC), KOLKATA),
        # The reverse: UTC, read as local time.
        (datetime(2025, 7, 14, 8, 30, tzinfo=UTC), MADE, KOLKATA),
        ("2025-07-14T14:00:00", MADE, KOLKATA),
        ("2025-07-14T19:30:00Z", MADE, KOLKATA),
        # Zones west of UTC, and one with daylight saving time.
        (datetime(2025, 7, 14, 10, 0, tzinfo=UTC), MADE, NEW_YORK),
        (datetime(2025, 1, 14, 9, 0, tzinfo=UTC), datetime(2025, 1, 14, 14, 0, tzinfo=UTC), NEW_YORK),
        (datetime(2025, 1, 15, 1, 0, tzinfo=UTC), datetime(2025, 1, 14, 14, 0, tzinfo=UTC), SYDNEY),
    ],
)
def test_a_local_time_stored_as_utc_is_corrected_by_the_id(created: Any, made: datetime, zone: ZoneInfo) -> None:
    converted = at(created, made, zone)
    assert (converted.document["created_at"], converted.document["updated_at"]) == (made, made)
    assert converted.document["business_date"] == made.astimezone(zone).date().isoformat()
    assert [defect.rule for defect in converted.defects] == ["created_at_is_local"]
    assert converted.defects[0].became == made.isoformat()


@pytest.mark.parametrize(
    ("created", "zone"),
    [
        (MADE, KOLKATA),
        (MADE - timedelta(seconds=8), KOLKATA),
        (MADE + timedelta(hours=5), KOLKATA),
        (MADE + timedelta(hours=24), KOLKATA),
        (MADE + timedelta(hours=5, minutes=30), UTC_ZONE),
        (MADE + timedelta(hours=5, minutes=30), NEW_YORK),
    ],
)
def test_other_differences_from_the_id_are_kept(created: datetime, zone: ZoneInfo) -> None:
    converted = at(created, zone=zone)
    assert (converted.document["created_at"], converted.defects) == (created, ())


def test_the_time_of_a_change_is_corrected_too() -> None:
    shifted = timedelta(hours=5, minutes=30)
    converted = at(MADE + shifted, updated_at=MADE + shifted + timedelta(minutes=20))
    assert converted.document["updated_at"] == MADE + timedelta(minutes=20)


def test_an_id_without_a_time_corrects_nothing() -> None:
    converted = at(datetime(2025, 7, 14, 19, 30, tzinfo=UTC), _id="EST-1", order_id="ORDER-1")
    assert (converted.document["business_date"], converted.defects) == ("2025-07-15", ())


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (9822012345.0, "9822012345"),
        (919822012345.0, "919822012345"),
        (Int64(9822012345), "9822012345"),
        (Decimal128("9822012345.0"), "9822012345"),
        ("9822012345.0", "9822012345"),
        ("+919822012345.00", "+919822012345"),
        ("9.822012345E9", "9822012345"),
        ("9.822012345e+09", "9822012345"),
        # Digits were lost, so it is not a number any more.
        ("9.82201E+09", "9.82201E+09"),
        ("Shop 2.0", "Shop 2.0"),
    ],
)
def test_a_phone_number_stored_as_a_float_is_restored(written: Any, read: str) -> None:
    converted = convert(ORDERS, legacy.order(1, customer_phone=written), KOLKATA)
    assert converted.document["customer_phone"] == read
    assert ("text_cleaned" in rules(converted)) == (written != read)


def test_whole_numbers_that_were_stored_as_floats_are_whole() -> None:
    converted = convert(
        ORDERS, legacy.order(1, sale_number=12.0, customer_name=7.0, items=[line(id=1_752_000_000_000.0)]), KOLKATA
    )
    assert (converted.number, converted.document["customer_name"]) == (12, "7")
    assert converted.document["items"][0]["id"] == 1_752_000_000_000
    assert convert(ORDERS, legacy.order(1, sale_number="12.0"), KOLKATA).number == 12
    assert convert(ORDERS, legacy.order(1, sale_number=12.5), KOLKATA).number is None


def test_a_line_with_a_rate_and_a_sale_with_a_payment_method_are_read() -> None:
    items = [
        {"id": 1, "item_name": "Nails", "rate": 12.5, "qty": 4},
        {"id": 2, "name": "Paint", "rate": 50.0, "quantity": 1},
    ]
    source = legacy.order(1, items=items, subtotal=100.0, discount_amount=0.0, total=100.0, amount_paid=100.0)
    del source["payment_mode"]
    converted = convert(ORDERS, {**source, "payment_method": "Card"}, KOLKATA)
    assert [(item["name"], item["price"], item["quantity"]) for item in converted.document["items"]] == [
        ("Nails", 1_250, 4_000),
        ("Paint", 5_000, 1_000),
    ]
    assert (converted.document["payment_mode"], converted.document["payment_group"]) == ("Card", "card")
    assert rules(converted) == {"other_name"}
    notes = {f"{defect.field}: {defect.became}" for defect in converted.defects}
    assert {"payment_method: payment_mode", "items: rate is read as price in 2 of 2 lines"} <= notes


def test_the_usual_field_name_has_precedence() -> None:
    source = legacy.order(1, payment_method="Card", items=[line(price=100.0, rate=18)], discount_amount=0, total=100.0)
    converted = convert(ORDERS, {**source, "amount_paid": 100.0}, KOLKATA)
    assert (converted.document["payment_mode"], converted.document["items"][0]["price"]) == ("UPI: Meera", 10_000)
    assert rules(converted) == {"extra_fields"}


@pytest.mark.parametrize(
    ("changes", "rule", "sentence"),
    [
        ({"items": [line(price=10.005)]}, "lines_rounded", "1 rounded, the first: price 10.005 is 10.01"),
        ({"items": [line(price=10.0, quantity=1.0004)]}, "lines_rounded", "1 rounded, the first: quantity 1.0004 is 1"),
        (
            {"items": [{**line(), "price": Decimal128("0.125")}] * 2},
            "lines_rounded",
            "2 rounded, the first: price 0.125 is 0.13",
        ),
        ({"amount_paid": 10.005}, "amount_rounded", "10.01"),
        ({"discount_amount": 0.125, "is_percentage_discount": False}, "amount_rounded", "0.13"),
        ({"total": 10.005}, "total_rounded", "10.01"),
    ],
)
def test_rounding_is_reported(changes: dict[str, Any], rule: str, sentence: str) -> None:
    converted = convert(ORDERS, legacy.order(1, **changes), KOLKATA)
    assert sentence in [defect.became for defect in converted.defects if defect.rule == rule]


def test_binary_floating_point_noise_is_not_reported() -> None:
    items = [line(price=0.1 + 0.2, quantity=3.0000000000000004, discount=7.1)]
    converted = convert(ORDERS, legacy.order(1, items=items, amount_paid=0.1 + 0.7), KOLKATA)
    assert not {"lines_rounded", "amount_rounded"} & rules(converted)


@pytest.mark.parametrize(
    ("status", "note"), [("Accepted", "Accepted"), (" rejected ", "rejected"), ("Completed", "Completed")]
)
def test_an_unknown_status_of_an_estimate_is_kept_as_a_note(status: str, note: str) -> None:
    converted = convert(ESTIMATES, legacy.estimate(1, status=status), KOLKATA)
    assert converted.document["note"] == note
    assert not converted.is_converted
    assert [(defect.rule, defect.was, defect.became) for defect in converted.defects] == [
        ("status_noted", status, f"note: {note}")
    ]
    shown = Serializers(KOLKATA).estimate(placed(converted))
    assert (shown["status"], shown["note"]) == ("Pending", note)


def test_an_unknown_status_of_an_order_is_kept_as_a_note() -> None:
    converted = convert(ORDERS, legacy.order(1, status="Shipped"), KOLKATA)
    assert (converted.document["status"], converted.document["note"], rules(converted)) == (
        *("Completed", "Shipped"),
        {"status_unknown"},
    )


@pytest.mark.parametrize("status", [None, "", "Pending", "pending", "CONVERTED"])
def test_a_known_status_is_no_note(status: str | None) -> None:
    assert "note" not in convert(ESTIMATES, legacy.estimate(1, status=status), KOLKATA).document


def sale_among_estimates(number: int, **changes: Any) -> dict[str, Any]:
    """Return a completed sale, as an older version stored it among the estimates."""
    source = legacy.estimate(number)
    for name in ("estimate_id", "estimate_number", "is_converted_to_order", "linked_order_id", "linked_order_number"):
        del source[name]
    sold = {"sale_id": f"SALE-{number:08X}", "sale_number": f"#{number:03d}", "status": "Completed"}
    return {**source, "_id": ObjectId(f"67c2a000{number:016x}"), **sold, **changes}


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, ORDERS),
        ({"status": " completed "}, ORDERS),
        ({"status": "Cancelled"}, ORDERS),
        ({"status": None}, ORDERS),
        ({"sale_number": None}, ORDERS),
        ({"sale_id": ""}, ORDERS),
        ({"estimate_number": "#004", "estimate_id": "EST-1"}, ORDERS),
        ({"estimate_number": "#004", "status": "Pending"}, ESTIMATES),
        ({"estimate_number": "#004", "is_converted_to_order": True}, ESTIMATES),
        ({"estimate_number": "#004", "linked_order_id": "ORDER-1"}, ESTIMATES),
        ({"sale_id": None, "sale_number": None, "estimate_number": "#004"}, ESTIMATES),
    ],
)
def test_a_completed_sale_among_the_estimates_is_an_order(changes: dict[str, Any], kind: str) -> None:
    assert actual_kind(ESTIMATES, sale_among_estimates(4, **changes)) == kind
    assert actual_kind(ORDERS, sale_among_estimates(4, **changes)) == ORDERS


def test_a_sale_among_the_estimates_is_converted_like_an_order() -> None:
    converted = convert(ORDERS, sale_among_estimates(4, payment_method="Card", amount_paid=600.0), KOLKATA)
    assert (converted.number, converted.public_id) == (4, "SALE-00000004")
    document = converted.document
    assert (document["status"], document["payment_mode"], document["amount_paid"]) == ("Completed", "Card", 60_000)
