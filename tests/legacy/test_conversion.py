"""The conversion of one document of the earlier backend."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from bson import Code, Int64
from hypothesis import given
from hypothesis import strategies as st

from schemas.core.collections import ESTIMATES, ORDERS
from schemas.legacy.conversion import ConvertedDocument, convert
from schemas.legacy.report import RULES, Report
from schemas.reporting.rollups import RollupDeltas
from schemas.sales.bodies import EstimateBody
from schemas.sales.documents import draft
from schemas.sales.serializers import Serializers
from tests.support.legacy import legacy_documents as legacy
from tests.support.payloads import line

pytestmark = pytest.mark.soak

KOLKATA = ZoneInfo("Asia/Kolkata")
VIEWS = Serializers(KOLKATA)

FIELDS = sorted({*legacy.estimate(1), *legacy.order(1), "order_number", "updated_at", "notes"})
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.floats(-1e7, 1e7),
    st.text("aZ09 .,-\x00\n\u2028\u200dé₹हि🙂", max_size=20),
    st.sampled_from(
        ("#001", "nan", "1e999", "Completed", "CANCELLED", "2025-01-01", "-5", "₹ 1,200.50", "x" * 600, "true")
    ),
    st.datetimes(timezones=st.sampled_from((None, UTC))),
    st.binary(max_size=5),
    # A text to Python, and to MongoDB a piece of JavaScript, which has no hash and equals no text.
    st.builds(Code, st.sampled_from(("", "EST-1", "#001", "Pending", "true", "2025-01-01", "12.50"))),
)
LINES = st.lists(
    st.one_of(SCALARS, st.dictionaries(st.sampled_from(("id", "name", "price", "quantity", "discount")), SCALARS)),
    max_size=3,
)
VALUES = st.one_of(SCALARS, LINES, st.dictionaries(st.sampled_from("ab"), SCALARS, max_size=2))
DOCUMENTS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6).map(lambda changes: {"_id": 1, **changes})


def rules(converted: ConvertedDocument) -> set[str]:
    return {defect.rule for defect in converted.defects}


def placed(converted: ConvertedDocument) -> dict[str, Any]:
    return {"_id": converted.public_id or "x", "number": converted.number or 1, **converted.document}


@given(kind=st.sampled_from((ESTIMATES, ORDERS)), changes=DOCUMENTS, is_complete=st.booleans())
def test_any_document_can_be_converted_shown_and_summed(kind: str, changes: dict[str, Any], is_complete: bool) -> None:
    base = (legacy.estimate(1) if kind == ESTIMATES else legacy.order(1)) if is_complete else {}
    converted = convert(kind, {**base, **changes}, KOLKATA)
    document = placed(converted)
    shown = VIEWS.entries[kind](document)
    json.dumps(shown, allow_nan=False)
    assert document["subtotal"] - document["discount"] + document["round_off"] == document["total"] >= 0
    assert sum(item["total"] for item in document["items"]) == document["subtotal"] or not document["items"]
    additions = RollupDeltas()
    additions.add(kind, document)
    assert all(0 <= amount <= 10**15 for row in additions.rows().values() for amount in row.values())
    assert shown["customer_name"]
    assert shown["sale_by"]
    assert document["created_at"] <= document["updated_at"]
    assert len(document["terms"]) <= 600
    assert rules(converted) <= set(RULES)
    report = Report()
    report.note(kind, "1", converted.defects)
    assert all(line.isprintable() for line in report.lines())


def test_a_sound_document_is_converted_like_a_native_one() -> None:
    """Check that figures, search terms and days of a sound document equal those of a native one."""
    source = legacy.estimate(1)
    converted = convert(ESTIMATES, source, KOLKATA)
    body = {**source, "items": [{**each} for each in source["items"]]}
    native = draft(EstimateBody().load({name: body[name] for name in body if name not in ("_id", "created_at")}))
    assert {name: converted.document[name] for name in native} == native
    assert (converted.number, converted.public_id, converted.defects) == (1, "EST-00000001", ())


@pytest.mark.parametrize(
    ("written", "paise"),
    [(0.1 + 0.2, 30), (1.005, 101), (2.675, 268), (1e-9, 0), (397.8, 39_780), ("₹ 1,200.50", 120_050)],
)
def test_money_is_rounded_half_up_from_what_the_float_shows(written: Any, paise: int) -> None:
    items = [line(price=1.0)]
    converted = convert(ORDERS, legacy.order(1, total=written, amount_paid=written, items=items), KOLKATA)
    assert (converted.document["total"], converted.document["amount_paid"]) == (paise, paise)


@pytest.mark.parametrize(
    ("changes", "rule", "field", "value"),
    [
        ({"total": float("nan")}, "total_unreadable", "total", 62_910),
        ({"total": -5}, "total_negative", "total", 62_910),
        ({"total": 600.0}, "totals_do_not_add_up", "round_off", -2_910),
        ({"amount_paid": None}, "amount_paid_unreadable", "amount_paid", 62_910),
        ({"amount_paid": -1}, "amount_paid_negative", "amount_paid", 0),
        ({"status": "shipped"}, "status_unknown", "status", "Completed"),
        ({"items": []}, "items_missing", "items", []),
        ({"discount_amount": "much"}, "discount_unreadable", "discount", 0),
        ({"customer_name": None}, "text_missing", "customer_name", "Unknown"),
        ({"customer_name": "a\x00b"}, "text_cleaned", "customer_name", "a b"),
        ({"created_at": "2025-03-01T00:30:00"}, "created_at_not_a_time", "business_date", "2025-03-01"),
        ({"created_at": "gestern"}, "created_at_unreadable", "business_date", "2025-03-01"),
        ({"payment_mode": 5}, "text_cleaned", "payment_mode", "5"),
        ({"sms": True}, "extra_fields", "version", 1),
    ],
)
def test_each_defect_has_its_rule(changes: dict[str, Any], rule: str, field: str, value: Any) -> None:
    converted = convert(ORDERS, legacy.order(1, **changes), KOLKATA)
    assert rule in rules(converted)
    assert converted.document[field] == value


def test_a_status_in_another_case_is_no_defect() -> None:
    converted = convert(ORDERS, legacy.order(1, status=" CANCELED "), KOLKATA)
    assert (converted.document["status"], converted.defects) == ("Cancelled", ())


def test_a_discount_amount_marked_as_percentage_is_recognized_by_the_total() -> None:
    converted = convert(ESTIMATES, legacy.estimate(1, discount_amount=50.0, total=649.0), KOLKATA)
    assert (converted.document["discount"], converted.document["discount_percentage"]) == (5_000, None)


@pytest.mark.parametrize("value", [Code("EST-1"), Code("EST-1", {"x": 1})])
def test_values_that_can_be_read_as_text_become_text(value: Any) -> None:
    items = [line(id=value, name=value)]
    converted = convert(ESTIMATES, legacy.estimate(1, estimate_id=value, linked_order_id=value, items=items), KOLKATA)
    (item,) = converted.document["items"]
    found = (converted.public_id, converted.link, item["id"], item["name"])
    assert found == ("EST-1",) * 4
    assert {type(each) for each in found} == {str}


def test_values_that_can_be_read_as_an_integer_become_one() -> None:
    (item,) = convert(ORDERS, legacy.order(1, items=[line(id=Int64(7))]), KOLKATA).document["items"]
    assert (item["id"], type(item["id"])) == (7, int)


def test_a_time_of_the_database_is_utc() -> None:
    late = datetime(2025, 3, 1, 19, 0)  # noqa: DTZ001
    converted = convert(ORDERS, legacy.order(1, created_at=late), KOLKATA)
    assert converted.document["business_date"] == "2025-03-02"


def test_personal_data_is_masked_in_the_report() -> None:
    report = Report()
    report.note(ORDERS, "1", convert(ORDERS, legacy.order(1, customer_phone=9812345678), KOLKATA).defects)
    assert "9812345678" not in "\n".join(report.lines())
    assert "9812345678" in "\n".join(report.lines(is_masked=False))
