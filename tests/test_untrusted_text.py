"""No text that somebody typed becomes a formula in a spreadsheet."""

import csv
import io
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.untrusted_text import for_csv, for_workbook

SIGNS = "=+-@＝＋－＠﹢﹣﹦﹫−⁺₌"  # noqa: RUF001  (the look-alikes are the point)
LEADING = " \t\u00a0\u200b\ufeff\u3000\u2028\x1f"
ATTACKS = st.builds("".join, st.tuples(st.text(LEADING, max_size=3), st.sampled_from(SIGNS), st.text(max_size=20)))
BREAKS = st.builds("".join, st.tuples(st.sampled_from("\t\r\n"), st.text(max_size=20)))
TEXTS = st.text() | BREAKS | ATTACKS | st.text("=+-@;,\t\r\n \"'ab1", max_size=12)


def first_visible(text: str) -> str:
    """What a program sees first, that looks past blanks and takes look-alikes for the sign."""
    seen = [each for each in text if unicodedata.category(each)[0] not in "ZC"]
    return unicodedata.normalize("NFKC", seen[0])[0].replace("\u2212", "-") if seen else ""


def cells(text: str, delimiter: str) -> list[str]:
    """The cells that a program sees in a CSV file with one row, whatever it takes for the delimiter."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(["#001", text, "1.00"])
    reader = csv.reader(buffer.getvalue().splitlines(keepends=True), delimiter=delimiter)
    return [cell for row in reader for cell in row]


@given(TEXTS)
@example('=HYPERLINK("http://x","y")')
@example('a\n"=1')
@example("a;=1")
@example("a\n=1")
@example("\x1e=")
@example("a;\n ＝1")  # noqa: RUF001
def test_no_cell_of_csv_begins_as_a_formula_does(text: str) -> None:
    for delimiter in (",", ";"):
        for cell in cells(for_csv(text), delimiter):
            assert first_visible(cell) not in tuple("=+-@"), cell
            assert cell[:1] not in ("\t", "\r")


@given(TEXTS)
def test_nothing_but_apostrophes_is_added(text: str) -> None:
    assert for_csv(text).replace("'", "") == text.replace("'", "")
    assert for_workbook(text).replace("'", "") == text.replace("'", "")


@given(ATTACKS | BREAKS)
def test_an_attack_is_text_in_a_workbook_too(text: str) -> None:
    assert for_workbook(text) in ("'" + text, text)
    assert for_workbook(text).startswith("'") or set(text) <= set("+0123456789 ().-")


@pytest.mark.parametrize(
    "text", ["Asha Patel", "आशा", "12, MG Road\nPune", "a=b", "3-4", "", "#001", "'quoted'", "(x)"]
)
def test_usual_text_stays_as_it_is(text: str) -> None:
    assert for_csv(text) == for_workbook(text) == text


@pytest.mark.parametrize("phone", ["+91 98765 43210", "+919876543210", "+1 (555) 010-9999", "+44.20.7946.0000"])
def test_a_phone_number_stays_readable(phone: str) -> None:
    assert for_workbook(phone) == phone
    assert for_csv(phone) == "'" + phone


@pytest.mark.parametrize("text", ["+cmd|'/C calc'!A0", "+91;=1", "+91 98765 SUM(1)", "+", "+1", "-1+1", "@SUM(1)"])
def test_what_only_begins_like_a_phone_number_is_no_phone_number(text: str) -> None:
    assert for_workbook(text) == "'" + text
