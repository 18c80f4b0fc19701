"""Protection from formula injection: texts that users typed, escaped for spreadsheet programs.

To these programs, a cell that begins with = + - or @ is a formula, and formulas can load, send and start things. An
apostrophe before such a text makes it a text again. The programs ignore blanks and invisible characters before the sign
and accept its full-width forms, so the rule does too.

In CSV the rule has no exception, not even for phone numbers: `'+919876543210` is shown with all its digits, but
`+919876543210` as 9.19877E+11. The rule also applies after a semicolon, a tab, a bar or a line break within a text,
where a program that is set to semicolons begins a new cell. In XLSX each text is stored as text, which no program
computes, and a phone number stays as it was typed.

CSV has no types, so programs also read numbers, dates, times and booleans from texts: `007` becomes 7, `3/4` the third
of April, and a number of 17 digits loses its last two. Such a text gets the apostrophe too; see `is_altered`.
"""

import re
import unicodedata
from typing import Final

_SIGNS: Final = frozenset("=+-@")
#: Another character in Unicode, but the same sign to some programs.
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
#: Texts that programs read as a number, an amount, a fraction, a date or a time, in any locale.
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
    """Return a text as a cell of CSV: without formulas wherever a program may begin a cell, and shown as typed."""
    if text.isalpha() and len(text) > _LONGEST_TRUTH:
        return text
    harmless = _STARTS.sub(lambda match: match[0] + (_MARK if is_formula(text[match.end() :]) else ""), text)
    return _MARK + text if harmless == text and is_altered(text) else harmless


def escape_workbook(text: str) -> str:
    """Return a text as a cell of XLSX, which has no formula after editing or saving as CSV either."""
    return _MARK + text if is_formula(text) and not _PHONE.fullmatch(text) else text


def is_altered(text: str) -> bool:
    """Return whether a spreadsheet program may read something else from the text in CSV: a number without its leading
    zeros or last digits, a date, a time, a boolean or an error. Month names are English."""
    if _SHOWN_AS_TYPED.fullmatch(text):
        return False
    visible = "".join(" " if unicodedata.category(each)[0] in "ZC" else each for each in text)
    seen = unicodedata.normalize("NFKC", visible).strip().casefold()
    return seen in _NO_TEXT or (any(map(str.isdigit, seen)) and _VALUE.fullmatch(seen) is not None)


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet program may read the text as a formula, or as a break before one.

    Quotation marks before a break are ignored: a program that is set to another separator reads them as an empty text,
    followed by the break.
    """
    if text.lstrip('"')[:1] in ("\t", "\r", "\n"):
        return True
    for character in text:
        # Programs ignore separators, controls and formats, and a quotation mark that opens a cell.
        if character != '"' and unicodedata.category(character)[0] not in "ZC":
            return unicodedata.normalize("NFKC", character)[0] in _SIGNS or character == _MINUS
    return False
