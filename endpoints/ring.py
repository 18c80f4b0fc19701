"""The newest events, each rendered once, for however many screens; and a reader's place among them."""

from collections.abc import Callable, Iterable
from functools import cached_property
from itertools import islice
from typing import Final

from websockets.frames import Frame, Opcode

from schemas import live
from schemas.events import Event, topics_of

CAPACITY: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024


class Text:
    """A message to screens: its JSON, and, made once, the WebSocket frame that carries it."""

    def __init__(self, json: bytes) -> None:
        self.json = json

    @cached_property
    def wire(self) -> bytes:
        """An unmasked text frame, as RFC 6455 has servers send it: the same bytes for every screen."""
        return Frame(Opcode.TEXT, self.json).serialize(mask=False)


class Entry:
    """An event, rendered for the first screen that wants it.

    :param size: about how many bytes it takes.
    :param render: makes its JSON.
    """

    def __init__(self, seq: int, event: Event, size: int, render: Callable[[Event], bytes]) -> None:
        self.seq = seq
        self.size = size
        self._event = event
        self._render = render

    @cached_property
    def topics(self) -> frozenset[str]:
        """See `schemas.events.topics_of`."""
        return topics_of(self._event)

    def is_for(self, topics: frozenset[str] | None) -> bool:
        """Whether whoever wants these topics, None for all, is to hear of it; of what is private nobody is."""
        return bool(self.topics) if topics is None else not topics.isdisjoint(self.topics)

    @cached_property
    def text(self) -> Text:
        return Text(self._render(self._event))

    def settle(self) -> "Entry":
        """Renders it now, which takes a few microseconds and makes it a fifth as large."""
        if self.topics:
            self.text  # noqa: B018  (both are kept once they are made)
        self._event = {}
        return self

    @cached_property
    def v1(self) -> Text:
        """The event alone in a message of the subprotocol."""
        return Text(live.event(self.text.json))


class Ring:
    """A gapless run of the newest entries: at most `capacity` of them, and `max_bytes`.

    first, last: the seqs of the oldest and the newest entry; where it is empty, first is last + 1.
    """

    def __init__(self, capacity: int = CAPACITY, max_bytes: int = MAX_BYTES) -> None:
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._slots: list[Entry | None] = [None] * capacity
        # Bytes that were ever put in, up to and with each entry: what lies between two of them is a subtraction.
        self._ends = [0] * capacity
        self.start_after(0)

    def start_after(self, seq: int) -> None:
        """Empties the ring; the next entry is `seq` + 1."""
        self._slots = [None] * self._capacity
        self.first, self.last = seq + 1, seq
        self._bytes = 0
        self._dropped = 0

    def append(self, entry: Entry) -> None:
        """Adds the entry that follows the last one, and drops the oldest where there is no more room."""
        assert entry.seq == self.last + 1, (entry.seq, self.last)  # noqa: S101  (the door sees to it)
        if self.last - self.first + 1 == self._capacity:
            self._drop()
        slot = entry.seq % self._capacity
        self._bytes += entry.size
        self._slots[slot], self._ends[slot] = entry, self._bytes
        self.last = entry.seq
        while self._bytes - self._dropped > self._max_bytes and self.first < self.last:
            self._drop()

    def _drop(self) -> None:
        slot = self.first % self._capacity
        self._dropped = self._ends[slot]
        self._slots[slot] = None
        self.first += 1

    def reaches(self, seq: int) -> bool:
        """Whether everything after `seq` is here."""
        return seq + 1 >= self.first

    def bytes_after(self, seq: int) -> int:
        """How many bytes stand here after `seq`."""
        if seq >= self.last:
            return 0
        return self._bytes - (self._ends[seq % self._capacity] if seq >= self.first else self._dropped)

    def after(self, seq: int, most: int, most_bytes: int) -> list[Entry]:
        """The entries that follow `seq`: up to `most` of them and, beyond the first, `most_bytes`."""
        if seq + 1 == self.last:
            newest = self._slots[self.last % self._capacity]
            return [] if newest is None else [newest]
        entries = (self._slots[each % self._capacity] for each in range(seq + 1, self.last + 1))
        return first_of((entry for entry in entries if entry is not None), most, most_bytes)


def first_of(entries: Iterable[Entry], most: int, most_bytes: int) -> list[Entry]:
    """The first of some entries, up to `most` of them and, beyond the first, `most_bytes`."""
    chosen: list[Entry] = []
    size = 0
    for entry in islice(entries, most):
        size += entry.size
        if chosen and size > most_bytes:
            break
        chosen.append(entry)
    return chosen
