"""The hub: from a committed event to every reader, in order, each once.

Two sources feed one door. The endpoint that committed an event hands it over at once; the doorbell (a change stream,
and a poll for when it is silent) tells of events of other processes, which are then read from the log. The door opens
strictly in `seq` order: what comes early waits, what came already is dropped.

A reader is a cursor (`Feed`): into the ring of the newest events, or, where it lies further back, into the log.
Publishing never waits for a reader.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from endpoints.ring import CAPACITY, Entry, Ring, first_of
from repositories.errors import BeingRestored, Unavailable, described
from repositories.events import RANGE_LIMIT, EventLog
from schemas.events import Event, frame
from schemas.live import Place

POLL_SECONDS: Final = 1.0
REPLAY_LIMIT: Final = 5_000
#: After so long without a look at the log, what screens show may be old.
STALE_SECONDS: Final = 10.0

_REOPEN_SECONDS: Final = 0.5
_READ_AT_ONCE: Final = 500
_READ_TOGETHER: Final = 4
_LOW_SECONDS: Final = 60.0
_WAKE_AT_ONCE: Final = 256
# About what an event of this process takes.
_UNHURRIED_SECONDS: Final = 0.1
_USUAL_SIZE: Final = 500

EXPIRED, OTHER_LOG, AHEAD, TOO_FAR = "expired", "other_log", "ahead", "too_far"

Rings = AsyncIterator[int | None]

logger = logging.getLogger("pos.hub")


@dataclass(frozen=True, slots=True)
class HubStatus:
    """How the hub stands. lag: events that are known to be committed and are not published here yet. doorbell_age:
    seconds since the change stream last gave a sign of life; looked: seconds since the log's head was last known."""

    epoch: str
    head: int
    low: int
    lag: int
    doorbell_age: float
    looked: float

    @property
    def is_stale(self) -> bool:
        return self.looked > STALE_SECONDS


class Feed:
    """One reader's place in the log.

    topics: those that it wants, None for all. cursor: the seq up to which it has taken everything. wake: called when
    there may be more. lost: why it was moved to the head without having had all before it; the reader tells and clears.
    """

    __slots__ = ("cursor", "lost", "topics", "wake")

    def __init__(self, cursor: int, wake: Callable[[], None], topics: frozenset[str] | None = None) -> None:
        self.cursor = cursor
        self.wake = wake
        self.topics = topics
        self.lost: str | None = None


