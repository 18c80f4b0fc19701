"""Instants and bytes in the lines of an archive: nearly MongoDB's Extended JSON."""

from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, Final

from schemas.core.limits import YEARS

_DATE: Final = "$date"
_BINARY: Final = "$binary"
#: The nesting that MongoDB stores and indexes.
MAX_DEPTH: Final = 100


def encode(value: Any) -> Any:
    """Return a value that orjson cannot write as one that it can.

    :raises TypeError: an archive cannot have values of this type.
    """
    if isinstance(value, datetime):
        return {_DATE: value.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    if isinstance(value, bytes):
        return {_BINARY: b64encode(value).decode()}
    raise TypeError(f"An archive has no room for {type(value).__name__}.")


def decode(value: Any, room: int = MAX_DEPTH) -> Any:
    """Return an object or an array with its instants and bytes decoded.

    :param room: how many levels of nesting are still allowed.
    :raises ValueError: it has a value that cannot be stored; the message says which kind.
    """
    if room == 0:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        if _DATE in value:
            return _instant(value[_DATE])
        if _BINARY in value:
            return _bytes(value[_BINARY])
        return {name: decode(each, room - 1) if isinstance(each, dict | list) else each for name, each in value.items()}
    return [decode(each, room - 1) if isinstance(each, dict | list) else each for each in value]


def _instant(written: Any) -> datetime:
    try:
        instant = datetime.fromisoformat(written)
    except (TypeError, ValueError):
        raise ValueError("an instant in it is not ISO 8601") from None
    if instant.year not in YEARS:
        raise ValueError(f"an instant in it is not of the years {YEARS[0]} to {YEARS[-1]}")
    return instant


def _bytes(written: Any) -> bytes:
    try:
        return b64decode(written, validate=True)
    except (TypeError, ValueError):
        raise ValueError("bytes in it are not base64") from None
