"""What the `q` filter compares: the words of a customer's name and a phone number, folded, however they were typed."""

import re
import unicodedata
from typing import Final

_LONGEST: Final = 40
_PHONE: Final = re.compile(r"\+?\d[\d\s()./-]*\d", re.ASCII)
_ASCII_WORD: Final = re.compile(r"[a-z0-9]+", re.ASCII)
_COUNTRY: Final = "91"
_NATIONAL_DIGITS: Final = 10


def terms_of(name: str, phone: str) -> list[str]:
    """What a document is found by: the words of the name and of the phone, and the phone as one number."""
    number = _bare(phone)
    return sorted({*words_of(f"{name} {phone}"), *([number[:_LONGEST]] if number else [])})


def readings_of(query: str) -> list[list[str]]:
    """The ways in which a query can be meant, each a list of word beginnings: as it is typed, and, where it differs,
    with the groups of digits taken together (`98765 43210` is a phone number, or two words)."""
    typed = words_of(query)
    joined = words_of(_PHONE.sub(lambda match: _bare(match[0]), query))
    return [typed] if typed == joined else [typed, joined]


def words_of(text: str) -> list[str]:
    """The distinct runs of letters, marks and digits, without regard to case or to how accents are encoded."""
    if text.isascii():
        return sorted({word[:_LONGEST] for word in _ASCII_WORD.findall(text.lower())})
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    spaced = "".join(character if unicodedata.category(character)[0] in "LMN" else " " for character in folded)
    return sorted({word[:_LONGEST] for word in spaced.split()})


def _bare(phone: str) -> str:
    """The digits of a phone number, without the country code or the zero that it may be dialled with."""
    digits = re.sub(r"\D", "", phone, flags=re.ASCII)
    if phone.strip().startswith("+" + _COUNTRY) or (
        len(digits) == len(_COUNTRY) + _NATIONAL_DIGITS and digits.startswith(_COUNTRY)
    ):
        return digits.removeprefix(_COUNTRY)
    return digits.removeprefix("0") if len(digits) == 1 + _NATIONAL_DIGITS else digits
