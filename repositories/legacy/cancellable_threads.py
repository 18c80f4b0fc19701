"""Threads for blocking work that can be cancelled.

A thread cannot be killed, and Python waits for running threads before it exits: after Ctrl-C the work would continue to
its end. So the work checks from time to time whether it was cancelled.
"""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


class Interrupted(Exception):
    """The work was cancelled."""


class CancellableThreads:
    """Threads that are cancelled together."""

    def __init__(self) -> None:
        self._is_over = Event()

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Run work in a thread. If cancelled, wait for the thread to end, so that it writes nothing later."""
        # Not a task: when SIGTERM ends the loop, it cancels all tasks, and none would wait for the thread.
        thread = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
        try:
            return await asyncio.shield(thread)
        except asyncio.CancelledError:
            self._is_over.set()
            await asyncio.gather(thread, return_exceptions=True)
            raise

    def is_cancelled(self) -> bool:
        """Return whether the threads must end. A cheap call."""
        return self._is_over.is_set()

    def raise_if_cancelled(self) -> None:
        """Raise if the work must end; the work calls this between its steps.

        :raises Interrupted: it was cancelled.
        """
        if self.is_cancelled():
            raise Interrupted
