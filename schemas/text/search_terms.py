"""What the `q` filter compares: the words of a customer's name and a phone number, folded, however they were typed."""

import re
from typing import Final

from schemas.text.folding import fold
from schemas.text.phones import national_digits, normalize_phone

#: Which rule the stored words were made by; raised with each change of `folding.py` or of this file.
TERMS_VERSION: Final = 2
_LONGEST: Final = 40
_PHONE: Final = re.compile(r"\+?\d[\d\s()./-]*\d", re.ASCII)
_ASCII_WORD: Final = re.compile(r"[a-z0-9]+", re.ASCII)
_BEGINS_AS_A_PHONE: Final = re.compile(r"\W*[0-9]", re.ASCII)
#: Zeros and the country code, with which a number may begin that is being typed. What is shorter may be the number of
#: a document (`#003`), or the end of a phone.
_DIALLED_BEFORE: Final = re.compile(r"\A(?:0*910?|0+)(?=[1-9][0-9]{2})", re.ASCII)


def search_terms(name: str, phone: str) -> list[str]:
    """Return what a document is found by: the words of the name and of the phone, and the phone as one number."""
    return sorted({*split_words(f"{name} {phone}"), *_numbers_of(phone)})


def query_variants(query: str) -> list[list[str]]:
    """Return the ways in which a query can be meant, each a list of word beginnings.

    As it is typed; with groups of digits taken together (`98765 43210` is a phone number, or two words), with what is
    dialled before a number and without; and, where it begins with one, as that number alone (`98765 43210 (wife)`).
    """
    plain = query if query.isascii() else fold(query)
    joined = _PHONE.sub(lambda match: _digits(match[0]), plain)
    national_alone = _PHONE.sub(lambda match: _DIALLED_BEFORE.sub("", _digits(match[0]), 1), plain)
    readings = [split_words(each) for each in (query, joined, national_alone)]
    if _BEGINS_AS_A_PHONE.match(plain) and normalize_phone(query) is not None:
        readings += [[number] for number in _numbers_of(query)]
    return [words for place, words in enumerate(readings) if words not in readings[:place]]


def split_words(text: str) -> list[str]:
    """Return the distinct words of a text, folded: runs of letters, of marks that tell words apart, and of digits."""
    if text.isascii():
        return sorted({word[:_LONGEST] for word in _ASCII_WORD.findall(text.lower())})
    return sorted({word[:_LONGEST] for word in fold(text).split()})


def _numbers_of(phone: str) -> set[str]:
    """Return a phone number as digits: without the country code, and for other countries than India with it too."""
    number = normalize_phone(phone)
    if number is None:
        digits = _digits(fold(phone))
        return {digits[:_LONGEST]} if digits else set()
    return {national_digits(number)} if number.startswith("+91") else {national_digits(number), number[1:]}


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text, flags=re.ASCII)
