"""The journal: all writes of a store, as group commits.

Requests submit a command and await its outcome. While one group commits, new commands wait; the next group takes them
all. A single command commits at once. If the last group had several commands, the next one waits for as many, but no
longer than the last one took: clients that were answered together send their next requests together, and one group of
60 costs little more than one of 30.

A group is limited in number and in bytes, and large commands have groups of their own, which alternate with those of
small commands (`command_queue.py`): a sale does not wait behind hundreds of long estimates.

A group is one transaction (`transaction.py`): it reads the documents that its commands name, applies them in order,
writes documents, events, rollups and stored answers, and updates the store's counters. So numbers are unique and
without gaps, an event exists if and only if its change does, reports are exact, and a retry finds its answer.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from pymongo.errors import PyMongoError

from repositories.concurrency.backoff import Backoff
from repositories.database.client import Database
from repositories.database.clock import Clocks
from repositories.database.errors import OutcomeUnknown, Unavailable
from repositories.journal.command import Command
from repositories.journal.command_queue import CommandQueue, PendingCommand
from repositories.journal.command_sizes import LARGE_BYTES, TooLarge
from repositories.journal.commit import CommitUnknown
from repositories.journal.transaction import Collision, GroupTransaction, Outcome, is_transient
from schemas.core.calendar import Clock
from schemas.core.errors import ShopError
from schemas.text.phones import INDIA

GROUP_LIMIT: Final = 256
# A till gets its answer within five seconds, including the network.
DEADLINE_SECONDS: Final = 4.5
# A group that fails for this long looks for open transactions of dead processes.
ORPHAN_CHECK_SECONDS: Final = 0.5
# The longest time that a group waits for more commands.
MAX_GATHERING_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class GroupResult:
    """The result of a group, for the metrics."""

    size: int
    #: From its first try to its end.
    seconds: float
    is_committed: bool = True
    #: Commands whose answer was stored by an earlier request.
    replays: int = 0


class Journal:
    """The journal of one store.

    :param group_limit: the most commands of one transaction.
    :param region: the region of phone numbers without a country code.
    :param clocks: the clocks for expiry; None for `clock`.
    :param deadline: seconds after which a command is answered with a 503, whatever the database does.
    """

    def __init__(
        self,
        database: Database,
        *,
        store: str,
        zone: ZoneInfo,
        clock: Clock,
        group_limit: int = GROUP_LIMIT,
        deadline: float = DEADLINE_SECONDS,
        region: str = INDIA,
        clocks: Clocks | None = None,
    ) -> None:
        self._transaction = GroupTransaction(database, store, zone, clock, region=region, clocks=clocks)
        self._group_limit = group_limit
        self._deadline = deadline
        self._queue = CommandQueue()
        # Commands without an outcome, the oldest first. One timer is enough, since all have the same deadline.
        self._open: dict[PendingCommand, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        # How many commands the next group expects, and until when it waits for them (clock of the event loop).
        self._expected = 0
        self._gathering_until = 0.0
        self._gathered = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._closed = False
        #: Whether a group waits for more commands. This pays if this process makes the commands, which it cannot do
        #: while it prepares a group; not if followers make them meanwhile.
        self.waits_for_others = True
        #: Called with the head of the event log after each group that has changed it.
        self.on_commit: Callable[[int], None] = lambda _: None
        #: Called with True when the first command arrives, and with False when the last one has an outcome.
        self.on_busy: Callable[[bool], None] = lambda _: None
        #: Called with the result of each group.
        self.on_group: Callable[[GroupResult], None] = lambda _: None

    async def submit(self, command: Command) -> Outcome:
        """Commit a command, in one group with all that are waiting.

        Once its group has begun, a command is carried out even if its caller is cancelled.

        :raises ShopError: the command was refused.
        :raises Unavailable: it was not committed, because the database is away.
        :raises OutcomeUnknown: the database did not answer in time. A retry with the same key gets the outcome.
        """
        return await self.enqueue(command)

    def enqueue(self, command: Command) -> asyncio.Future[Outcome]:
        """Commit a command as `submit` does, and return a future."""
        if self._closed:
            raise Unavailable("The service is shutting down. Please try again.")
        loop = asyncio.get_running_loop()
        entry = PendingCommand(command, loop.create_future(), loop.time() + self._deadline, command.bytes_written)
        if not self._open:
            self.on_busy(True)
        self._open[entry] = None
        if self._timer is None:
            self._timer = loop.call_at(entry.due, self._expire)
        self._queue.append(entry)
        if self._has_enough:
            self._gathered.set()
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return entry.outcome

    @property
    def is_busy(self) -> bool:
        """Return whether a command has no outcome yet."""
        return bool(self._open)

    async def close(self) -> None:
        """Commit the waiting commands, and accept no more."""
        self._closed = True
        if self._draining is not None:
            await self._draining
        self._transaction.close()

    def _expire(self) -> None:
        """Answer the commands whose deadline has passed, and set the timer for the next one."""
        loop = asyncio.get_running_loop()
        for entry in tuple(self._open):
            if entry.due > loop.time():
                self._timer = loop.call_at(entry.due, self._expire)
                return
            if entry in self._queue:
                self._queue.remove(entry)
                self._resolve(entry, Unavailable())
            else:
                self._resolve(entry, OutcomeUnknown())
        self._timer = None

    def _resolve(self, entry: PendingCommand, outcome: Outcome | BaseException) -> None:
        if entry in self._open:
            del self._open[entry]
            if not self._open:
                self.on_busy(False)
        if entry.outcome.done():
            return
        if isinstance(outcome, Outcome):
            entry.outcome.set_result(outcome)
        else:
            entry.outcome.set_exception(outcome)

    async def _drain(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._queue:
            came_in_time = await self._gather()
            began = clock()
            group = self._queue.take(self._group_limit)
            for entry in group:
                if entry.outcome.done():
                    # Its caller was cancelled before the group began.
                    self._resolve(entry, Unavailable())
            await self._commit([entry for entry in group if not entry.outcome.done()])
            if group[0].size > LARGE_BYTES:
                continue
            # The clients that are answered now and, unless the last expectation was too high, those that came
            # meanwhile.
            self._expected = min(len(group) + (len(self._queue.small) if came_in_time else 0), self._group_limit)
            self._gathering_until = clock() + min(clock() - began, MAX_GATHERING_SECONDS)

    async def _gather(self) -> bool:
        """Wait for the expected commands, and return whether they came in time."""
        if not self.waits_for_others:
            return True
        if not self._has_enough and not self._closed:
            self._gathered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._gathering_until):
                    await self._gathered.wait()
        return self._has_enough

    @property
    def _has_enough(self) -> bool:
        """Return whether as many commands wait as are expected. Large commands are not waited for."""
        return len(self._queue.small) >= self._expected or bool(self._queue.large)

    async def _commit(self, group: Sequence[PendingCommand]) -> None:
        """Commit a group. After a permanent failure commit its commands one by one, so only the faulty one fails."""
        if not group:
            return
        began = time.perf_counter()
        attempt = asyncio.ensure_future(self._transact([entry.command for entry in group]))
        await asyncio.wait({attempt})
        error = attempt.exception()
        seconds = time.perf_counter() - began
        if error is None:
            outcomes = attempt.result()
            replays = sum(isinstance(outcome, Outcome) and outcome.replayed for outcome in outcomes)
            self.on_group(GroupResult(len(group), seconds, replays=replays))
            for entry, outcome in zip(group, outcomes, strict=True):
                self._resolve(entry, outcome)
            written = (outcome.events for outcome in reversed(outcomes) if isinstance(outcome, Outcome))
            if newest := next(filter(None, written), None):
                self.on_commit(newest[-1]["seq"])
        elif isinstance(error, TooLarge):
            for entry, size in zip(group, error.sizes, strict=True):
                entry.size = size
            self._queue.put_back(group)
        elif len(group) == 1 or isinstance(error, Unavailable):
            self.on_group(GroupResult(len(group), seconds, is_committed=False))
            for entry in group:
                self._resolve(entry, error)
        else:
            for entry in group:
                await self._commit([entry])

    async def _transact(self, commands: Sequence[Command]) -> list[Outcome | ShopError]:
        """Run one transaction, again until it commits or the deadline has passed."""
        backoff = Backoff(self._deadline)
        clock = asyncio.get_running_loop().time
        check_at = clock() + ORPHAN_CHECK_SECONDS
        while True:
            try:
                return await self._transaction.run(commands, backoff)
            except CommitUnknown as error:
                raise OutcomeUnknown from error
            except (PyMongoError, Collision) as error:
                if not is_transient(error):
                    raise
                if clock() > check_at:
                    await self._transaction.abort_orphans()
                    check_at = clock() + ORPHAN_CHECK_SECONDS
                pause = backoff.pause()
                if pause is None:
                    raise Unavailable from error
            await asyncio.sleep(pause)
