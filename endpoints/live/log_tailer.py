"""Follows the event log: reads what other processes have committed when the doorbell rings, or, where it is silent,
when a look at the log's head says so; and knows which log it is, and how far back it reaches."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from endpoints.live.frames import EventRenderer
from endpoints.live.sequencer import Sequencer
from endpoints.live.subscriptions import EXPIRED, OTHER_LOG, Subscriptions
from repositories.database.errors import BeingRestored, Unavailable, safe_error_text
from repositories.event_log.event_log import RANGE_LIMIT, EventLog

POLL_SECONDS: Final = 1.0
_REOPEN_SECONDS: Final = 0.5
_LOW_SECONDS: Final = 60.0
_UNHURRIED_SECONDS: Final = 0.1

Rings = AsyncIterator[int | None]

logger = logging.getLogger("pos.hub")


class LogTailer:
    """Brings the events of a log to the door.

    epoch: names the log. low: the seq of its oldest event. bell: rung when there is something to read. rung_at,
    looked_at: when the doorbell last gave a sign of life, and when the log's head was last known (`time.monotonic`).

    :param rings: opens the doorbell.
    """

    def __init__(
        self, log: EventLog, rings: Callable[[], Rings], rendering: EventRenderer, door: Sequencer, feeds: Subscriptions
    ) -> None:
        self._log = log
        self._rings = rings
        self._rendering = rendering
        self._door = door
        self._feeds = feeds
        self.epoch = ""
        self.low = 1
        self.bell = asyncio.Event()
        self.rung_at = self.looked_at = time.monotonic()

    async def start(self, preload: int) -> None:
        """Goes to the head of the log, with up to `preload` of the newest events in memory.

        :raises Unavailable: the database is away.
        """
        self.epoch, head = await self._log.head()
        await self._look_for_low()
        self._door.start_over(max(0, head - preload, self.low - 1), EXPIRED)
        await self._catch_up()

    async def look_ahead(self) -> None:
        """Looks how far the log has come by now.

        :raises Unavailable: the database is away.
        """
        epoch, head = await self._log.head()
        if epoch == self.epoch:
            self._door.known_head = max(self._door.known_head, head)
            self.bell.set()

    async def listen(self) -> None:
        """Rings the bell when the log grows beyond what was published here."""
        while True:
            try:
                async for head in self._rings():
                    self.rung_at = time.monotonic()
                    if head is not None and head > self._door.head:
                        self._door.known_head = max(self._door.known_head, head)
                        self.bell.set()
            except Unavailable as error:
                logger.warning(
                    "The doorbell fell silent; opening it again. %s", safe_error_text(error.__cause__ or error)
                )
            # What was missed meanwhile is read as a range, so no token of the stream has to be remembered.
            self.bell.set()
            await asyncio.sleep(_REOPEN_SECONDS)

    async def follow(self) -> None:
        """Reads what the bell announced; looks by itself where the bell was silent for a while."""
        while True:
            try:
                rung = await _within(POLL_SECONDS, self.bell.wait())
                if not self._feeds:
                    # Nobody waits for it: what comes in the next moment is read together with it.
                    await asyncio.sleep(_UNHURRIED_SECONDS)
                self.bell.clear()
                if rung or await self._has_grown():
                    await self._catch_up()
            except BeingRestored:
                # What is written meanwhile is no news; when it is over, the log is another one.
                await asyncio.sleep(_REOPEN_SECONDS)
            except Unavailable:
                await asyncio.sleep(_REOPEN_SECONDS)
                self.bell.set()

    async def watch_low(self) -> None:
        """Looks now and then how far back the log still reaches."""
        while True:
            await asyncio.sleep(_LOW_SECONDS)
            try:
                await self._look_for_low()
            except Unavailable:
                logger.info("The oldest event could not be looked for.")

    async def _has_grown(self) -> bool:
        epoch, head = await self._log.head()
        self.looked_at = time.monotonic()
        if epoch != self.epoch:
            logger.warning("The event log is another one than before; following it from its head.")
            self.epoch = epoch
            await self._look_for_low()
            self._door.start_over(head, OTHER_LOG)
        self._door.known_head = head
        return head > self._door.head

    async def _catch_up(self) -> None:
        is_more = True
        while is_more and (stored := await self._log.after(self._door.head)):
            is_more = len(stored) == RANGE_LIMIT
            first = stored[0].seq
            if first > self._door.head + 1:
                # Only retention removes events, and only long after everyone has seen them.
                logger.warning("Events %d to %d are gone.", self._door.head + 1, first - 1)
                self._door.start_over(first - 1, EXPIRED)
            self._door.admit(self._rendering.of_stored(stored))
        self.looked_at = time.monotonic()

    async def _look_for_low(self) -> None:
        oldest = await self._log.oldest_seq()
        self.low = (await self._log.head()).seq + 1 if oldest is None else oldest


async def _within(seconds: float, awaited: Awaitable[Any]) -> bool:
    # Not `wait_for`: until Python 3.12 it takes a cancellation for itself where what it awaits is just done.
    try:
        async with asyncio.timeout(seconds):
            await awaited
    except TimeoutError:
        return False
    return True
