"""The newest events in memory."""

from typing import Final

from endpoints.live.frames import OVERHEAD, RenderedEvent, first_of

CAPACITY: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024


class RingBuffer:
    """A gapless run of the newest entries: at most `capacity` of them, and `max_bytes` of memory.

    first, last: the seqs of the oldest and the newest entry; where it is empty, first is last + 1.
    """

    def __init__(self, capacity: int = CAPACITY, max_bytes: int = MAX_BYTES) -> None:
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._slots: list[RenderedEvent | None] = [None] * capacity
        # Bytes that were ever put in, up to and with each entry: what lies between two of them is a subtraction.
        self._ends = [0] * capacity
        self.start_after(0)

    def start_after(self, seq: int) -> None:
        """Empties the ring; the next entry is `seq` + 1."""
        self._slots = [None] * self._capacity
        self.first, self.last = seq + 1, seq
        self._bytes = 0
        self._dropped = 0

    def append(self, entry: RenderedEvent) -> None:
        """Adds the entry that follows the last one, and drops the oldest where there is no more room."""
        assert entry.seq == self.last + 1, (entry.seq, self.last)  # noqa: S101  (the door sees to it)
        if self.last - self.first + 1 == self._capacity:
            self._drop()
        slot = entry.seq % self._capacity
        self._bytes += entry.size
        self._slots[slot], self._ends[slot] = entry, self._bytes
        self.last = entry.seq
        while self.memory > self._max_bytes and self.first < self.last:
            self._drop()

    @property
    def memory(self) -> int:
        """How many bytes of memory all of it takes."""
        return self._bytes - self._dropped + OVERHEAD * (self.last - self.first + 1)

    def _drop(self) -> None:
        slot = self.first % self._capacity
        self._dropped = self._ends[slot]
        self._slots[slot] = None
        self.first += 1

    def reaches(self, seq: int) -> bool:
        """Whether everything after `seq` is here."""
        return seq + 1 >= self.first

    def bytes_after(self, seq: int) -> int:
        """How many bytes of messages stand here after `seq`."""
        if seq >= self.last:
            return 0
        return self._bytes - (self._ends[seq % self._capacity] if seq >= self.first else self._dropped)

    def after(self, seq: int, most: int, most_bytes: int) -> list[RenderedEvent]:
        """The entries that follow `seq`: up to `most` of them and, beyond the first, `most_bytes`."""
        if seq + 1 == self.last:
            newest = self._slots[self.last % self._capacity]
            return [] if newest is None else [newest]
        entries = (self._slots[each % self._capacity] for each in range(seq + 1, self.last + 1))
        return first_of((entry for entry in entries if entry is not None), most, most_bytes)
