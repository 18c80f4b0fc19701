"""Public ids: a prefix, 48 bits of time and 80 random bits, such as `ORDER-01KAX3…` (the layout of a ULID, in
Crockford's base 32). They are URL-safe, cannot be guessed, and sort by the time of their creation."""

import secrets
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final

from schemas.core.collections import REGISTRY

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_DIGIT_BITS: Final = 5
_TIME_DIGITS, _RANDOM_DIGITS = 10, 16
# Maps each byte to the digit of its five lower bits.
_DIGITS: Final = bytes(ord(_ALPHABET[byte % len(_ALPHABET)]) for byte in range(256))


def new_id(kind: str, now: datetime, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return a new public id for a document of a collection.

    :param random_bytes: returns so many random bytes; only tests replace it.
    """
    digits = random_bytes(_RANDOM_DIGITS).translate(_DIGITS).decode()
    return REGISTRY[kind].prefix + _time(int(now.timestamp() * 1000)) + digits


@lru_cache(1)
def _time(milliseconds: int) -> str:
    """Return the digits of the time, which all ids of the same millisecond share."""
    places = range(_DIGIT_BITS * (_TIME_DIGITS - 1), -1, -_DIGIT_BITS)
    return "".join([_ALPHABET[milliseconds >> place & (len(_ALPHABET) - 1)] for place in places])
