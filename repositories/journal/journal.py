"""One door for every write: group commit.

Requests hand the journal a command and await its outcome. While one group is committing, newcomers gather; the next
group takes them all. Alone, a command commits at once. Where there were several a moment ago, the next group waits for
as many to come again, but no longer than the last one took: clients that were answered together come back together,
and one group of sixty costs little more than one of thirty.

A group is bounded in number and in bytes, and large commands have groups of their own, in turn with those of the small
ones (`waiting.py`): a sale does not wait behind hundreds of long estimates.

A group is one transaction (`transaction.py`): read what its commands name, run them in order, write documents, events,
rollups and remembered answers, raise the store's counters. So numbers are gapless and unique, an event exists if and
only if its change does, reports are exact, and a retry finds its answer.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
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
from schemas.core.errors import ShopError
from schemas.text.phones import INDIA

GROUP_LIMIT: Final = 256
# A till is answered within five seconds, the way there and back included.
DEADLINE_SECONDS: Final = 4.5
# How long a group may fail before it is asked whether a dead process stands in its way.
ORPHAN_CHECK_SECONDS: Final = 0.5
# The longest that a group waits for others, however long the last one took.
MAX_GATHERING_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class GroupResult:
    """What became of a group. seconds: from its first try to its end. replays: commands that had been done before."""

    size: int
    seconds: float
    is_committed: bool = True
    replays: int = 0


class Journal:
    """The journal of one store.

    :param clock: the present instant, UTC.
    :param group_limit: how many commands one transaction takes at the most.
    :param region: of phone numbers without a country code.
    :param moments: the clocks by which things last; `clock`, where there are none.
    :param deadline: seconds after which a command is answered with a 503, whatever the database does.
    """

    def __init__(
        self,
        database: Database,
        *,
        store: str,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        group_limit: int = GROUP_LIMIT,
        deadline: float = DEADLINE_SECONDS,
        region: str = INDIA,
        clocks: Clocks | None = None,
    ) -> None:
        self._transaction = GroupTransaction(database, store, zone, clock, region=region, clocks=clocks)
        self._group_limit = group_limit
        self._deadline = deadline
        self._waiting = CommandQueue()
        # Those without an outcome, the oldest first; one timer watches over them, since all have the same patience.
        self._open: dict[PendingCommand, None] = {}
        self._watch: asyncio.TimerHandle | None = None
        # How many are likely to come together now, and until when they are waited for (time of the event loop).
        self._expected = 0
        self._gathering_until = 0.0
        self._gathered = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._closed = False
        #: Whether a group waits for those who were just answered. It pays where commands are made by this very process,
        #: which cannot do so while a group is under way, not where they are made by others meanwhile.
        self.waits_for_others = True
        #: Told the head of the event log after each group that has moved it.
        self.on_commit: Callable[[int], None] = lambda _: None
        #: Told True as somebody comes, and False as the last one has an outcome.
        self.on_busy: Callable[[bool], None] = lambda _: None
        #: Told of each group that was committed, or was not.
        self.on_group: Callable[[GroupResult], None] = lambda _: None

    async def submit(self, command: Command) -> Outcome:
        """Commits a command, with whatever others are waiting.

        A command whose caller went away is carried out all the same once its group has begun.

        :raises ShopError: the command's own refusal.
        :raises Unavailable: not committed, because the database is away.
        :raises OutcomeUnknown: sent, and no answer within the deadline; the same request with its key settles it.
        """
        return await self.enqueue(command)

    def enqueue(self, command: Command) -> asyncio.Future[Outcome]:
        """As `submit`, for whoever does not wait."""
        if self._closed:
            raise Unavailable("The service is shutting down. Please try again.")
        loop = asyncio.get_running_loop()
        entry = PendingCommand(command, loop.create_future(), loop.time() + self._deadline, command.bytes_written)
        if not self._open:
            self.on_busy(True)
        self._open[entry] = None
        if self._watch is None:
            self._watch = loop.call_at(entry.due, self._expire)
        self._waiting.append(entry)
        if self._are_enough:
            self._gathered.set()
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return entry.outcome

    @property
    def is_busy(self) -> bool:
        """Whether a command is without an outcome."""
        return bool(self._open)

    async def close(self) -> None:
        """Commits what is waiting, and takes no more."""
        self._closed = True
        if self._draining is not None:
            await self._draining
        self._transaction.close()

    def _expire(self) -> None:
        """Answers those whose time is over, and looks again when the next one's will be."""
        loop = asyncio.get_running_loop()
        for entry in tuple(self._open):
            if entry.due > loop.time():
                self._watch = loop.call_at(entry.due, self._expire)
                return
            if entry in self._waiting:
                self._waiting.remove(entry)
                self._settle(entry, Unavailable())
            else:
                self._settle(entry, OutcomeUnknown())
        self._watch = None

    def _settle(self, entry: PendingCommand, outcome: Outcome | BaseException) -> None:
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
        while self._waiting:
            were_right = await self._gather()
            began = clock()
            group = self._waiting.take(self._group_limit)
            for entry in group:
                if entry.outcome.done():
                    # Its caller went away before it was begun.
                    self._settle(entry, Unavailable())
            await self._commit([entry for entry in group if not entry.outcome.done()])
            if group[0].weight > LARGE_BYTES:
                continue
            # Those who are answered now, and, unless the last guess was too high, those who came meanwhile.
            self._expected = min(len(group) + (len(self._waiting.small) if were_right else 0), self._group_limit)
            self._gathering_until = clock() + min(clock() - began, MAX_GATHERING_SECONDS)

    async def _gather(self) -> bool:
        """Waits for those who are expected, and says whether they came in time."""
        if not self.waits_for_others:
            return True
        if not self._are_enough and not self._closed:
            self._gathered.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._gathering_until):
                    await self._gathered.wait()
        return self._are_enough

    @property
    def _are_enough(self) -> bool:
        """Whether as many wait as are expected to come together; large ones come alone."""
        return len(self._waiting.small) >= self._expected or bool(self._waiting.large)

    async def _commit(self, group: Sequence[PendingCommand]) -> None:
        """Commits a group; one that fails for no transient reason is taken apart, so that only the guilty fails."""
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
                self._settle(entry, outcome)
            written = (outcome.events for outcome in reversed(outcomes) if isinstance(outcome, Outcome))
            if newest := next(filter(None, written), None):
                self.on_commit(newest[-1]["seq"])
        elif isinstance(error, TooLarge):
            for entry, weight in zip(group, error.weights, strict=True):
                entry.weight = weight
            self._waiting.put_back(group)
        elif len(group) == 1 or isinstance(error, Unavailable):
            self.on_group(GroupResult(len(group), seconds, is_committed=False))
            for entry in group:
                self._settle(entry, error)
        else:
            for entry in group:
                await self._commit([entry])

    async def _transact(self, commands: Sequence[Command]) -> list[Outcome | ShopError]:
        """One transaction, tried until it commits or the deadline has passed."""
        backoff = Backoff(self._deadline)
        clock = asyncio.get_running_loop().time
        patience = clock() + ORPHAN_CHECK_SECONDS
        while True:
            try:
                return await self._transaction.run(commands, backoff)
            except CommitUnknown as error:
                raise OutcomeUnknown from error
            except (PyMongoError, Collision) as error:
                if not is_transient(error):
                    raise
                if clock() > patience:
                    await self._transaction.abort_orphans()
                    patience = clock() + ORPHAN_CHECK_SECONDS
                pause = backoff.pause()
                if pause is None:
                    raise Unavailable from error
            await asyncio.sleep(pause)
