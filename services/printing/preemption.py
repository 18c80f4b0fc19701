"""Preemption: pauses PDF workers while a command waits in a journal.

Priorities are not enough: when all cores are busy, a thread that wakes up waits for the next turn of the scheduler,
and a sale wakes several threads one after another.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

#: The longest pause, and the time that workers then run in any case: a fifth of the time.
MAX_PAUSE_SECONDS: Final = 0.04
MIN_RUN_SECONDS: Final = 0.01


class Preemption:
    """Pauses and resumes processes."""

    def __init__(self) -> None:
        # The processes that may be paused, each with a callback for the length of its pauses.
        self._preemptible: dict[asyncio.subprocess.Process, Callable[[float], None]] = {}
        # Number of journals in which a command waits.
        self._busy = 0
        self._are_paused = False
        self._paused_at = 0.0
        # Fires when a pause must end, or when the next one may begin.
        self._timer: asyncio.TimerHandle | None = None

    def set_busy(self, is_busy: bool) -> None:
        """Record that a journal has become busy or idle."""
        self._busy += 1 if is_busy else -1
        if is_busy:
            self._pause()
        elif not self._busy:
            self._release()

    @contextmanager
    def preemptible(self, process: asyncio.subprocess.Process, on_resumed: Callable[[float], None]) -> Iterator[None]:
        """Allow that a process is paused until the end of the block.

        :param on_resumed: called after each pause with its length in seconds.
        """
        self._preemptible[process] = on_resumed
        if self._are_paused:
            _send(process, signal.SIGSTOP)
        else:
            self._pause()
        try:
            yield
        finally:
            del self._preemptible[process]
            if self._are_paused:
                _send(process, signal.SIGCONT)

    def _pause(self) -> None:
        if self._busy and self._preemptible and self._timer is None:
            loop = asyncio.get_running_loop()
            self._are_paused = True
            self._paused_at = loop.time()
            for process in self._preemptible:
                _send(process, signal.SIGSTOP)
            self._timer = loop.call_later(MAX_PAUSE_SECONDS, self._resume_briefly)

    def _release(self) -> None:
        if self._are_paused and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._resume()

    def _resume_briefly(self) -> None:
        self._resume()
        self._timer = asyncio.get_running_loop().call_later(MIN_RUN_SECONDS, self._pause_again)

    def _pause_again(self) -> None:
        self._timer = None
        self._pause()

    def _resume(self) -> None:
        self._are_paused = False
        seconds = asyncio.get_running_loop().time() - self._paused_at
        for process, on_resumed in self._preemptible.items():
            _send(process, signal.SIGCONT)
            on_resumed(seconds)


def _send(process: asyncio.subprocess.Process, signal_: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(signal_)
