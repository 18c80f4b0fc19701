"""Pauses between tries: each longer than the one before, jittered, never beyond a deadline."""

import asyncio
import random
from typing import Final

_FIRST, _LONGEST = 0.002, 0.25
_JITTER: Final = (0.5, 1.5)


class Backoff:
    """The pauses of one undertaking.

    :param seconds: after which there is no further try.
    """

    def __init__(self, seconds: float) -> None:
        self._give_up = asyncio.get_running_loop().time() + seconds
        self._next = _FIRST

    async def pause(self) -> bool:
        """Waits a little; False, at once, where the time for another try has run out."""
        if asyncio.get_running_loop().time() + self._next > self._give_up:
            return False
        await asyncio.sleep(self._next * random.uniform(*_JITTER))  # noqa: S311  (spread, not secrecy)
        self._next = min(self._next * 2, _LONGEST)
        return True
