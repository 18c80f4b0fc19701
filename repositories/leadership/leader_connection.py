"""The process that keeps the journal, as one that hands its commands over sees it."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

from repositories.journal.command import Command
from repositories.journal.transaction import Outcome
from repositories.leadership.follower_connection import HEAD, HELLO
from repositories.leadership.unix_socket import MessageProtocol

#: The keeper gives a sign of life every two seconds.
_SILENCE_SECONDS: Final = 6.0

logger = logging.getLogger("pos.journal")


class LeaderTimeout(Exception):
    """The keeper did not answer: nobody knows what became of what it was given."""


class LeaderConnection(MessageProtocol):
    """The process that keeps the journal, as one that hands its commands over sees it."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self._patience = patience
        self._numbers = itertools.count()
        # What was handed over and is not answered, the oldest first, and when its time is over.
        self._open: dict[int, tuple[asyncio.Future[Outcome], float]] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._bells: asyncio.Queue[int | None] = asyncio.Queue()
        #: Whether it greeted, once that is known.
        self.greeting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def ask(self, command: Command) -> Outcome:
        """:raises Silent: there was no answer in time, or there will be none."""
        if self._transport is None:
            raise LeaderTimeout
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        outcome: asyncio.Future[Outcome] = loop.create_future()
        due = loop.time() + self._patience
        self._open[number] = outcome, due
        if self._watch is None:
            self._watch = loop.call_at(due, self._look)
        self.send(number, command)
        return await outcome

    def received(self, number: int, content: Any) -> None:
        if number == HEAD:
            self._bells.put_nowait(content)
        elif number == HELLO and not self.greeting.done():
            self.greeting.set_result(True)
        outcome, _ = self._open.pop(number, (None, 0.0))
        if outcome is None or outcome.done():
            return
        if isinstance(content, BaseException):
            outcome.set_exception(content)
        else:
            outcome.set_result(content)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self.greeting.done():
            self.greeting.set_result(False)
        if self._watch is not None:
            self._watch.cancel()
        for outcome, _ in self._open.values():
            if not outcome.done():
                outcome.set_exception(LeaderTimeout())
        self._open.clear()
        self._bells.put_nowait(None)

    async def bells(self) -> AsyncIterator[int | None]:
        """What the keeper hears of the log's head, for as long as it is there."""
        while not self.gone.is_set():
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    head = await self._bells.get()
            except TimeoutError:
                self._abandon()
                return
            yield head

    async def finish(self) -> None:
        """Waits for what is open."""
        if self._open:
            await asyncio.wait({outcome for outcome, _ in self._open.values()})

    def _look(self) -> None:
        """Leaves a keeper that is silent; looks again when the oldest question's time is over."""
        loop = asyncio.get_running_loop()
        self._watch = None
        for _, due in self._open.values():
            if due > loop.time():
                self._watch = loop.call_at(due, self._look)
            else:
                self._abandon()
            return

    def _abandon(self) -> None:
        if self._transport is not None:
            logger.warning("The process that keeps the journal is silent; going on without it.")
            self._transport.abort()
