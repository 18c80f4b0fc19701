"""Instants and bytes, as the lines of an archive have them: MongoDB's Extended JSON, or nearly."""

from base64 import b64decode, b64encode
from datetime import datetime
from typing import Any, Final

_DATE: Final = "$date"
_BINARY: Final = "$binary"


def encoded(value: Any) -> Any:
    """What orjson cannot write itself.

    :raises TypeError: an archive has no room for it.
    """
    if isinstance(value, datetime):
        return {_DATE: value.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    if isinstance(value, bytes):
        return {_BINARY: b64encode(value).decode()}
    raise TypeError(f"An archive has no room for {type(value).__name__}.")


def decoded(value: Any) -> Any:
    """An object or an array, with its instants and bytes.

    :raises TypeError, ValueError: one of them is none.
    """
    if isinstance(value, dict):
        if _DATE in value:
            return datetime.fromisoformat(value[_DATE])
        if _BINARY in value:
            return b64decode(value[_BINARY], validate=True)
        return {name: decoded(each) if isinstance(each, dict | list) else each for name, each in value.items()}
    return [decoded(each) if isinstance(each, dict | list) else each for each in value]
