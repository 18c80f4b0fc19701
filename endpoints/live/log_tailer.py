"""The log tailer reads events that other processes have committed: when a notification arrives, or when polling finds a
new head. It also tracks the epoch of the log and its oldest event."""

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
_OLDEST_SEQ_SECONDS: Final = 60.0
_IDLE_SECONDS: Final = 0.1

Notifications = AsyncIterator[int | None]

logger = logging.getLogger("pos.hub")


class LogTailer:
    """Passes the events of a log to the sequencer.

    :ivar oldest_seq: the sequence number of the oldest event of the log.
    :ivar wakeup: set when there is something to read.
    :ivar notified_at: time of the last notification (`time.monotonic`).
    :ivar checked_at: when the head of the log was last known (`time.monotonic`).
    """

    def __init__(
        self,
        log: EventLog,
        notifications: Callable[[], Notifications],
        renderer: EventRenderer,
        sequencer: Sequencer,
        subscriptions: Subscriptions,
    ) -> None:
        self._log = log
        self._notifications = notifications
        self._renderer = renderer
        self._sequencer = sequencer
        self._subscriptions = subscriptions
        self.epoch = ""
        self.oldest_seq = 1
        self.wakeup = asyncio.Event()
        # Whether notifications may have been missed.
        self._must_read = False
        self.notified_at = self.checked_at = time.monotonic()

    async def start(self, preload: int) -> None:
        """Start at the head of the log, with up to `preload` of the newest events in memory."""
        self.epoch, head = await self._log.head()
        await self._find_oldest_seq()
        self._sequencer.reset(max(0, head - preload, self.oldest_seq - 1), EXPIRED)
        await self._catch_up()

    async def refresh_head(self) -> None:
        epoch, head = await self._log.head()
        if epoch == self.epoch:
            self._sequencer.known_head = max(self._sequencer.known_head, head)
            self.wakeup.set()

    async def listen(self) -> None:
        """Set `wakeup` when the log has events that are not published here."""
        while True:
            try:
                async for head in self._notifications():
                    self.notified_at = time.monotonic()
                    if head is not None and head > self._sequencer.head:
                        self._sequencer.known_head = max(self._sequencer.known_head, head)
                        self.wakeup.set()
            except Unavailable as error:
                logger.warning("The change stream ended; reopening it. %s", safe_error_text(error.__cause__ or error))
            # Missed events are read as a range, so no resume token is needed.
            self._must_read = True
            self.wakeup.set()
            await asyncio.sleep(_REOPEN_SECONDS)

    async def follow(self) -> None:
        """Read new events after a notification; poll if there was none for a while."""
        while True:
            try:
                is_notified = await _within(POLL_SECONDS, self.wakeup.wait())
                if not self._subscriptions:
                    # No client is connected: events of the next moment are read together.
                    await asyncio.sleep(_IDLE_SECONDS)
                self.wakeup.clear()
                # Most events were committed and published by this process before their notification is handled.
                if self._must_read or self._is_behind() or (not is_notified and await self._has_grown()):
                    self._must_read = False
                    await self._catch_up()
                self.checked_at = time.monotonic()
            except BeingRestored:
                # Events of the restore are not published; afterwards the log has another epoch.
                await asyncio.sleep(_REOPEN_SECONDS)
            except Unavailable:
                await asyncio.sleep(_REOPEN_SECONDS)
                self._must_read = True
                self.wakeup.set()

    async def watch_oldest_seq(self) -> None:
        """Update `oldest_seq` once a minute."""
        while True:
            await asyncio.sleep(_OLDEST_SEQ_SECONDS)
            try:
                await self._find_oldest_seq()
            except Unavailable:
                logger.info("The oldest event could not be read.")

    def _is_behind(self) -> bool:
        return self._sequencer.known_head > self._sequencer.head

    async def _has_grown(self) -> bool:
        epoch, head = await self._log.head()
        if epoch != self.epoch:
            logger.warning("The event log was replaced; following the new one from its head.")
            self.epoch = epoch
            await self._find_oldest_seq()
            self._sequencer.reset(head, OTHER_LOG)
        self._sequencer.known_head = head
        return self._is_behind()

    async def _catch_up(self) -> None:
        is_more = True
        while is_more and (stored := await self._log.after(self._sequencer.head)):
            is_more = len(stored) == RANGE_LIMIT
            first = stored[0].seq
            if first > self._sequencer.head + 1:
                # Only retention removes events, long after all processes have read them.
                logger.warning("Events %d to %d are gone.", self._sequencer.head + 1, first - 1)
                self._sequencer.reset(first - 1, EXPIRED)
            self._sequencer.publish(self._renderer.render_stored(stored))

    async def _find_oldest_seq(self) -> None:
        oldest = await self._log.oldest_seq()
        self.oldest_seq = (await self._log.head()).seq + 1 if oldest is None else oldest


async def _within(seconds: float, awaited: Awaitable[Any]) -> bool:
    # Not `wait_for`: until Python 3.12 it swallows a cancellation if the awaited future has just finished.
    try:
        async with asyncio.timeout(seconds):
            await awaited
    except TimeoutError:
        return False
    return True
