"""The lag of the event loop, which delays every client of the process.

Either the service itself blocks the loop, or the machine is busy and the thread waits for a core. Linux shows which
of the two.
"""

import asyncio
import os
import time
from contextlib import suppress
from typing import Final, NamedTuple

from repositories.concurrency.supervised_task import SupervisedTask

#: Seconds between two measurements. A shorter lag may be missed.
_EVERY_SECONDS: Final = 0.02
#: `worst` covers the current span and the one before, so that a scraper once a minute misses none.
_SPAN_SECONDS: Final = 60.0
#: Of the reading thread: nanoseconds of running, and of waiting for a core.
_SCHEDULING: Final = "/proc/thread-self/schedstat"


class Lag(NamedTuple):
    """Seconds. `total` is the whole lag; `blocked` is without the time in which the thread waited for a core."""

    total: float = 0.0
    blocked: float = 0.0

    def or_worse(self, other: "Lag") -> "Lag":
        return Lag(max(self.total, other.total), max(self.blocked, other.blocked))


class LoopLag(SupervisedTask):
    def __init__(self) -> None:
        super().__init__("The measurement of the event loop's lag", self._watch)
        self._worst = self._worst_before = Lag()

    @property
    def worst(self) -> Lag:
        """The worst lag of the last one to two minutes."""
        return self._worst.or_worse(self._worst_before)

    async def _watch(self) -> None:
        queue = _RunQueue()
        try:
            span_ends = time.monotonic() + _SPAN_SECONDS
            while True:
                due, waited = time.monotonic() + _EVERY_SECONDS, queue.seconds()
                await asyncio.sleep(_EVERY_SECONDS)
                now = time.monotonic()
                late = now - due
                self._worst = self._worst.or_worse(Lag(late, late - (queue.seconds() - waited)))
                if now >= span_ends:
                    self._worst_before, self._worst = self._worst, Lag()
                    span_ends = now + _SPAN_SECONDS
        finally:
            queue.close()


class _RunQueue:
    """The time for which this thread has waited for a core."""

    def __init__(self) -> None:
        self._file: int | None = None
        with suppress(OSError):
            self._file = os.open(_SCHEDULING, os.O_RDONLY | os.O_CLOEXEC)

    def seconds(self) -> float:
        """Return the seconds since the start of the thread; always 0 if the system does not report them."""
        return 0.0 if self._file is None else int(os.pread(self._file, 64, 0).split()[1]) / 1e9

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
