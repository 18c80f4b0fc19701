"""The hub delivers each committed event once, and in order, to every subscription.

It has two sources. The endpoint that commits an event passes it on at once; the log tailer reads the events of other
processes from the log. The sequencer publishes both strictly in `seq` order.

A subscription is a cursor into the ring buffer of the newest events, or, if it lies further back, into the log.
Publishing never waits for a subscriber.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from endpoints.live.frames import EventRenderer, RenderedEvent, limit_events
from endpoints.live.log_tailer import LogTailer, Notifications
from endpoints.live.ring_buffer import CAPACITY, RingBuffer
from endpoints.live.sequencer import Sequencer
from endpoints.live.subscriptions import AHEAD, EXPIRED, OTHER_LOG, TOO_FAR, Subscription, Subscriptions
from repositories.concurrency.supervised_task import SupervisedTask
from repositories.event_log.event_log import EventLog
from schemas.journal.events import Event
from schemas.live.protocol import LogPosition

REPLAY_LIMIT: Final = 5_000
#: If the head of the log was not known for this long, clients may show old data.
STALE_SECONDS: Final = 10.0

_READ_AT_ONCE: Final = 500
_READ_TOGETHER: Final = 4


@dataclass(frozen=True, slots=True)
class HubStatus:
    """The state of the hub.

    :ivar lag: events that are committed and not published here yet.
    :ivar notification_age: seconds since the last message of the change stream.
    :ivar head_age: seconds since the head of the log was last known.
    """

    epoch: str
    head: int
    oldest_seq: int
    lag: int
    notification_age: float
    head_age: float

    @property
    def is_stale(self) -> bool:
        return self.head_age > STALE_SECONDS


class Hub:
    """The hub of one process.

    :param capacity: the number of newest events to keep in memory.
    :param notifications: opens the stream of notifications, if it is not that of the log.
    """

    def __init__(
        self,
        log: EventLog,
        zone: ZoneInfo,
        capacity: int = CAPACITY,
        notifications: Callable[[], Notifications] | None = None,
    ) -> None:
        self._log = log
        self._renderer = EventRenderer(zone)
        self._preload = min(capacity, REPLAY_LIMIT)
        self.ring = RingBuffer(capacity)
        self.subscriptions = Subscriptions()
        self._sequencer = Sequencer(self.ring, self.subscriptions)
        self._tailer = LogTailer(
            log, notifications or log.notifications, self._renderer, self._sequencer, self.subscriptions
        )
        self._reading = asyncio.Semaphore(_READ_TOGETHER)
        self._works: list[SupervisedTask] = []
        #: Events that were delivered, counted once for each subscription.
        self.delivered = 0

    @property
    def head(self) -> int:
        """The sequence number of the newest event that was published here."""
        return self.ring.last

    @property
    def readers(self) -> int:
        return len(self.subscriptions)

    @property
    def position(self) -> LogPosition:
        return LogPosition(self.head, self._tailer.epoch)

    @property
    def status(self) -> HubStatus:
        now = time.monotonic()
        return HubStatus(
            epoch=self._tailer.epoch,
            head=self.head,
            oldest_seq=self._tailer.oldest_seq,
            lag=max(0, self._sequencer.known_head - self.head),
            notification_age=now - self._tailer.notified_at,
            head_age=now - self._tailer.checked_at,
        )

    async def start(self) -> None:
        """Start at the head of the log, with the newest events in memory. From here on no event is missed."""
        await self._tailer.start(self._preload)
        tailer = self._tailer
        works = (tailer.listen, tailer.follow, self.subscriptions.wake_readers, tailer.watch_oldest_seq)
        self._works = [SupervisedTask(f"The hub ({work.__name__})", work) for work in works]
        for work in self._works:
            work.start()

    async def stop(self) -> None:
        await asyncio.gather(*(work.stop() for work in self._works))

    def notify(self, events: Sequence[Event]) -> None:
        """Publish events that this process has committed. This never waits."""
        self._sequencer.publish([self._renderer.render_committed(event) for event in events])
        if self._sequencer.has_gap:
            self._tailer.wakeup.set()

    def subscribe(self, wake: Callable[[], None], topics: frozenset[str] | None = None) -> Subscription:
        """Subscribe to events from now on.

        :param wake: called when there may be new events, until `unsubscribe`.
        """
        subscription = Subscription(self.head, wake, topics)
        self.subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self.subscriptions.discard(subscription)

    def replay_error(self, place: LogPosition) -> str | None:
        """Return why the events since a position cannot be replayed; None if they can."""
        if place.epoch not in (None, self._tailer.epoch):
            return OTHER_LOG
        if place.seq > max(self.head, self._sequencer.known_head):
            return AHEAD
        if not self.ring.reaches(place.seq) and place.seq < self._tailer.oldest_seq - 1:
            return EXPIRED
        return TOO_FAR if self.head - place.seq > REPLAY_LIMIT else None

    async def confirmed_replay_error(self, place: LogPosition) -> str | None:
        """Return the same as `replay_error`, but read the head of the log before AHEAD is returned: a client may have
        received events from another process that this one has not read yet."""
        reason = self.replay_error(place)
        if reason != AHEAD:
            return reason
        await self._tailer.refresh_head()
        return self.replay_error(place)

    def take(self, subscription: Subscription, limit: int, max_bytes: int) -> list[RenderedEvent] | None:
        """Return the next events of a subscription, and advance its cursor past all events that were examined.

        An empty list means that the cursor is at the head, or that no event matched. None means that the cursor lies
        before the ring buffer, and that `fetch` is required.
        """
        if not self.ring.reaches(subscription.cursor):
            return None
        return subscription.select(self.ring.after(subscription.cursor, limit, max_bytes))

    async def fetch(self, subscription: Subscription, limit: int, max_bytes: int) -> list[RenderedEvent]:
        """Return the same as `take`, from the log."""
        cursor = subscription.cursor
        events = limit_events(await self._read(cursor), limit, max_bytes)
        if subscription.loss_reason is not None or subscription.cursor != cursor:
            # The log was replaced in the meantime.
            return []
        if not events or events[0].seq != cursor + 1:
            subscription.loss_reason, subscription.cursor = EXPIRED, self.head
            return []
        return subscription.select(events)

    async def since(self, place: LogPosition, limit: int) -> list[RenderedEvent]:
        """Return up to `limit` events after a position, from memory if possible."""
        if self.ring.reaches(place.seq):
            return self.ring.after(place.seq, limit, self.ring.bytes_after(place.seq))
        return await self._read(place.seq, limit)

    async def _read(self, seq: int, limit: int = _READ_AT_ONCE) -> list[RenderedEvent]:
        # Few at a time: when many clients reconnect, their reads must not delay sales.
        async with self._reading:
            stored = await self._log.after(seq, limit)
        return self._renderer.render_stored(stored)
