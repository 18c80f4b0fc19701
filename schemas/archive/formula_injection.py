"""Text that customers and staff typed, made harmless for spreadsheet programs.

A cell that begins with = + - or @ is a formula to them, and formulas can fetch, send and start things. So such a text
gets an apostrophe before it, which makes it text again. They look past blanks and invisible characters and take the
full-width forms for the same signs, so the rule does too.

In CSV the rule knows no exception, not even for phone numbers: `'+919876543210` is shown with all its digits, and
`+919876543210` would be shown as 9.19877E+11. It also holds after a semicolon, a tab, a bar or a line break within a
text, where a program that is set to semicolons begins a new cell. In XLSX each text is stored as text, which no program
computes, and a phone number stays exactly as it was typed.

CSV has no types, so a program also reads numbers, dates, times and truth values out of texts: `007` becomes 7, `3/4`
the third of April, and a number of 17 digits loses its last two. Such a text gets the apostrophe too; see `is_altered`.
"""

import re
import unicodedata
from typing import Final

_SIGNS: Final = frozenset("=+-@")
#: Not the same sign to Unicode, and yet to some programs.
_MINUS: Final = "\u2212"
_STARTS: Final = re.compile(r"(?:\A|[;|\t\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029])(?=(.))", re.DOTALL)
_PHONE: Final = re.compile(r"\+[0-9][0-9 ().\-]{4,24}", re.ASCII)
_MARK: Final = "'"

_LONGEST_TRUTH: Final = len("false")
#: A whole number that is shown as it is typed: Excel writes more than eleven digits with an exponent.
_SHOWN_AS_TYPED: Final = re.compile(r"0|[1-9][0-9]{0,10}", re.ASCII)
_MONTHS: Final = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
#: What programs take for a number, an amount, a fraction, a date or a time, in whichever country they are set to.
_VALUE: Final = re.compile(
    rf"""
    [\d\s.,:/\-+()%'\u2019\u2212$\u00a2\u00a3\u00a5\u20ac\u20b9]+          # 007  1,000  (5)  3/4  1-2  10:30  5%
    | [\d\s.,()+\-]+ e [+\-]? \d+ \)?                                   # 1E5
    | [\d\s.,:/\-]+ (?: [ap]\.?m\.? | \s[ap] )                            # 5 pm
    | [\d\s.,:/\-]* (?:{_MONTHS}) [\d\s.,:/\-]* (?: \s?[ap]m )?       # 5 Jan, MAR1, Jan-24
    | \d+-\d+-\d+ t [\d:.,]+ (?: z | [+\-][\d:]+ )?                       # 2026-01-31T10:00:00Z
    """,
    re.VERBOSE,
)
_NO_TEXT: Final = frozenset(
    ("true", "false", "#n/a", "#div/0!", "#ref!", "#name?", "#num!", "#null!", "#value!", "#spill!", "#calc!")
)


def escape_csv(text: str) -> str:
    """Return a text as a cell of CSV: harmless wherever a program may see a cell begin in it, and shown as typed."""
    if text.isalpha() and len(text) > _LONGEST_TRUTH:
        return text
    harmless = _STARTS.sub(lambda match: match[0] + (_MARK if is_formula(text[match.end() :]) else ""), text)
    return _MARK + text if harmless == text and is_altered(text) else harmless


def escape_workbook(text: str) -> str:
    """A text as a cell of XLSX, where it is stored as text: harmless also when it is edited, or saved as CSV."""
    return _MARK + text if is_formula(text) and not _PHONE.fullmatch(text) else text


def is_altered(text: str) -> bool:
    """Whether a spreadsheet program that reads the text from CSV may show or keep something else: a number without
    its leading zeros or last digits, a date, a time, a truth value or an error. Month names are English."""
    if _SHOWN_AS_TYPED.fullmatch(text):
        return False
    visible = "".join(" " if unicodedata.category(each)[0] in "ZC" else each for each in text)
    seen = unicodedata.normalize("NFKC", visible).strip().casefold()
    return seen in _NO_TEXT or (any(map(str.isdigit, seen)) and _VALUE.fullmatch(seen) is not None)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program may take the text for a formula, or for a break that one follows.

    Quotation marks before a break count for nothing: a program that is set to another separator takes them for those
    around an empty text, and the break for what follows it.
    """
    if text.lstrip('"')[:1] in ("\t", "\r", "\n"):
        return True
    for character in text:
        # Separators, controls and formats are what programs look past, and a quotation mark where one opens a cell.
        if character != '"' and unicodedata.category(character)[0] not in "ZC":
            return unicodedata.normalize("NFKC", character)[0] in _SIGNS or character == _MINUS
    return False
