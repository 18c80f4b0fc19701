"""Laws of the pure rules, for any input that hypothesis thinks of."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.core.calendar import business_date, month_days, widest_bounds
from schemas.core.document_numbers import format_number, parse_number
from schemas.core.errors import TotalsMismatch
from schemas.core.pagination import InvalidCursor
from schemas.core.public_ids import new_id
from schemas.sales.documents import EstimateBody, draft
from schemas.sales.listing import DocumentCursor
from tests.support.payloads import estimate_body

pytestmark = pytest.mark.soak

BODY = EstimateBody()
PAISA = Decimal("0.01")

cents = st.integers(0, 1_000_000_00).map(lambda n: n / 100)
quantities = st.one_of(st.integers(1, 1_000), st.integers(1, 100_000).map(lambda n: n / 1_000))
percents = st.one_of(st.just(0.0), st.integers(0, 100_00).map(lambda n: n / 100))
lines = st.fixed_dictionaries(
    {
        "id": st.integers(1, 10**13),
        "name": st.just("Item"),
        "price": cents,
        "quantity": quantities,
        "discount": percents,
    }
)
carts = st.lists(lines, min_size=1, max_size=50)


Cart = list[dict[str, Any]]


def half_up(value: Decimal) -> Decimal:
    return value.quantize(PAISA, ROUND_HALF_UP)


def exact(value: float) -> Decimal:
    return Decimal(str(value))


def exact_subtotal(cart: Cart) -> Decimal:
    """Compute in decimal arithmetic, independently."""
    return sum(
        (
            half_up(exact(line["price"]) * exact(line["quantity"]) * (100 - exact(line["discount"])) / 100)
            for line in cart
        ),
        Decimal(0),
    )


def minor(value: Decimal) -> int:
    return int(value * 100)


@given(cart=carts, discount=percents)
def test_the_apps_totals_with_a_percentage_are_accepted_and_stored_exact(cart: Cart, discount: float) -> None:
    body = estimate_body(cart, discount=discount)
    document = draft(BODY.load(body))
    subtotal = exact_subtotal(cart)
    off = half_up(subtotal * exact(discount) / 100)
    assert (document["subtotal"], document["discount"]) == (minor(subtotal), minor(off))
    # By chance a whole rupee, it is kept as one.
    claimed = exact(body["total"])
    is_whole = claimed == claimed.to_integral_value() and abs(claimed - (subtotal - off)) <= 1
    assert document["total"] == minor(claimed if is_whole else subtotal - off)
    assert document["round_off"] == document["total"] - minor(subtotal - off)


@given(cart=carts, is_percentage=st.booleans(), beside=st.floats(-0.004, 0.004))
def test_a_bill_is_the_same_whether_its_claim_is_the_very_float_or_a_little_beside_it(
    cart: Cart, is_percentage: bool, beside: float
) -> None:
    subtotal = float(exact_subtotal(cart))
    near = max(subtotal + beside, 0)
    claims = [{"subtotal": subtotal, "total": subtotal}, {"subtotal": near, "total": near}]
    bodies = [estimate_body(cart, is_percentage=is_percentage, **claim) for claim in claims]
    very, other = (draft(BODY.load(body)) for body in bodies)
    assert very == other
    assert (very["total"], very["discount"], very["round_off"]) == (minor(exact_subtotal(cart)), 0, 0)


@given(cart=carts, share=st.integers(0, 100))
def test_the_apps_totals_with_an_amount_are_accepted_and_stored_exact(cart: Cart, share: int) -> None:
    subtotal = exact_subtotal(cart)
    amount = (subtotal * share / 100).quantize(PAISA, "ROUND_DOWN")
    document = draft(BODY.load(estimate_body(cart, discount=float(amount), is_percentage=False)))
    assert (document["discount"], document["total"]) == (minor(amount), minor(subtotal - amount))
    assert document["discount_percentage"] is None


@given(cart=carts, up=st.booleans())
def test_a_total_rounded_to_a_whole_rupee_is_accepted_and_the_rest_kept_apart(cart: Cart, up: bool) -> None:
    subtotal = exact_subtotal(cart)
    rupees = subtotal.to_integral_value("ROUND_CEILING" if up else "ROUND_FLOOR")
    document = draft(BODY.load({**estimate_body(cart), "total": float(rupees)}))
    assert document["total"] == minor(rupees)
    assert document["total"] == document["subtotal"] - document["discount"] + document["round_off"]


@given(cart=carts, by=st.integers(1, 10**9), down=st.booleans())
def test_a_total_that_late_rounding_cannot_explain_is_refused(cart: Cart, by: int, down: bool) -> None:
    subtotal = exact_subtotal(cart)
    beyond = PAISA * (len(cart) + 1) + PAISA * by
    claimed = subtotal - beyond if down else subtotal + beyond
    if claimed < 0 or (claimed == claimed.to_integral_value() and abs(claimed - subtotal) < 1):
        return
    with pytest.raises(TotalsMismatch) as refusal:
        draft(BODY.load({**estimate_body(cart), "total": float(claimed)}))
    assert refusal.value.members["computed"]["total"] == float(subtotal)


zones = st.sampled_from(sorted(available_timezones()))
instants = st.datetimes(datetime(1971, 1, 1), datetime(2399, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
some_days = st.dates(date(1971, 1, 1), date(2998, 12, 31))


@given(instant=instants, zone=zones)
def test_an_instant_falls_in_the_day_that_the_shops_wall_clock_shows(instant: datetime, zone: str) -> None:
    offset = instant.astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    day = (instant.replace(tzinfo=None) + offset).date()
    assert business_date(instant, ZoneInfo(zone)) == day.isoformat()
    lower, upper = widest_bounds(day, day)
    assert lower is not None
    assert upper is not None
    assert lower <= instant <= upper


@given(some_days)
def test_a_month_begins_on_the_first_and_ends_before_the_next(day: date) -> None:
    first, last = month_days(day.year, day.month)
    assert (first.day, (last + timedelta(days=1)).day) == (1, 1)
    assert first <= day <= last


@given(st.integers(1, 10**15 - 1))
def test_a_printed_number_is_parsed(number: int) -> None:
    printed = format_number(number)
    assert parse_number(printed) == parse_number(printed.removeprefix("#")) == parse_number(str(number)) == number


@given(st.text(max_size=30))
def test_no_other_text_is_a_number(text: str) -> None:
    number = parse_number(text)
    assert number is None or text.strip().removeprefix("#").lstrip("0") == str(number).lstrip("0")


@given(st.integers(0, 32_503_680_000_000), st.integers(0, 1), st.integers(1, 2**53 - 1))
def test_a_cursor_leads_back_to_its_place(instant: int, rank: int, number: int) -> None:
    position = DocumentCursor(instant, rank, number)
    assert DocumentCursor.decode(position.encode()) == position


@given(st.one_of(st.text(max_size=60), st.binary(max_size=40).map(lambda raw: raw.hex())))
def test_any_other_text_is_no_cursor(text: str) -> None:
    try:
        position = DocumentCursor.decode(text)
    except InvalidCursor:
        return
    assert position.encode().rstrip("=")


def test_public_ids_do_not_repeat_and_sort_by_time() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ids = [new_id("EST-", now + timedelta(milliseconds=n)) for n in range(1_000)]
    assert ids == sorted(set(ids))
    assert len({new_id("EST-", now) for _ in range(10_000)}) == 10_000


@given(st.integers(-(10**12), 10**15), st.sampled_from([2, 3, 6]))
def test_a_fixed_point_number_survives_json(value: int, places: int) -> None:
    shown = value / 10**places
    assert abs(Fraction(shown) * 10**places - value) < Fraction(1, 2)
