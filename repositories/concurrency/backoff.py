"""Exponential backoff with jitter, up to a deadline."""

import random
import time
from typing import Final

_FIRST, _LONGEST = 0.002, 0.25
_JITTER: Final = (0.5, 1.5)


class Backoff:
    """The pauses between the tries of one operation, for so many seconds. The caller sleeps them."""

    def __init__(self, seconds: float) -> None:
        self._give_up = time.monotonic() + seconds
        self._next = _FIRST

    def pause(self) -> float | None:
        """Return the seconds to wait before the next try; None when no time is left for one."""
        if time.monotonic() + self._next > self._give_up:
            return None
        seconds = self._next * random.uniform(*_JITTER)  # noqa: S311  (spread, not secrecy)
        self._next = min(self._next * 2, _LONGEST)
        return seconds
