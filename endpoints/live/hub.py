"""The hub: from a committed event to every reader, in order, each once.

Two sources feed one door. The endpoint that committed an event hands it over at once; the follower hears of events of
other processes, and reads them from the log. The door opens strictly in `seq` order.

A reader is a cursor (`Subscription`): into the ring of the newest events, or, where it lies further back, into the log.
Publishing never waits for a reader.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from endpoints.live.frames import EventRenderer, RenderedEvent, first_of
from endpoints.live.log_tailer import LogTailer, Rings
from endpoints.live.ring_buffer import CAPACITY, RingBuffer
from endpoints.live.sequencer import Sequencer
from endpoints.live.subscriptions import AHEAD, EXPIRED, OTHER_LOG, TOO_FAR, Subscription, Subscriptions
from repositories.concurrency.supervised_task import SupervisedTask
from repositories.event_log.event_log import EventLog
from schemas.journal.events import Event
from schemas.live.protocol import LogPosition

REPLAY_LIMIT: Final = 5_000
#: After so long without a look at the log, what screens show may be old.
STALE_SECONDS: Final = 10.0

_READ_AT_ONCE: Final = 500
_READ_TOGETHER: Final = 4


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
        self._rendering = EventRenderer(zone)
        self._preload = min(capacity, REPLAY_LIMIT)
        self.ring = RingBuffer(capacity)
        self.feeds = Subscriptions()
        self._door = Sequencer(self.ring, self.feeds)
        self._follower = LogTailer(log, rings or log.notifications, self._rendering, self._door, self.feeds)
        self._reading = asyncio.Semaphore(_READ_TOGETHER)
        self._works: list[SupervisedTask] = []
        #: Events that were handed to readers, each reader counted.
        self.delivered = 0

    @property
    def head(self) -> int:
        """The seq of the newest event that was published here."""
        return self.ring.last

    @property
    def readers(self) -> int:
        return len(self.feeds)

    @property
    def here(self) -> LogPosition:
        return LogPosition(self.head, self._follower.epoch)

    @property
    def status(self) -> HubStatus:
        now = time.monotonic()
        return HubStatus(
            self._follower.epoch,
            self.head,
            self._follower.low,
            max(0, self._door.known_head - self.head),
            now - self._follower.rung_at,
            now - self._follower.looked_at,
        )

    async def start(self) -> None:
        """Takes its place at the head of the log, with the newest events in memory; from here on it misses nothing.

        :raises Unavailable: the database is away.
        """
        await self._follower.start(self._preload)
        follower = self._follower
        works = (follower.listen, follower.follow, self.feeds.keep_waking, follower.watch_low)
        self._works = [SupervisedTask(f"The hub ({work.__name__})", work) for work in works]
        for work in self._works:
            work.start()

    async def stop(self) -> None:
        """Ends the hub's own tasks."""
        await asyncio.gather(*(work.stop() for work in self._works))

    def notify(self, events: Sequence[Event]) -> None:
        """Events that this process has committed. Never waits."""
        self._door.admit([self._rendering.of_committed(event) for event in events])
        if self._door.has_gap:
            self._follower.bell.set()

    def subscribe(self, wake: Callable[[], None], topics: frozenset[str] | None = None) -> Subscription:
        """A reader of every event from now on. It is woken until it unsubscribes."""
        feed = Subscription(self.head, wake, topics)
        self.feeds.add(feed)
        return feed

    def unsubscribe(self, feed: Subscription) -> None:
        self.feeds.discard(feed)

    def replay_error(self, place: LogPosition) -> str | None:
        """Why not everything since a place can be replayed; None where it can."""
        if place.epoch not in (None, self._follower.epoch):
            return OTHER_LOG
        if place.seq > max(self.head, self._door.known_head):
            return AHEAD
        if not self.ring.reaches(place.seq) and place.seq < self._follower.low - 1:
            return EXPIRED
        return TOO_FAR if self.head - place.seq > REPLAY_LIMIT else None

    async def confirmed_replay_error(self, place: LogPosition) -> str | None:
        """As `replay_error`, but what seems to lie ahead is looked for in the log first: whoever comes from another
        process may have heard there what this one has yet to hear of.

        :raises Unavailable: the database is away.
        """
        reason = self.replay_error(place)
        if reason != AHEAD:
            return reason
        await self._follower.look_ahead()
        return self.replay_error(place)

    def take(self, feed: Subscription, most: int, most_bytes: int) -> list[RenderedEvent] | None:
        """What a reader wants of the next events, up to `most` of them; moves its cursor past all that it has seen.

        An empty list may mean that it has everything (then its cursor is at the head), or that nothing was for it.
        None: it lies further back than memory, and has to `fetch`.
        """
        if not self.ring.reaches(feed.cursor):
            return None
        return feed.given(self.ring.after(feed.cursor, most, most_bytes))

    async def fetch(self, feed: Subscription, most: int, most_bytes: int) -> list[RenderedEvent]:
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
        return feed.given(entries)

    async def since(self, place: LogPosition, most: int) -> list[RenderedEvent]:
        """Up to `most` events after a place, from memory where it reaches back so far.

        :raises Unavailable: the database is away.
        """
        if self.ring.reaches(place.seq):
            return self.ring.after(place.seq, most, self.ring.bytes_after(place.seq))
        return await self._read(place.seq, most)

    async def _read(self, seq: int, most: int = _READ_AT_ONCE) -> list[RenderedEvent]:
        # Few at a time: a crowd that comes back after a long cut must not take the database from those who sell.
        async with self._reading:
            stored = await self._log.after(seq, most)
        return self._rendering.of_stored(stored)
