"""Phone numbers as people type them, normalized to E.164, such as `+919876543210`.

Customers, sales, search, messages and the import of the earlier backend share this rule. Of a text with several
numbers or with remarks, the first number that can be dialled counts.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from phonenumbers import (
    SUPPORTED_REGIONS,
    Leniency,
    NumberParseException,
    PhoneMetadata,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberMatcher,
    country_code_for_region,
    format_number,
    is_valid_number,
    parse,
)

#: The default region of numbers without a country code.
INDIA: Final = "IN"
#: No region: only numbers with a country code are valid.
NO_REGION: Final = "ZZ"

_SEPARATORS: Final = str.maketrans("", "", " -")
#: A zero may stand before the country code, after it, or instead of it.
_INDIAN: Final = re.compile(r"(?:\+?0{0,3}910?|0)?([6-9][0-9]{9})", re.ASCII)
_SEVERAL_INDIAN: Final = re.compile(r"(?:(?:0{0,3}910?|0)?[6-9][0-9]{9}){2,}", re.ASCII)
_INDIAN_METADATA: Final[Any] = PhoneMetadata.metadata_for_region(INDIA)
_INDIAN_MOBILE: Final = re.compile(_INDIAN_METADATA.mobile.national_number_pattern, re.ASCII)
#: Placeholders that people type instead of a number; some are valid by the rules of their country.
_FILLED_IN: Final = re.compile(r"0*(?:1234567890|0?123456789|(\d)\1{6,})", re.ASCII)
#: The fraction that a spreadsheet or a program adds to a number that it reads as an amount.
_FRACTION: Final = re.compile(r"(?<=[0-9]{7})\.0+(?![0-9])", re.ASCII)
_NEITHER_DIGITS_NOR_FORMAT: Final = re.compile(r"[^0-9+() .-]+", re.ASCII)
_LONGEST: Final = 120
#: International numbers have no fewer digits.
_FEWEST_DIGITS: Final = 6


def normalize_phone(text: str, region: str = INDIA) -> str | None:
    """Return the first phone number of a text in E.164, or None where there is none that can be dialled.

    :param region: ISO 3166 code of the country of numbers without a country code; `NO_REGION` for none.
    """
    digits = text.translate(_SEPARATORS)
    if region == INDIA and (match := _INDIAN.fullmatch(digits)) and _INDIAN_MOBILE.fullmatch(match[1]):
        # Nearly every number of an Indian shop; takes a tenth of the library's time.
        return None if _FILLED_IN.fullmatch(match[1]) else "+91" + match[1]
    return _found(text, region) if digits and len(text) <= _LONGEST else None


def national_digits(number: str) -> str:
    """Return the digits of a number in E.164 without its country code."""
    return number[3:] if number.startswith("+91") else str(parse(number).national_number)


@lru_cache(maxsize=4_096)
def _found(text: str, region: str) -> str | None:
    plain = _plain(text)
    if not any(character.isdigit() for character in plain):
        return None
    dialled = (each for each in _readings(plain, None if region == NO_REGION else region) if _can_be_dialled(each))
    number = next(dialled, None)
    return None if number is None else format_number(number, PhoneNumberFormat.E164)


def _plain(text: str) -> str:
    """Return a text with digits, dashes and blanks in ASCII, without invisible characters."""
    return _FRACTION.sub("", "".join(map(_plain_character, unicodedata.normalize("NFKC", text))))


def _plain_character(character: str) -> str:
    if character.isascii():
        return character if character.isprintable() and character != "_" else " "
    category = unicodedata.category(character)
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Pd" or character == "\u2212":
        return "-"
    return {"Cf": "", "Mn": "", "Zs": " ", "Zl": " ", "Zp": " ", "Cc": " "}.get(category, character)


def _readings(text: str, region: str | None) -> Iterator[PhoneNumber]:
    """Yield the numbers that a text may mean, the likeliest first: the whole text; each part without letters; numbers
    within the text."""
    yield from _parsed(text, region)
    for part in _NEITHER_DIGITS_NOR_FORMAT.split(text):
        digits = re.sub("[^0-9]", "", part)
        if len(digits) < _FEWEST_DIGITS:
            continue
        # First one country code alone: the number itself may begin with the same digits.
        for each in (part, _with_one_code(part, region, 1), _with_one_code(part, region, 9)):
            yield from _matched(each, region)
        if region == INDIA:
            yield from _first_of_several(digits)
    yield from _matched(text, region)


def _matched(text: str, region: str | None) -> Iterator[PhoneNumber]:
    for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
        yield match.number


def _parsed(text: str, region: str | None) -> Iterator[PhoneNumber]:
    try:
        yield parse(text, region)
    except NumberParseException:
        return


def _with_one_code(text: str, region: str | None, most: int) -> str:
    """Return a text with the region's country code once, in place of up to `most` repetitions or one after a zero."""
    code = country_code_for_region(region) if region else 0
    codes = rf"(?<![0-9])(?:[+( ]*0{{0,3}}[() .-]*{code}[() .-]*){{1,{most}}}(?=[0-9])"
    return re.sub(codes, f" +{code} ", text, count=1)


def _first_of_several(digits: str) -> Iterator[PhoneNumber]:
    """Yield the first of Indian mobile numbers that were written without a separator."""
    if _SEVERAL_INDIAN.fullmatch(digits) and (first := _INDIAN.match(digits)):
        yield from _parsed("+91" + first[1], INDIA)


def _can_be_dialled(number: PhoneNumber) -> bool:
    return is_valid_number(number) and not _FILLED_IN.fullmatch(str(number.national_number))


def currency_region(currency: str) -> str:
    """Return the country of a currency: the first two letters of its code (ISO 4217); `NO_REGION` for a currency of
    several countries."""
    return currency[:2] if currency[:2] in SUPPORTED_REGIONS else NO_REGION
