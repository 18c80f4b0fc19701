"""Public ids: a prefix, 48 bits of time and 80 random bits, as `ORDER-01KAX3…` (the layout of a ULID, in Crockford's
base 32). They are URL-safe, never guessable from one another, and sort by the time of their making."""

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final

ESTIMATE_PREFIX: Final = "EST-"
ORDER_PREFIX: Final = "ORDER-"
USER_PREFIX: Final = "USER-"
DEVICE_PREFIX: Final = "DEVICE-"
LINK_PREFIX: Final = "LINK-"
MESSAGE_PREFIX: Final = "MSG-"

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS: Final = 80
_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
# From the thirteen pairs of digits that make an id, the first pair first.
_PLACES: Final = tuple(range(120, -1, -10))


def new_id(prefix: str, now: datetime, random_bits: Callable[[int], int] = secrets.randbits) -> str:
    """A fresh public id. random_bits: makes a number of so many bits; never a predictable one in a real shop."""
    value = int(now.timestamp() * 1000) << _RANDOM_BITS | random_bits(_RANDOM_BITS)
    return prefix + "".join([_PAIRS[value >> place & 1023] for place in _PLACES])