class Hub:
    """The hub of one process.

    :param zone: of the times that screens show.
    :param capacity: how many of the newest events are kept in memory.
    :param rings: opens the doorbell, where it is not that of the log.
    """

    def __init__(
        self, log: EventLog, zone: ZoneInfo, capacity: int = CAPACITY, rings: Callable[[], Rings] | None = None
    ) -> None:
        self._log = log
        self._rings = rings or log.rings
        self._zone = zone
        self._epoch = ""
        self._known_head = 0
        self._low = 1
        self._early: dict[int, Entry] = {}
        self.ring = Ring(capacity)
        self._preload = min(capacity, REPLAY_LIMIT)
        self._feeds: set[Feed] = set()
        self._bell = asyncio.Event()
        self._published = asyncio.Event()
        self._reading = asyncio.Semaphore(_READ_TOGETHER)
        self._tasks: list[asyncio.Task[None]] = []
        #: Events that were handed to readers, each reader counted.
        self.delivered = 0
        self._rung_at = self._looked_at = time.monotonic()

    @property
    def head(self) -> int:
        """The seq of the newest event that was published here."""
        return self.ring.last

    @property
    def readers(self) -> int:
        return len(self._feeds)

    @property
    def here(self) -> Place:
        return Place(self.head, self._epoch)

    @property
    def status(self) -> HubStatus:
        now = time.monotonic()
        return HubStatus(
            self._epoch,
            self.head,
            self._low,
            max(0, self._known_head - self.head),
            now - self._rung_at,
            now - self._looked_at,
        )

    async def start(self) -> None:
        """Takes its place at the head of the log, with the newest events in memory; from here on it misses nothing.

        :raises Unavailable: the database is away.
        """
        self._epoch, head = await self._log.head()
        await self._look_for_low()
        self.ring.start_after(max(0, head - self._preload, self._low - 1))
        while stored := await self._log.after(self.head):
            first = stored[0].event["seq"]
            if first > self.head + 1:
                self.ring.start_after(first - 1)
            for seq, (event, size) in enumerate(stored, start=first):
                self.ring.append(self._entry(seq, event, size))
        self._known_head = self.head
        self._looked_at = time.monotonic()
        self._tasks = [
            asyncio.create_task(work) for work in (self._listen(), self._follow(), self._wake(), self._watch_low())
        ]

    async def stop(self) -> None:
        """Ends the hub's own tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def notify(self, events: Sequence[Event]) -> None:
        """Events that this process has committed. Never waits."""
        for event in events:
            self._early[event["seq"]] = self._entry(event["seq"], event, _USUAL_SIZE).settle()
        self._open_door()
        if self._early:
            self._bell.set()

    def subscribe(self, wake: Callable[[], None], topics: frozenset[str] | None = None) -> Feed:
        """A reader of every event from now on. It is woken until it unsubscribes."""
        feed = Feed(self.head, wake, topics)
        self._feeds.add(feed)
        return feed

    def unsubscribe(self, feed: Feed) -> None:
        self._feeds.discard(feed)

    def why_not_from(self, place: Place) -> str | None:
        """Why not everything since a place can be replayed; None where it can."""
        if place.epoch not in (None, self._epoch):
            return OTHER_LOG
        if place.seq > max(self.head, self._known_head):
            return AHEAD
        if not self.ring.reaches(place.seq) and place.seq < self._low - 1:
            return EXPIRED
        return TOO_FAR if self.head - place.seq > REPLAY_LIMIT else None

    async def surely_why_not_from(self, place: Place) -> str | None:
        """As `why_not_from`, but what seems to lie ahead is looked for in the log first: whoever comes from another
        process may have heard there what this one has yet to hear of.

        :raises Unavailable: the database is away.
        """
        reason = self.why_not_from(place)
        if reason != AHEAD:
            return reason
        epoch, head = await self._log.head()
        if epoch == self._epoch:
            self._known_head = max(self._known_head, head)
            self._bell.set()
        return self.why_not_from(place)

    def take(self, feed: Feed, most: int, most_bytes: int) -> list[Entry] | None:
        """What a reader wants of the next events, up to `most` of them; moves its cursor past all that it has seen.

        An empty list may mean that it has everything (then its cursor is at the head), or that nothing was for it.
        None: it lies further back than memory, and has to `fetch`.
        """
        if not self.ring.reaches(feed.cursor):
            return None
        return self._given(feed, self.ring.after(feed.cursor, most, most_bytes))

    async def fetch(self, feed: Feed, most: int, most_bytes: int) -> list[Entry]:
        """As `take`, from the log.

        :raises Unavailable: the database is away.
        """
        cursor = feed.cursor
        entries = first_of(await self._read(cursor), most, most_bytes)
        if feed.lost is not None or feed.cursor != cursor:
            # The log was found to be another one meanwhile.
            return []
        if not entries or entries[0].seq != cursor + 1:
            feed.lost, feed.cursor = EXPIRED, self.head
            return []
        return self._given(feed, entries)

    @staticmethod
    def _given(feed: Feed, entries: list[Entry]) -> list[Entry]:
        if entries:
            feed.cursor = entries[-1].seq
        return [entry for entry in entries if entry.is_for(feed.topics)]

    async def since(self, place: Place, most: int) -> list[Entry]:
        """Up to `most` events after a place, from memory where it reaches back so far.

        :raises Unavailable: the database is away.
        """
        if self.ring.reaches(place.seq):
            return self.ring.after(place.seq, most, self.ring.bytes_after(place.seq))
        return await self._read(place.seq, most)

    async def _read(self, seq: int, most: int = _READ_AT_ONCE) -> list[Entry]:
        # Few at a time: a crowd that comes back after a long cut must not take the database from those who sell.
        async with self._reading:
            stored = await self._log.after(seq, most)
        return [self._entry(event["seq"], event, size) for event, size in stored]

    def _entry(self, seq: int, event: Event, size: int) -> Entry:
        return Entry(seq, event, size, self._render)

    def _render(self, event: Event) -> bytes:
        return frame(event, self._zone)

    def _open_door(self) -> None:
        """Publishes what is next in order, as far as it goes."""
        before = self.head
        while (entry := self._early.pop(self.head + 1, None)) is not None:
            self.ring.append(entry)
        if self._early and min(self._early) <= self.head:
            self._early = {seq: entry for seq, entry in self._early.items() if seq > self.head}
        self._known_head = max(self._known_head, self.head, *self._early)
        if self.head > before:
            self._published.set()

    async def _wake(self) -> None:
        """Wakes the readers after each publication, a few at a time, so that a sale need not wait for thousands."""
        loop = asyncio.get_running_loop()
        while True:
            await self._published.wait()
            self._published.clear()
            for number, feed in enumerate(tuple(self._feeds), start=1):
                # Each by itself: whatever goes wrong with one reader is its own.
                loop.call_soon(feed.wake)
                if number % _WAKE_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _listen(self) -> None:
        """Rings the bell when the log grows beyond what was published here."""
        while True:
            try:
                async for head in self._rings():
                    self._rung_at = time.monotonic()
                    if head is not None and head > self.head:
                        self._known_head = max(self._known_head, head)
                        self._bell.set()
            except Unavailable as error:
                logger.warning("The doorbell fell silent; opening it again. %s", described(error.__cause__ or error))
            # What was missed meanwhile is read as a range, so no token of the stream has to be remembered.
            self._bell.set()
            await asyncio.sleep(_REOPEN_SECONDS)

    async def _follow(self) -> None:
        """Reads what the bell announced; looks by itself where the bell was silent for a while."""
        while True:
            try:
                rung = await _within(POLL_SECONDS, self._bell.wait())
                if not self._feeds:
                    # Nobody waits for it: what comes in the next moment is read together with it.
                    await asyncio.sleep(_UNHURRIED_SECONDS)
                self._bell.clear()
                if rung or await self._has_grown():
                    await self._catch_up()
            except BeingRestored:
                # What is written meanwhile is no news; when it is over, the log is another one.
                await asyncio.sleep(_REOPEN_SECONDS)
            except Unavailable:
                await asyncio.sleep(_REOPEN_SECONDS)
                self._bell.set()

    async def _has_grown(self) -> bool:
        epoch, head = await self._log.head()
        self._looked_at = time.monotonic()
        if epoch != self._epoch:
            logger.warning("The event log is another one than before; following it from its head.")
            self._epoch = epoch
            await self._look_for_low()
            self._start_over(head, OTHER_LOG)
        self._known_head = head
        return head > self.head

    async def _catch_up(self) -> None:
        is_more = True
        while is_more and (stored := await self._log.after(self.head)):
            is_more = len(stored) == RANGE_LIMIT
            first = stored[0].event["seq"]
            if first > self.head + 1:
                # Only retention removes events, and only long after everyone has seen them.
                logger.warning("Events %d to %d are gone.", self.head + 1, first - 1)
                self._start_over(first - 1, EXPIRED)
            # The log has no gaps, so the first one's seq says all of theirs.
            for seq, (event, size) in enumerate(stored, start=first):
                self._early[seq] = self._entry(seq, event, size)
            self._open_door()
        self._looked_at = time.monotonic()

    def _start_over(self, seq: int, reason: str) -> None:
        """Goes on after `seq`, with nothing in memory; whoever stood elsewhere has lost something."""
        self.ring.start_after(seq)
        self._early.clear()
        for feed in self._feeds:
            feed.lost, feed.cursor = reason, seq
            feed.wake()

    async def _watch_low(self) -> None:
        while True:
            await asyncio.sleep(_LOW_SECONDS)
            try:
                await self._look_for_low()
            except Unavailable:
                logger.info("The oldest event could not be looked for.")

    async def _look_for_low(self) -> None:
        oldest = await self._log.low()
        self._low = (await self._log.head()).seq + 1 if oldest is None else oldest


async def _within(seconds: float, awaited: Awaitable[Any]) -> bool:
    # Not `wait_for`: until Python 3.12 it takes a cancellation for itself where what it awaits is just done.
    try:
        async with asyncio.timeout(seconds):
            await awaited
    except TimeoutError:
        return False
    return True
