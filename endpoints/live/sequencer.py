"""The sequencer of the hub: publishes events strictly in `seq` order, each once."""

from collections.abc import Iterable

from endpoints.live.frames import RenderedEvent
from endpoints.live.ring_buffer import RingBuffer
from endpoints.live.subscriptions import Subscriptions


class Sequencer:
    """Holds back early events, drops duplicates, appends the rest to the ring buffer and wakes the subscribers.

    :ivar known_head: sequence number of the newest event that is known to be committed.
    """

    def __init__(self, ring: RingBuffer, subscriptions: Subscriptions) -> None:
        self._ring = ring
        self._subscriptions = subscriptions
        self._early: dict[int, RenderedEvent] = {}
        self.known_head = 0

    @property
    def head(self) -> int:
        """The sequence number of the newest published event."""
        return self._ring.last

    @property
    def has_gap(self) -> bool:
        """Whether an event waits for the ones before it."""
        return bool(self._early)

    def publish(self, events: Iterable[RenderedEvent]) -> None:
        """Publish the events that are next in order. This never waits."""
        self._early.update((event.seq, event) for event in events)
        before = self.head
        while (event := self._early.pop(self.head + 1, None)) is not None:
            self._ring.append(event)
        if self._early and min(self._early) <= self.head:
            self._early = {seq: event for seq, event in self._early.items() if seq > self.head}
        self.known_head = max(self.known_head, self.head, *self._early)
        if self.head > before:
            self._subscriptions.wake_all()

    def reset(self, seq: int, reason: str) -> None:
        """Continue after `seq`, with an empty buffer."""
        self._ring.start_after(seq)
        self._early.clear()
        self._subscriptions.reset(seq, reason)
