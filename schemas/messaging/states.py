"""The states of messages, and the delays between attempts. Pure rules, no I/O."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

QUEUED, SENDING, SENT, DELIVERED, READ = "queued", "sending", "sent", "delivered", "read"
FAILED, UNKNOWN, CANCELLED = "failed", "unknown", "cancelled"
STATES: Final = (QUEUED, SENDING, SENT, DELIVERED, READ, FAILED, UNKNOWN, CANCELLED)
#: The states in which a client may retry a message, and those in which it may cancel it.
RETRIABLE: Final = frozenset({FAILED, UNKNOWN, CANCELLED})
DROPPABLE: Final = frozenset({QUEUED, FAILED, UNKNOWN})
#: The states in which the same request creates a new message.
NOT_SENT: Final = frozenset({FAILED, CANCELLED})

MAX_ATTEMPTS: Final = 6
_FIRST_PAUSE: Final = timedelta(seconds=5)
#: The longest delay that a provider can ask for.
_LONGEST_ASKED: Final = timedelta(hours=1)

#: The states that a provider's status update may replace. Updates come late, twice and in any order, and never go back:
#: a delivered message stays delivered, whatever other updates say; an accepted one may still fail.
_ARRIVED_FROM: Final = frozenset({QUEUED, SENDING, UNKNOWN, SENT, FAILED, CANCELLED})
_BEFORE: Final[Mapping[str, frozenset[str]]] = {
    SENT: frozenset({QUEUED, SENDING, UNKNOWN}),
    DELIVERED: _ARRIVED_FROM,
    READ: _ARRIVED_FROM | {DELIVERED},
    FAILED: frozenset({SENDING, UNKNOWN, SENT}),
}


def is_progress(state: str, reported: str) -> bool:
    """Return whether a provider's status advances a message."""
    return state in _BEFORE.get(reported, frozenset())


def retry_delay(tries: int, chance: float) -> timedelta | None:
    """Return how long to wait after `tries` attempts: half to all of a delay that doubles each time; None to give up.

    :param chance: 0 to 1, random, so that messages that failed together are not retried together.
    """
    if tries >= MAX_ATTEMPTS:
        return None
    pause: timedelta = _FIRST_PAUSE * (1 << (tries - 1))
    return pause * (0.5 + chance / 2)


def longer_delay(pause: timedelta, asked: float | None) -> timedelta:
    """Return the longer of our delay and the provider's (seconds), which is limited."""
    return pause if asked is None else max(pause, min(timedelta(seconds=max(asked, 0)), _LONGEST_ASKED))
