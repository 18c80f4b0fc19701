"""The terms that the `q` filter compares: folded words of a customer's name and phone number."""

import re
from typing import Final

from schemas.text.folding import fold
from schemas.text.phones import national_digits, normalize_phone

#: The version of the rule that made the stored terms; increased with each change of `folding.py` or of this file.
TERMS_VERSION: Final = 2
_LONGEST: Final = 40
_PHONE: Final = re.compile(r"\+?\d[\d\s()./-]*\d", re.ASCII)
_ASCII_WORD: Final = re.compile(r"[a-z0-9]+", re.ASCII)
_BEGINS_AS_A_PHONE: Final = re.compile(r"\W*[0-9]", re.ASCII)
#: Zeros and the country code before a number that is being typed. A shorter text may be a document number (`#003`) or
#: the end of a phone number.
_DIALLED_BEFORE: Final = re.compile(r"\A(?:0*910?|0+)(?=[1-9][0-9]{2})", re.ASCII)


def search_terms(name: str, phone: str) -> list[str]:
    """Return the search terms of a document: the words of the name and of the phone, and the phone as one number."""
    return sorted({*split_words(f"{name} {phone}"), *_numbers_of(phone)})


def query_variants(query: str) -> list[list[str]]:
    """Return the possible meanings of a query, each a list of word prefixes.

    They are: the query as it is typed; with groups of digits joined (`98765 43210` may be a phone number or two words),
    with and without the country code; and, where it begins with a number, that number alone (`98765 43210 (wife)`).
    """
    plain = query if query.isascii() else fold(query)
    joined = _PHONE.sub(lambda match: _digits(match[0]), plain)
    national_alone = _PHONE.sub(lambda match: _DIALLED_BEFORE.sub("", _digits(match[0]), 1), plain)
    readings = [split_words(each) for each in (query, joined, national_alone)]
    if _BEGINS_AS_A_PHONE.match(plain) and normalize_phone(query) is not None:
        readings += [[number] for number in _numbers_of(query)]
    return [words for place, words in enumerate(readings) if words not in readings[:place]]


def split_words(text: str) -> list[str]:
    """Return the distinct folded words of a text: runs of letters, of marks that distinguish words, and of digits."""
    if text.isascii():
        return sorted({word[:_LONGEST] for word in _ASCII_WORD.findall(text.lower())})
    return sorted({word[:_LONGEST] for word in fold(text).split()})


def _numbers_of(phone: str) -> set[str]:
    """Return the digits of a phone number: without the country code, and outside India also with it."""
    number = normalize_phone(phone)
    if number is None:
        digits = _digits(fold(phone))
        return {digits[:_LONGEST]} if digits else set()
    return {national_digits(number)} if number.startswith("+91") else {national_digits(number), number[1:]}


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text, flags=re.ASCII)
