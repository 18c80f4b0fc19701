"""How a message stands on its way to a phone, and when it is tried again: pure rules, no I/O."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

QUEUED, SENDING, SENT, DELIVERED, READ = "queued", "sending", "sent", "delivered", "read"
FAILED, UNKNOWN, CANCELLED = "failed", "unknown", "cancelled"
STATES: Final = (QUEUED, SENDING, SENT, DELIVERED, READ, FAILED, UNKNOWN, CANCELLED)
#: From where somebody may have it sent again, and from where it may be dropped.
RETRIABLE: Final = frozenset({FAILED, UNKNOWN, CANCELLED})
DROPPABLE: Final = frozenset({QUEUED, FAILED, UNKNOWN})
#: What does not stand for the message when the same is asked for anew.
NOT_SENT: Final = frozenset({FAILED, CANCELLED})

MAX_ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = timedelta(seconds=5)
_LONGEST_PAUSE: Final = timedelta(minutes=15)
#: However long a provider asks to be left alone.
_LONGEST_ASKED: Final = timedelta(hours=1)

#: What a provider's news may replace: they come late, twice and in any order, and never take anything back. What is
#: on the phone is there, whatever else was said of it; what the provider took may still have failed since.
_ARRIVED_FROM: Final = frozenset({QUEUED, SENDING, UNKNOWN, SENT, FAILED, CANCELLED})
_BEFORE: Final[Mapping[str, frozenset[str]]] = {
    SENT: frozenset({QUEUED, SENDING, UNKNOWN}),
    DELIVERED: _ARRIVED_FROM,
    READ: _ARRIVED_FROM | {DELIVERED},
    FAILED: frozenset({SENDING, UNKNOWN, SENT}),
}


def is_progress(state: str, told: str) -> bool:
    """Whether a provider's status takes a message further than it is known to be."""
    return state in _BEFORE.get(told, frozenset())


def retry_delay(tries: int, chance: float) -> timedelta | None:
    """How long to wait after so many tries, between half and the whole of a pause that doubles; None: give up.

    :param chance: 0 to 1, so that many that failed together do not come back together.
    """
    if tries >= MAX_ATTEMPTS:
        return None
    pause: timedelta = min(_FIRST_PAUSE * (1 << (tries - 1)), _LONGEST_PAUSE)
    return pause * (0.5 + chance / 2)


def longer_delay(pause: timedelta, asked: float | None) -> timedelta:
    """The longer of our own pause and the one that a provider asks for, in seconds, within reason."""
    return pause if asked is None else max(pause, min(timedelta(seconds=max(asked, 0)), _LONGEST_ASKED))
