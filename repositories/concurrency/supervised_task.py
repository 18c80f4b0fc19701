"""Background work that is restarted after a failure."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

#: From a failure to the next start, so that a permanent failure does not fill the log.
PAUSE_SECONDS: Final = 1.0

logger = logging.getLogger("pos")


class SupervisedTask:
    """A task that runs until it is stopped, and starts again whenever it fails."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], pause: float = PAUSE_SECONDS) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Cancel the work, and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            attempt = asyncio.ensure_future(self._work())
            try:
                await asyncio.wait({attempt})
            finally:
                attempt.cancel()
                await asyncio.gather(attempt, return_exceptions=True)
            error = None if attempt.cancelled() else attempt.exception()
            logger.error("%s has failed, and begins again.", self._name, exc_info=error)
            await asyncio.sleep(self._pause)
