"""The ring buffer of the newest events."""

from typing import Final

from endpoints.live.frames import OVERHEAD, RenderedEvent, limit_events

CAPACITY: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024


class RingBuffer:
    """The newest events without a gap: at most `capacity` of them, and `max_bytes` of memory.

    :ivar first: sequence number of the oldest event; last + 1 if the buffer is empty.
    :ivar last: sequence number of the newest event.
    """

    def __init__(self, capacity: int = CAPACITY, max_bytes: int = MAX_BYTES) -> None:
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._slots: list[RenderedEvent | None] = [None] * capacity
        # Total bytes appended so far, including each event: the size of a range is one subtraction.
        self._ends = [0] * capacity
        self.start_after(0)

    def start_after(self, seq: int) -> None:
        """Clear the buffer; the next event is `seq` + 1."""
        self._slots = [None] * self._capacity
        self.first, self.last = seq + 1, seq
        self._bytes = 0
        self._dropped = 0

    def append(self, event: RenderedEvent) -> None:
        """Append the next event, and drop the oldest ones if the buffer is full."""
        assert event.seq == self.last + 1, (event.seq, self.last)  # noqa: S101  (the sequencer ensures it)
        if self.last - self.first + 1 == self._capacity:
            self._drop()
        slot = event.seq % self._capacity
        self._bytes += event.size
        self._slots[slot], self._ends[slot] = event, self._bytes
        self.last = event.seq
        while self.memory > self._max_bytes and self.first < self.last:
            self._drop()

    @property
    def memory(self) -> int:
        """Bytes of memory in use."""
        return self._bytes - self._dropped + OVERHEAD * (self.last - self.first + 1)

    def _drop(self) -> None:
        slot = self.first % self._capacity
        self._dropped = self._ends[slot]
        self._slots[slot] = None
        self.first += 1

    def reaches(self, seq: int) -> bool:
        """Return whether all events after `seq` are in the buffer."""
        return seq + 1 >= self.first

    def bytes_after(self, seq: int) -> int:
        """Return the bytes of the events after `seq`."""
        if seq >= self.last:
            return 0
        return self._bytes - (self._ends[seq % self._capacity] if seq >= self.first else self._dropped)

    def after(self, seq: int, limit: int, max_bytes: int) -> list[RenderedEvent]:
        """Return the events after `seq`: at most `limit`, and at most `max_bytes`, but always one."""
        if seq + 1 == self.last:
            newest = self._slots[self.last % self._capacity]
            return [] if newest is None else [newest]
        events = (self._slots[each % self._capacity] for each in range(seq + 1, self.last + 1))
        return limit_events((event for event in events if event is not None), limit, max_bytes)
