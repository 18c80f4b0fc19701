"""Parsing of single values of the earlier backend's documents: text, money, counts, instants.

No function raises; each returns None for a value that it cannot read, and the caller decides on a default. The driver's
own types are recognized by their methods, since this package does not import the driver.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.core import money
from schemas.core.limits import MAX_TEXT, YEARS
from schemas.fields.inputs import normalize_newlines

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_LINES: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_FIGURE: Final = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?", re.ASCII)
_MOST_SHOWN: Final = 60
#: Up to here each whole number is a float of its own.
_WHOLE: Final = 2**53
_WHOLE_AS_FLOAT: Final = re.compile(r"([+#]?\d+)\.0+", re.ASCII)
#: A phone number in the notation of floats, with all its digits: at fewer, some are lost.
_EXPONENT: Final = re.compile(r"\d\.\d{8,14}[eE]\+?\d{1,2}", re.ASCII)
# Epoch seconds have ten digits from 2001 to 2286, epoch milliseconds thirteen.
_SECONDS, _MILLISECONDS = range(10**9, 10**10), range(10**12, 10**13)


def text(value: Any, *, lines: bool = False) -> str | None:
    """Return text as our documents have it: trimmed, without control characters, of 1 to 500 characters."""
    value = plain(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    raw = normalize_newlines(str(value)) if lines else str(value)
    cleaned = (_CONTROL_BUT_LINES if lines else _CONTROL).sub(" ", raw).strip()[:MAX_TEXT].strip()
    if cleaned.isascii():
        # Trimmed ASCII without control characters is visible.
        return cleaned or None
    has_any = any(character.isprintable() and not character.isspace() for character in cleaned)
    return cleaned if has_any else None


def plain(value: Any) -> Any:
    """Return a whole number of any type as an integer; any other value as it is."""
    found = value.to_decimal() if hasattr(value, "to_decimal") else value
    if not isinstance(found, float | Decimal) or not math.isfinite(found) or not -_WHOLE < found < _WHOLE:
        return found
    return int(found) if found == int(found) else found


def without_point(value: str) -> str:
    """Return a text without the `.0` that a spreadsheet or a float added to a whole number."""
    match = _WHOLE_AS_FLOAT.fullmatch(value.strip())
    return match[1] if match else value


def phone(value: Any) -> str | None:
    """Return a phone number as `text` does, also one that was stored as a float: `9822012345.0`, `9.822012345E9`."""
    found = text(value)
    if found is None:
        return None
    if _EXPONENT.fullmatch(found) and (whole := Decimal(found)) == int(whole):
        return str(int(whole))
    return without_point(found)


def number(value: Any) -> Decimal | None:
    """Return a finite number of at most 40 digits: of JSON, of the driver's decimals, or as people write it."""
    if hasattr(value, "to_decimal"):
        value = value.to_decimal()
    if isinstance(value, str):
        figure = value.strip().removeprefix("₹").replace(",", "").strip()
        value = Decimal(figure) if _FIGURE.fullmatch(figure) else None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        found = money.to_decimal(value)
    except InvalidOperation:
        return None
    return found if found.is_finite() and abs(found) <= 10**20 else None


def fixed(value: Any, places: int, maximum: int) -> int | None:
    """Return a number in units of 10^-places, rounded half-up from the shortest decimal that means the same float.

    :param maximum: the largest magnitude, in those units; beyond it, the result is None.
    """
    if isinstance(value, float) and abs(value) < 10**9:
        # Most floats are the shortest way to write a whole number of units; see `money.to_units`.
        unit: int = 10**places
        near = round(value * unit)
        if near / unit == value:
            return near if abs(near) <= maximum else None
    found = number(value)
    if found is None:
        return None
    units = money.round_to_units(found, places)
    return units if abs(units) <= maximum else None


def truth(value: Any) -> bool:
    """Return whether a flag is set, also one that is stored as a number or a word."""
    if isinstance(value, str):
        return value.strip().casefold() in ("true", "yes", "1")
    return bool(value) if isinstance(value, bool | int) else False


def instant(value: Any, zone: ZoneInfo) -> datetime | None:
    """Return a UTC instant in whole milliseconds, in the years 1970 to 2999.

    A date and time of the database is UTC. A text without an offset is in the shop's zone, since a phone wrote it. A
    number is epoch seconds or milliseconds.
    """
    try:
        found = _instant(value, zone)
        if found is None or found.year not in YEARS or found.astimezone(zone).year not in YEARS:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return found.replace(microsecond=found.microsecond // 1000 * 1000)


def _instant(value: Any, zone: ZoneInfo) -> datetime | None:
    if hasattr(value, "as_datetime"):
        value = value.as_datetime()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, str):
        written = datetime.fromisoformat(value.strip())
        return (written.replace(tzinfo=zone) if written.tzinfo is None else written).astimezone(UTC)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if int(value) in _MILLISECONDS:
        return datetime.fromtimestamp(value / 1000, UTC)
    return datetime.fromtimestamp(value, UTC) if int(value) in _SECONDS else None


def made_at(identity: Any) -> datetime | None:
    """Return when a document was first stored, which MongoDB's own ids contain."""
    found = getattr(identity, "generation_time", None)
    return found.astimezone(UTC) if isinstance(found, datetime) else None


def shown(value: Any) -> str:
    """Return a value of any type for a report: short, on one line."""
    if isinstance(value, Mapping | list | bytes):
        return f"({type(value).__name__} of {len(value)})"
    printable = "".join(each if each.isprintable() else "�" for each in str(value)[: 2 * _MOST_SHOWN])
    return printable if len(printable) <= _MOST_SHOWN else printable[: _MOST_SHOWN - 1] + "…"
