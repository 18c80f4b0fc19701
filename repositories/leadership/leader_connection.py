"""A follower's side of the connection to the leader."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from repositories.journal.command import Command
from repositories.journal.transaction import Outcome
from repositories.leadership.follower_connection import HEAD, HELLO
from repositories.leadership.unix_socket import MessageProtocol

#: The leader sends a message at least every two seconds.
_SILENCE_SECONDS: Final = 6.0

logger = logging.getLogger("pos.journal")


class LeaderTimeout(Exception):
    """The leader did not answer: a command that was sent to it may be committed or not."""


class LeaderConnection(MessageProtocol):
    """The connection to the process that commits for all.

    :param timeout: seconds that the leader may take for an answer.
    """

    def __init__(self, timeout: float) -> None:
        super().__init__()
        self._timeout = timeout
        self._numbers = itertools.count()
        # The commands without an answer, the oldest first, and when their time is over.
        self._open: dict[int, tuple[asyncio.Future[Outcome], float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._heads: asyncio.Queue[int | None] = asyncio.Queue()
        #: Whether the leader is ready, once that is known.
        self.is_ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def submit(self, command: Command) -> Outcome:
        """Send a command, and return its outcome.

        :raises LeaderTimeout: the leader did not answer in time, or the connection was lost.
        """
        if self._transport is None:
            raise LeaderTimeout
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        outcome: asyncio.Future[Outcome] = loop.create_future()
        due = loop.time() + self._timeout
        self._open[number] = outcome, due
        if self._timer is None:
            self._timer = loop.call_at(due, self._expire)
        self.send(number, command)
        return await outcome

    def received(self, number: int, content: Any) -> None:
        if number == HEAD:
            self._heads.put_nowait(content)
        elif number == HELLO and not self.is_ready.done():
            self.is_ready.set_result(True)
        outcome, _ = self._open.pop(number, (None, 0.0))
        if outcome is None or outcome.done():
            return
        if isinstance(content, BaseException):
            outcome.set_exception(content)
        else:
            outcome.set_result(content)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self.is_ready.done():
            self.is_ready.set_result(False)
        if self._timer is not None:
            self._timer.cancel()
        for outcome, _ in self._open.values():
            if not outcome.done():
                outcome.set_exception(LeaderTimeout())
        self._open.clear()
        self._heads.put_nowait(None)

    async def notifications(self) -> AsyncIterator[int | None]:
        """Yield the heads of the event log that the leader sends, until the connection is lost."""
        while not self.closed.is_set():
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    head = await self._heads.get()
            except TimeoutError:
                self._abort()
                return
            yield head

    async def finish(self) -> None:
        """Wait for the open commands."""
        if self._open:
            await asyncio.wait({outcome for outcome, _ in self._open.values()})

    def _expire(self) -> None:
        """Abort the connection if the oldest command's time is over; else set the timer for it."""
        loop = asyncio.get_running_loop()
        self._timer = None
        for _, due in self._open.values():
            if due > loop.time():
                self._timer = loop.call_at(due, self._expire)
            else:
                self._abort()
            return

    def _abort(self) -> None:
        if self._transport is not None:
            logger.warning("The process that commits for all does not answer; going on without it.")
            self._transport.abort()
