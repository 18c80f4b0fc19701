"""The database's clock, as a process of the service knows it.

The database takes away what is too old by its own clock, and several machines sell for one shop, each with a clock of
its own. So what lasts for a time (remembered answers, sign-ins, tickets, uploads, links, leases of messages) goes by
the one clock that all of them have in common. Between two looks at it the process counts on by a clock that only goes
on, so that a jump of the machine's own clock moves nothing; and how far that one is away is known at any time.
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
from schemas.core.collections import COUNTERS

#: From one look to the next: no two clocks go at the same speed.
INTERVAL_SECONDS: Final = 30.0
#: How far the clocks may be apart before that is said.
TOLERANCE: Final = timedelta(minutes=1)

logger = logging.getLogger("pos")


class Clocks(NamedTuple):
    """The clocks by which things last.

    kept: the database's, which takes away what is too old. lasting: that by which windows, expiry and leases are
    judged: the same, but where a test brings a clock, which stands for both.
    """

    database: Callable[[], datetime]
    expiry: Callable[[], datetime]


class DatabaseClock:
    """
    :param clock: the machine's present instant, UTC.
    :param seconds: a clock that only goes on.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._seconds = seconds
        self._instant, self._at = clock(), seconds()
        self._was_wrong = False
        self._watching = SupervisedTask("The look at the database's clock", self._watch)

    def __call__(self) -> datetime:
        """Return the database's present instant, UTC."""
        return self._instant + timedelta(seconds=self._seconds() - self._at)

    @property
    def behind(self) -> timedelta:
        """Return how far the machine's clock is behind the database's; less than nothing where it is ahead."""
        return self() - self._clock()

    @property
    def is_in_sync(self) -> bool:
        """Return whether the two clocks agree, as far as anything depends on it."""
        return abs(self.behind) <= TOLERANCE

    def start(self) -> None:
        """Look again and again, and say what there is to say."""
        self._watching.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._watching.stop()

    async def measure(self) -> None:
        """Look at the database's clock.

        :raises Unavailable: the database is away.
        """
        before = self._seconds()
        async with read_deadline():
            said: datetime = (await self._database.command("hello"))["localTime"]
        self._at = (before + self._seconds()) / 2
        self._instant = said.replace(tzinfo=UTC)

    def log_skew(self) -> None:
        """Say in the log where the clocks have come apart, and where they agree again."""
        if self.is_in_sync != self._was_wrong:
            return
        self._was_wrong = not self.is_in_sync
        if self._was_wrong:
            logger.error(
                "The clock of this machine is %s the database's: the days and times of new documents go by it, and are "
                "wrong. Set both by a time server (NTP), then restart the service.",
                _apart(self.behind),
            )
        else:
            logger.warning("The clock of this machine agrees with the database's again.")

    async def log_future_document(self, store: str) -> None:
        """Say in the log where the store has a document that is newer than the machine's clock.

        :raises Unavailable: the database is away.
        """
        async with read_deadline():
            counters = await self._database[COUNTERS].find_one({"_id": store}, {"at": 1})
        newest = None if counters is None else counters.get("at")
        if newest is not None and newest > self._clock() + TOLERANCE:
            logger.error(
                "The newest entry of store %s is of %s, which is yet to come by the clock of this machine (%s): one of "
                "them is wrong, and new documents would stand before older ones.",
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
                # Until it answers again, it is counted on.
                logger.info("The database's clock could not be looked at.")
            self.log_skew()


def _apart(behind: timedelta) -> str:
    where = "behind" if behind > timedelta(0) else "ahead of"
    return f"{timedelta(seconds=round(abs(behind).total_seconds()))} {where}"
