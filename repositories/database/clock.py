"""The database's clock, as this process measures it.

The database expires documents by its own clock, and several machines serve one store, each with its own clock. So
everything that expires (idempotency keys, sessions, tickets, uploads, links, leases of messages) uses the one clock
that all machines share. Between two measurements the process adds the time of a monotonic clock, so a jump of the
machine's clock changes nothing, and the difference between the two clocks is known at any time.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from repositories.concurrency.supervised_task import SupervisedTask
from repositories.database.client import Database
from repositories.database.errors import Unavailable, read_deadline
from repositories.database.store_scope import store_filter
from schemas.core.calendar import Clock
from schemas.core.collections import LOG

#: From one measurement to the next: no two clocks run at the same speed.
INTERVAL_SECONDS: Final = 30.0
#: The clocks may differ by this much before the log says so.
TOLERANCE: Final = timedelta(minutes=1)

logger = logging.getLogger("pos")


class Clocks(NamedTuple):
    """The clocks that decide when something has expired."""

    #: The database's clock, by which it deletes expired documents.
    database: Clock
    #: Decides on windows, expiry and leases: the database's clock, unless a test passes a clock of its own.
    expiry: Clock


class DatabaseClock:
    """The database's clock.

    :param clock: returns the machine's present instant, UTC.
    """

    def __init__(self, database: Database, clock: Clock, seconds: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._instant, self._at = clock(), seconds()
        self._was_in_sync = True
        self._watching = SupervisedTask("Measuring the database's clock", self._watch)

    def __call__(self) -> datetime:
        """Return the database's present instant, UTC."""
        return self._instant + timedelta(seconds=self._seconds() - self._at)

    @property
    def behind(self) -> timedelta:
        """Return how far the machine's clock is behind the database's; negative if it is ahead."""
        return self() - self._clock()

    @property
    def is_in_sync(self) -> bool:
        """Return whether the two clocks agree within the tolerance."""
        return abs(self.behind) <= TOLERANCE

    def start(self) -> None:
        """Start to measure regularly, and to log when the clocks begin or cease to differ."""
        self._watching.start()

    async def stop(self) -> None:
        await self._watching.stop()

    async def measure(self) -> None:
        """Measure the database's clock."""
        before = self._seconds()
        async with read_deadline():
            local_time: datetime = (await self._database.command("hello"))["localTime"]
        self._at = (before + self._seconds()) / 2
        self._instant = local_time.replace(tzinfo=UTC)

    def log_skew(self) -> None:
        """Log when the clocks begin to differ, and when they agree again."""
        if self.is_in_sync == self._was_in_sync:
            return
        self._was_in_sync = self.is_in_sync
        if self._was_in_sync:
            logger.warning("The clock of this machine agrees with the database's again.")
        else:
            logger.error(
                "The clock of this machine is %s the database's: the days and times of new documents go by it, and are "
                "wrong. Set both by a time server (NTP), then restart the service.",
                _described(self.behind),
            )

    async def log_future_document(self, store: str) -> None:
        """Log if the store has an event that is newer than the machine's clock."""
        async with read_deadline():
            group = await self._database[LOG].find_one(store_filter(LOG, store), {"events.at": 1}, sort=[("_id", -1)])
        newest = None if group is None else group["events"][-1]["at"]
        if newest is not None and newest > self._clock() + TOLERANCE:
            logger.error(
                "The newest event of store %s is of %s, which is in the future by the clock of this machine (%s): one "
                "of them is wrong, and new documents would be sorted before older ones.",
                store,
                f"{newest:%Y-%m-%d %H:%M} UTC",
                f"{self._clock():%Y-%m-%d %H:%M} UTC",
            )

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            try:
                await self.measure()
            except Unavailable:
                # The monotonic clock goes on from the last measurement.
                logger.info("The database's clock could not be measured.")
            self.log_skew()


def _described(behind: timedelta) -> str:
    where = "behind" if behind > timedelta(0) else "ahead of"
    return f"{timedelta(seconds=round(abs(behind).total_seconds()))} {where}"
