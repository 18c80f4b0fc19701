"""Amounts in words, as cheques and bills have them: `Rupees Three Hundred Ninety-Seven and Eighty Paise Only`."""

from typing import Final

from schemas.core import money
from schemas.printing.formatting import INDIAN_GROUPS

_SMALL: Final = (
    *("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine"),
    *("Ten", "Eleven", "Twelve", "Thirteen", "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen"),
)
_TENS: Final = ("", "Ten", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety")
_LAKHS: Final = ((10**7, "Crore"), (10**5, "Lakh"), (10**3, "Thousand"))
_MILLIONS: Final = ((10**12, "Trillion"), (10**9, "Billion"), (10**6, "Million"), (10**3, "Thousand"))
#: Singular and plural of the unit and of its hundredth, for currencies whose names are generally known.
_NAMES: Final = {
    "INR": ("Rupee", "Rupees", "Paisa", "Paise"),
    "USD": ("Dollar", "Dollars", "Cent", "Cents"),
    "EUR": ("Euro", "Euros", "Cent", "Cents"),
    "GBP": ("Pound", "Pounds", "Penny", "Pence"),
}


def amount_in_words(minor: int, currency: str) -> str:
    """Return an amount in English words, in lakh and crore or in millions, as is usual for the currency.

    A currency without names is written with its code: `CHF Twelve and 50/100 Only`.

    :param minor: minor units, 0 or more.
    """
    whole, rest = divmod(minor, money.MINOR_PER_UNIT)
    scale = _LAKHS if currency in INDIAN_GROUPS else _MILLIONS
    names = _NAMES.get(currency)
    if names is None:
        return f"{currency} {number_in_words(whole, scale)}" + (f" and {rest:02d}/100" if rest else "") + " Only"
    one, many, hundredth, hundredths = names
    minor_words = f"{number_in_words(rest, scale)} {hundredth if rest == 1 else hundredths}"
    if rest and not whole:
        return f"{minor_words} Only"
    words = f"{one if whole == 1 else many} {number_in_words(whole, scale)}"
    return f"{words} and {minor_words} Only" if rest else f"{words} Only"


def number_in_words(number: int, scale: tuple[tuple[int, str], ...] = _LAKHS) -> str:
    """Return a number in words: 1234567 -> `Twelve Lakh Thirty-Four Thousand Five Hundred Sixty-Seven`; a lakh
    crore is `One Lakh Crore`."""
    if number == 0:
        return _SMALL[0]
    words = []
    for size, name in scale:
        count, number = divmod(number, size)
        if count:
            words += [number_in_words(count, scale), name]
    hundreds, number = divmod(number, 100)
    words += [_SMALL[hundreds], "Hundred"] if hundreds else []
    words += [_below_hundred(number)] if number else []
    return " ".join(words)


def _below_hundred(number: int) -> str:
    tens, ones = divmod(number, 10)
    if number < len(_SMALL):
        return _SMALL[number]
    return f"{_TENS[tens]}-{_SMALL[ones]}" if ones else _TENS[tens]
