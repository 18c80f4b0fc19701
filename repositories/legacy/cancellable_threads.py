"""Blocking work in threads that comes to an end where nobody waits for it any more.

A thread cannot be killed, and Python waits for those that are left before it ends: after Ctrl-C it would do all of the
work to its end. So the work asks from time to time whether to go on.
"""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """Nobody waits for this work any more."""


class CancellableThreads:
    """Threads that have one end."""

    def __init__(self) -> None:
        self._is_over = Event()

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Does some work in a thread. Cancelled, it lets the thread end first, so that it touches nothing later."""
        # No task: where the loop itself is ended, as by SIGTERM, it cancels all of those, and nobody would wait.
        thread = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            self._is_over.set()
            await asyncio.gather(thread, return_exceptions=True)
            raise

    def is_cancelled(self) -> bool:
        """Whether the threads have to end; they may ask as often as they like."""
        return self._is_over.is_set()

    def raise_if_cancelled(self) -> None:
        """For the work to call between its steps.

        :raises Interrupted: it has to end.
        """
        if self.is_cancelled():
            raise Interrupted
