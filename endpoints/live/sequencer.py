"""The one door of the hub: events pass it strictly in `seq` order, each once, whichever way they come."""

from collections.abc import Iterable

from endpoints.live.frames import RenderedEvent
from endpoints.live.ring_buffer import RingBuffer
from endpoints.live.subscriptions import Subscriptions


class Sequencer:
    """What comes early waits, what came already is dropped; what passes stands in the ring, and its readers are woken.

    known_head: the seq of the newest event that is known to be committed.
    """

    def __init__(self, ring: RingBuffer, feeds: Subscriptions) -> None:
        self._ring = ring
        self._feeds = feeds
        self._early: dict[int, RenderedEvent] = {}
        self.known_head = 0

    @property
    def head(self) -> int:
        """The seq of the newest event that has passed."""
        return self._ring.last

    @property
    def has_gap(self) -> bool:
        """Whether something waits for what lies before it."""
        return bool(self._early)

    def admit(self, entries: Iterable[RenderedEvent]) -> None:
        """Publishes what is next in order, as far as it goes. Never waits."""
        self._early.update((entry.seq, entry) for entry in entries)
        before = self.head
        while (entry := self._early.pop(self.head + 1, None)) is not None:
            self._ring.append(entry)
        if self._early and min(self._early) <= self.head:
            self._early = {seq: entry for seq, entry in self._early.items() if seq > self.head}
        self.known_head = max(self.known_head, self.head, *self._early)
        if self.head > before:
            self._feeds.announce()

    def start_over(self, seq: int, reason: str) -> None:
        """Goes on after `seq`, with nothing in memory."""
        self._ring.start_after(seq)
        self._early.clear()
        self._feeds.start_over(seq, reason)
