"""Formatting of amounts for PDFs: grouped digits, with the currency's sign."""

from typing import Final

from schemas.core import money

INR: Final = "INR"
#: The signs of currencies; others are written with their code.
SIGNS: Final = {"INR": "₹", "USD": "$", "EUR": "€", "GBP": "£", "NPR": "Rs ", "LKR": "Rs ", "PKR": "Rs ", "BDT": "৳"}
#: Currencies of countries that count in lakh and crore.
INDIAN_GROUPS: Final = frozenset({"INR", "NPR", "PKR", "LKR", "BDT"})


def format_amount(minor: int, currency: str = INR) -> str:
    """Return an amount with two decimals, grouped as is usual for the currency: 123456780 -> `12,34,567.80`."""
    whole, rest = divmod(abs(minor), money.MINOR_PER_UNIT)
    grouped = indian_groups(whole) if currency in INDIAN_GROUPS else f"{whole:,}"
    return f"{'-' if minor < 0 else ''}{grouped}.{rest:02d}"


def indian_groups(whole: int) -> str:
    """Return a number with its last three digits and then pairs grouped: 1234567 -> `12,34,567`."""
    digits = str(whole)
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(pairs), tail])


def format_money(minor: int, currency: str = INR) -> str:
    """Return an amount with its currency: `₹12,34,567.80`; `CHF 1,234.50` without a sign."""
    sign = SIGNS.get(currency, currency + " ")
    return f"{'-' if minor < 0 else ''}{sign}{format_amount(abs(minor), currency)}"


def format_quantity(thousandths: int) -> str:
    """Return a quantity as text: 1500 -> `1.5`, 2000 -> `2`."""
    return _trimmed(thousandths, money.QUANTITY_PLACES)


def format_percentage(millionths: int) -> str:
    """Return a percentage as text: 12500000 -> `12.5%`."""
    return _trimmed(millionths, money.PERCENT_PLACES) + "%"


def _trimmed(value: int, places: int) -> str:
    whole, rest = divmod(value, 10**places)
    return f"{whole}.{rest:0{places}d}".rstrip("0").rstrip(".")
