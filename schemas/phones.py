"""Phone numbers, however they were typed, in the one form that compares: E.164, as `+919876543210`."""

import re
from functools import lru_cache
from typing import Any, Final

from phonenumbers import (
    SUPPORTED_REGIONS,
    NumberParseException,
    PhoneMetadata,
    PhoneNumberFormat,
    format_number,
    is_valid_number,
    parse,
)

#: Where numbers without a country code are of, unless the shop says otherwise.
INDIA: Final = "IN"
#: No region: only numbers with a country code are any.
NOWHERE: Final = "ZZ"

_SEPARATORS: Final = str.maketrans("", "", " -")
_INDIAN: Final = re.compile(r"(?:\+91|0)?([6-9][0-9]{9})", re.ASCII)
_INDIAN_METADATA: Final[Any] = PhoneMetadata.metadata_for_region(INDIA)
_INDIAN_MOBILE: Final = re.compile(_INDIAN_METADATA.mobile.national_number_pattern, re.ASCII)
#: What is typed where there is no number to type; some are numbers by the rules of their country.
_FILLED_IN: Final = re.compile(r"0*(?:1234567890|0?123456789|(\d)\1{6,})", re.ASCII)
_LONGEST: Final = 40


def normalised(text: str, region: str = INDIA) -> str | None:
    """A phone number in E.164, or None where the text is none that can be dialled.

    :param region: ISO 3166 code of the country that numbers without a country code are of; `NOWHERE` for none.
    """
    digits = text.translate(_SEPARATORS)
    if region == INDIA and (match := _INDIAN.fullmatch(digits)) and _INDIAN_MOBILE.fullmatch(match[1]):
        # Nearly every number of an Indian shop: a tenth of the time of the way through the library.
        return None if _FILLED_IN.fullmatch(match[1]) else "+91" + match[1]
    return _parsed(text, region) if digits and len(text) <= _LONGEST else None


@lru_cache(maxsize=4_096)
def _parsed(text: str, region: str) -> str | None:
    try:
        number = parse(text, None if region == NOWHERE else region)
    except NumberParseException:
        return None
    if not is_valid_number(number) or _FILLED_IN.fullmatch(str(number.national_number)):
        return None
    return format_number(number, PhoneNumberFormat.E164)


def region_of(currency: str) -> str:
    """The country of a currency, which the first two letters of its code are (ISO 4217); `NOWHERE` for one of
    several countries."""
    return currency[:2] if currency[:2] in SUPPORTED_REGIONS else NOWHERE
