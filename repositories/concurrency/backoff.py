"""Pauses between tries: each longer than the one before, jittered, never beyond a deadline."""

import random
import time
from typing import Final

_FIRST, _LONGEST = 0.002, 0.25
_JITTER: Final = (0.5, 1.5)


class Backoff:
    """The pauses of one undertaking, which the caller sleeps in its own way.

    :param seconds: after which there is no further try.
    """

    def __init__(self, seconds: float) -> None:
        self._give_up = time.monotonic() + seconds
        self._next = _FIRST

    def pause(self) -> float | None:
        """Seconds to wait before the next try; None where the time for another one has run out."""
        if time.monotonic() + self._next > self._give_up:
            return None
        seconds = self._next * random.uniform(*_JITTER)  # noqa: S311  (spread, not secrecy)
        self._next = min(self._next * 2, _LONGEST)
        return seconds
