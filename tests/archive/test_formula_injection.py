"""Text input never becomes a formula in a spreadsheet."""

import csv
import io
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.archive.formula_injection import escape_csv, escape_workbook

SIGNS = "=+-@＝＋－＠﹢﹣﹦﹫−⁺₌"  # noqa: RUF001  (the look-alikes are the point)
LEADING = " \t\u00a0\u200b\ufeff\u3000\u2028\x1f"
ATTACKS = st.builds("".join, st.tuples(st.text(LEADING, max_size=3), st.sampled_from(SIGNS), st.text(max_size=20)))
BREAKS = st.builds("".join, st.tuples(st.sampled_from("\t\r\n"), st.text(max_size=20)))
TEXTS = st.text() | BREAKS | ATTACKS | st.text("=+-@;|,\t\r\n\x0b\x1e\u2028 \"'ab1", max_size=12)


def first_visible(text: str) -> str:
    """Return the first character that a program sees if it skips whitespace and normalizes look-alikes."""
    seen = [each for each in text if unicodedata.category(each)[0] not in "ZC"]
    return unicodedata.normalize("NFKC", seen[0])[0].replace("\u2212", "-") if seen else ""


def cells(text: str, delimiter: str, *, is_by_line_feeds: bool = False) -> list[str]:
    """Return the cells that a program sees in a CSV file with one row, whatever it takes for the delimiter.

    :param is_by_line_feeds: whether it ends lines at CR and LF alone, and not at Unicode's other line breaks.
    """
    buffer = io.StringIO()
    csv.writer(buffer).writerow(["#001", text, "1.00"])
    written = buffer.getvalue()
    lines = io.StringIO(written, newline="") if is_by_line_feeds else written.splitlines(keepends=True)
    return [cell for row in csv.reader(lines, delimiter=delimiter) for cell in row]


@given(TEXTS)
@example('=HYPERLINK("http://x","y")')
@example('a\n"=1')
@example("a;=1")
@example("a\n=1")
@example("\x1e=")
@example("a;\n ＝1")  # noqa: RUF001
@example('\r"\t')
@example('a;"""\t=1')
@example('\n"\r"=1')
@example('a|"=1')
def test_no_cell_of_csv_begins_as_a_formula_does(text: str) -> None:
    for delimiter in ",;\t|":
        for is_by_line_feeds in (False, True):
            for cell in cells(escape_csv(text), delimiter, is_by_line_feeds=is_by_line_feeds):
                assert first_visible(cell) not in tuple("=+-@"), cell
                assert cell[:1] not in ("\t", "\r")


@given(TEXTS)
def test_nothing_but_apostrophes_is_added(text: str) -> None:
    assert escape_csv(text).replace("'", "") == text.replace("'", "")
    assert escape_workbook(text).replace("'", "") == text.replace("'", "")


@given(ATTACKS | BREAKS)
def test_an_attack_is_text_in_a_workbook_too(text: str) -> None:
    assert escape_workbook(text) in ("'" + text, text)
    assert escape_workbook(text).startswith("'") or set(text) <= set("+0123456789 ().-")


@pytest.mark.parametrize("text", ["Asha Patel", "आशा", "12, MG Road\nPune", "a=b", "", "#001", "'quoted'", "(x)"])
def test_usual_text_stays_as_it_is(text: str) -> None:
    assert escape_csv(text) == escape_workbook(text) == text


@pytest.mark.parametrize("phone", ["+91 98765 43210", "+919876543210", "+1 (555) 010-9999", "+44.20.7946.0000"])
def test_a_phone_number_stays_readable(phone: str) -> None:
    assert escape_workbook(phone) == phone
    assert escape_csv(phone) == "'" + phone


@pytest.mark.parametrize("text", ["+cmd|'/C calc'!A0", "+91;=1", "+91 98765 SUM(1)", "+", "+1", "-1+1", "@SUM(1)"])
def test_a_text_that_only_begins_like_a_phone_number_is_escaped(text: str) -> None:
    assert escape_workbook(text) == "'" + text


@pytest.mark.parametrize(
    "text",
    [
        *("09822012345", "0012345678905", "007", "00", " 007", "007\u200b", "０１２", "०१२"),  # noqa: RUF001
        *("919822012345", "12345678901234567", "1234567890123456789012"),
        *("1E5", "1e5", "12E3", "1e+5", "65e123456789012345678901", "0E0"),
        *("1-2", "3/4", "3-4", "1/2/2026", "2026-01-31", "2026-01-31T10:00:00Z", "1.2.2026", "1 1/2"),
        *("5 Jan", "Jan 5", "MAR1", "Sept2", "5-Jan-24", "Dec. 5, 2024", "June 2026"),
        *("10:30", "12:30:45", "5 pm", "5 PM", "5 p", "10:30 a.m.", "1/2 5:00 am"),
        *("TRUE", "False", "true ", "#N/A", "#REF!", "#DIV/0!"),
        *("1.50", "1.5", "1,000", "(5)", "5%", "$5", "₹500", "5-", "98220 12345"),
    ],
)
def test_values_that_a_spreadsheet_would_change_are_text_in_csv(text: str) -> None:
    assert escape_csv(text) == "'" + text
    # A workbook stores it as text.
    assert escape_workbook(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("0", "1", "42", "9822012345", "12345678901"),
        *("A1", "E5", "12A", "A-1", "ORDER-1", "12 MG Road", "1/2 kg", "Asha 2", "May", "June", "Mayank 5", "Decor 5"),
        *("true story", "#1", "No. 5", "1 kg", "5 x 4", "UPI", "Cash"),
    ],
)
def test_values_that_a_spreadsheet_shows_unchanged_are_not_escaped(text: str) -> None:
    assert escape_csv(text) == text


@given(st.from_regex(r"[0-9]{1,25}", fullmatch=True))
def test_no_digit_of_a_text_of_digits_is_lost(text: str) -> None:
    """Check that long numbers are text, since a spreadsheet keeps 15 digits of a number, and Excel shows 11."""
    is_kept = len(text) <= 11 and str(int(text)) == text
    assert escape_csv(text) == (text if is_kept else "'" + text)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.dates() | st.times() | st.datetimes() | st.decimals(0, 9))
def test_a_text_that_parses_as_a_number_or_a_date_is_escaped_or_unchanged(value: object) -> None:
    text = str(value)
    assert escape_csv(text) == "'" + text or (text.isdigit() and text == str(int(text)))
