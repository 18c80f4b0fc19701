"""Those who sell go first: processes that do something else are held up while anybody waits for a sale.

Priorities alone do not see to that: where all cores are busy, whoever wakes up waits until the scheduler looks again,
and a sale wakes up several threads one after another.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

#: How long they are held up at the most, and how long they then have, however much is sold: a fifth of the time.
MOST_HELD_SECONDS: Final = 0.04
LEAST_FREE_SECONDS: Final = 0.01


class Preemption:
    """Holds processes up, and lets them go."""

    def __init__(self) -> None:
        # Those who may be held, and who is told for how many seconds each of them was.
        self._yielding: dict[asyncio.subprocess.Process, Callable[[float], None]] = {}
        # Journals at which somebody waits.
        self._busy = 0
        self._are_held = False
        self._held_since = 0.0
        # Runs out when those who were held have to be let go, or those who were let go may be held again.
        self._timer: asyncio.TimerHandle | None = None

    def claim(self, is_busy: bool) -> None:
        """A journal has something to do from now on, or nothing any more."""
        self._busy += 1 if is_busy else -1
        if is_busy:
            self._hold()
        elif not self._busy:
            self._release()

    @contextmanager
    def yielding(self, process: asyncio.subprocess.Process, on_held: Callable[[float], None]) -> Iterator[None]:
        """The process may be held up as long as the block lasts.

        :param on_held: told, each time that it goes on, for how many seconds it was held.
        """
        self._yielding[process] = on_held
        if self._are_held:
            _send(process, signal.SIGSTOP)
        else:
            self._hold()
        try:
            yield
        finally:
            del self._yielding[process]
            if self._are_held:
                _send(process, signal.SIGCONT)

    def _hold(self) -> None:
        if self._busy and self._yielding and self._timer is None:
            loop = asyncio.get_running_loop()
            self._are_held = True
            self._held_since = loop.time()
            for process in self._yielding:
                _send(process, signal.SIGSTOP)
            self._timer = loop.call_later(MOST_HELD_SECONDS, self._let_pass)

    def _release(self) -> None:
        if self._are_held and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._let_go()

    def _let_pass(self) -> None:
        self._let_go()
        self._timer = asyncio.get_running_loop().call_later(LEAST_FREE_SECONDS, self._hold_again)

    def _hold_again(self) -> None:
        self._timer = None
        self._hold()

    def _let_go(self) -> None:
        self._are_held = False
        seconds = asyncio.get_running_loop().time() - self._held_since
        for process, on_held in self._yielding.items():
            _send(process, signal.SIGCONT)
            on_held(seconds)


def _send(process: asyncio.subprocess.Process, signal_: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal_)
