"""Work that goes on as long as the process does: one failure of it ends nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

#: From a failure to the next start, so that one that lasts does not fill the log.
PAUSE_SECONDS: Final = 1.0

logger = logging.getLogger("pos")


class SupervisedTask:
    """A task of endless work, which begins again whenever it fails.

    :param name: of the work, for the log.
    :param work: what is to be done, until it is cancelled.
    :param pause: seconds from a failure to the next start.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], pause: float = PAUSE_SECONDS) -> None:
        self._name = name
        self._work = work
        self._pause = pause
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin the work."""
        self._task = asyncio.create_task(self._last())

    async def stop(self) -> None:
        """End the work, and wait for its end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _last(self) -> None:
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
