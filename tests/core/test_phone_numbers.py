"""Phone numbers are recognized in any notation, for customers, sales, search, messages and imports."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.messaging.composition import require_phone
from schemas.text.phones import INDIA, NO_REGION, national_digits, normalize_phone

NUMBER = "+919822012345"
WRITTEN = [
    "9822012345",
    "0919822012345",
    "091-98220-12345",
    "0091 98220 12345",
    "00 91 98220-12345",
    "+91 (0) 98220 12345",
    "(+91) 98220 12345",
    "+91-0-98220-12345",
    "+0919822012345",
    "0 98220 12345",
    "+91 +91 98220 12345",
    "91 91 9822012345",
    "98220.12345",
    "(98220) 12345",
    "98220_12345",
    "'9822012345",
    "98220\u00a012345",
    "98220\u200912345",
    "98220\u3000 12345",
    "98220\u201112345",
    "98220\u201312345",
    "98220\u221212345",
    "\u202a+91 98220 12345\u202c",
    "\u200e\u206898220\u200b12345\ufeff",
    "98220\u00ad12345",
    "९८२२०१२३४५",
    "٩٨٢٢٠١٢٣٤٥",
    "۰۹۸۲۲۰۱۲۳۴۵",
    "９８２２０１２３４５",
    "＋９１ ９８２２０ １２３４５",
    "৯৮২২০ ১২৩৪৫",
    "𝟗𝟖𝟐𝟐𝟎𝟏𝟐𝟑𝟒𝟓",
    "9822012345 (wife)",
    "(wife) 9822012345",
    "9822012345 wife",
    "9822012345wife",
    "wife9822012345",
    "9822012345 पत्नी",
    "9822012345पत्नी",
    "Mob: 9822012345",
    "Ph. No.- 98220 12345",
    "#9822012345",
    "9822012345 (call after 6)",
    "9822012345 - 2nd floor",
    "091-98220-12345 - 2nd floor",
    "0919822012345 wife",
    "9822012345/9822054321",
    "9822012345, 9822054321",
    "98220 12345 / 98220 54321",
    "9822012345 or 9822054321",
    "9822012345;9822054321",
    "9822012345\n9822054321",
    "9822012345-9822054321",
    "9822012345 9822054321",
    "+91 98220 12345 98220 54321",
    "98220123459822054321",
    "0000000000 / 9822012345",
    "1234567890, 9822012345",
    "98220-12345 / 54321",
    "tel:+919822012345",
    "tel:+91-98220-12345;ext=3",
    "9822012345 ext 5",
    "9822012345x5",
    "9822012345.0",
    "919822012345.00",
    "whatsapp:+919822012345",
    "https://wa.me/919822012345",
    "+91\t98220\t12345",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_number_is_recognized_in_any_notation(text: str) -> None:
    assert normalize_phone(text) == NUMBER
    assert require_phone(text, INDIA) == NUMBER
    assert normalize_phone(f"  {text} ") == NUMBER


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "none", "12", "1234567890", "0123456789", "9999999999", "0919999999999", "९९९९९९९९९९"),
        *("98220", "98220 1234", "982201234567890123", "9.82201E+09", "9.82E+09", "9" * 400, "9822012345" * 40),
        *("27ABCDE1234F1Z5", "-", "+", "()", "\u202a\u202c", "+91", "0091", "²³⁴"),
    ],
)
def test_a_text_that_cannot_be_dialled_is_not_a_number(text: str) -> None:
    assert normalize_phone(text) is None


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("020 2553 2345", INDIA, "+912025532345"),
        ("0091 020 2553 2345", INDIA, "+912025532345"),
        ("020 2553 2345 / 9822012345", INDIA, "+912025532345"),
        ("+1 650 253 0000 (uncle)", INDIA, "+16502530000"),
        ("001 650 253 0000", INDIA, "+16502530000"),
        ("650-253-0000 (home)", "US", "+16502530000"),
        ("1 1 650 253 0000", "US", "+16502530000"),
        ("0044 (0)20 7946 0958", "GB", "+442079460958"),
        ("044 20 7946 0958", "GB", "+442079460958"),
        ("+91 98220 12345 (agent)", NO_REGION, NUMBER),
        ("98220 12345", NO_REGION, None),
    ],
)
def test_numbers_of_other_countries_are_found_as_well(text: str, region: str, number: str | None) -> None:
    assert normalize_phone(text, region) == number


def test_the_national_number_has_no_country_code() -> None:
    assert [national_digits(each) for each in (NUMBER, "+16502530000", "+442079460958")] == [
        "9822012345",
        "6502530000",
        "2079460958",
    ]


BLANKS = st.sampled_from(["", " ", "-", ".", "\u00a0", "\u2009", "\u2011", "\u200b", "\u202f"])
DIGITS = st.sampled_from(["0123456789", "०१२३४५६७८९", "٠١٢٣٤٥٦٧٨٩", "０１２３４５６７８９"])
BEFORE = st.sampled_from(["", "+91", "91", "0", "091", "0091", "+91 (0)", "00 91 ", "(+91) ", "tel:+91", "Ph: "])
AFTER = st.sampled_from(["", " (wife)", " wife", ", 9822054321", " / 9822054321", ".0", " ext 3", "\u202c", " शॉप"])


@given(st.integers(7_000_000_001, 9_899_999_999), BEFORE, BLANKS, AFTER, DIGITS)
def test_notations_can_be_combined(number: int, before: str, blank: str, after: str, digits: str) -> None:
    plain = str(number)
    if normalize_phone(plain) is None:
        return
    text = f"{before}{blank}{plain[:5]}{blank}{plain[5:]}"
    if after != ".0" or blank != ".":
        text += after
    written = text.translate(str.maketrans("0123456789", digits))
    assert normalize_phone(written) == "+91" + plain, written


@given(st.text(max_size=250))
def test_any_text_is_parsed_and_a_normalized_number_is_stable(text: str) -> None:
    found = normalize_phone(text)
    assert found is None or normalize_phone(found) == found


@pytest.mark.parametrize("value", [9822012345.0, Decimal("9822012345.0")])
def test_a_number_stored_as_a_float_is_recognized(value: Any) -> None:
    assert normalize_phone(str(value)) == NUMBER
