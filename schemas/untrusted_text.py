"""Text that customers and staff typed, made harmless for spreadsheet programs.

A cell that begins with = + - or @ is a formula to them, and formulas can fetch, send and start things. So such a text
gets an apostrophe before it, which makes it text again. They look past blanks and invisible characters and take the
full-width forms for the same signs, so the rule does too.

In CSV the rule knows no exception, not even for phone numbers: `'+919876543210` is shown with all its digits, and
`+919876543210` would be shown as 9.19877E+11. It also holds after a semicolon, a tab or a line break within a text,
where a program that is set to semicolons begins a new cell. In XLSX each text is stored as text, which no program
computes, and a phone number stays exactly as it was typed.
"""

import re
import unicodedata
from typing import Final

_SIGNS: Final = frozenset("=+-@")
#: Not the same sign to Unicode, and yet to some programs.
_MINUS: Final = "\u2212"
_STARTS: Final = re.compile(r"(?:\A|[;\t\r\n\x0b\x0c\x1c-\x1e\x85\u2028\u2029])(?=(.))", re.DOTALL)
_PHONE: Final = re.compile(r"\+[0-9][0-9 ().\-]{4,24}", re.ASCII)
_MARK: Final = "'"


def for_csv(text: str) -> str:
    """A text as a cell of CSV: harmless wherever a program may see a cell begin in it."""
    if text.isalnum():
        return text
    return _STARTS.sub(lambda match: match[0] + (_MARK if is_formula(text[match.end() :]) else ""), text)


def for_workbook(text: str) -> str:
    """A text as a cell of XLSX, where it is stored as text: harmless also when it is edited, or saved as CSV."""
    return _MARK + text if is_formula(text) and not _PHONE.fullmatch(text) else text


def is_formula(text: str) -> bool:
    """Whether a spreadsheet program may take the text for a formula, or for a break that one follows."""
    if text[:1] in ("\t", "\r", "\n"):
        return True
    for character in text:
        # Separators, controls and formats are what programs look past, and a quotation mark where one opens a cell.
        if character != '"' and unicodedata.category(character)[0] not in "ZC":
            return unicodedata.normalize("NFKC", character)[0] in _SIGNS or character == _MINUS
    return False
