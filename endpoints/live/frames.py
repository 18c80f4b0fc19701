"""Events as screens are sent them: each rendered once, for however many."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from websockets.frames import Frame, Opcode

from repositories.event_log.event_log import StoredEvent
from schemas.journal.events import EXPLICIT_TOPICS, Event, event_topics, render_event

#: What an entry takes beside its frame: objects, topics, numbers. `tests/live/test_ring_buffer.py` holds it against
# the truth.
OVERHEAD: Final = 576


class TextFrame:
    """A message to screens as an unmasked text frame (RFC 6455), which has the same bytes for every screen.

    It holds the frame and nothing else, since this is what stands in memory by the thousand.
    """

    __slots__ = ("_start", "wire")

    def __init__(self, json: bytes) -> None:
        self.wire = Frame(Opcode.TEXT, json).serialize(mask=False)
        self._start = len(self.wire) - len(json)

    @property
    def json(self) -> bytes:
        """What the frame carries."""
        return self.wire[self._start :]


class RenderedEvent:
    """An event, rendered for the first screen that wants it. The event itself is not kept after that.

    :param size: bytes of it as it is stored, which are about as many as those of its frame.
    :param render: makes its JSON.
    """

    __slots__ = ("_event", "_render", "_text", "_topics", "seq", "size")

    def __init__(self, seq: int, event: Event, size: int, render: Callable[[Event], bytes]) -> None:
        self.seq = seq
        self.size = size
        self._event: Event | None = event
        self._render = render
        self._text: TextFrame | None = None
        self._topics: tuple[str, ...] = ()

    @property
    def topics(self) -> tuple[str, ...]:
        """See `schemas.journal.events.topics_of`."""
        if self._text is None:
            self._settle()
        return self._topics

    @property
    def text(self) -> TextFrame:
        return self._text or self._settle()

    def _settle(self) -> TextFrame:
        assert self._event is not None  # noqa: S101  (it is kept until this)
        self._topics = event_topics(self._event)
        # What is private has no topic, and is sent to nobody.
        self._text = TextFrame(self._render(self._event) if self._topics else b"")
        self._event = None
        return self._text


class EventRenderer:
    """Makes entries of events.

    :param zone: of the times that screens show.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._render = partial(render_event, zone=zone)

    def of_committed(self, event: Event) -> RenderedEvent:
        """Of an event of this process: rendered at once, which is cheap while it is decoded, and makes it small."""
        entry = RenderedEvent(event["seq"], event, 0, self._render)
        entry.size = len(entry.text.wire)
        return entry

    def of_stored(self, stored: Sequence[StoredEvent]) -> list[RenderedEvent]:
        """Of a piece of the log: rendered when somebody asks, since many a process only keeps them."""
        return [RenderedEvent(seq, event, size, self._render) for seq, event, size in stored]


def wanted_of(entries: Iterable[RenderedEvent], topics: frozenset[str] | None) -> list[RenderedEvent]:
    """Those of some entries that whoever wants these topics, None for all, is to hear of. What is private has none; of
    some, only those hear who name them."""
    if topics is None:
        return [entry for entry in entries if entry.topics and entry.topics[0] not in EXPLICIT_TOPICS]
    return [entry for entry in entries if not topics.isdisjoint(entry.topics)]


def first_of(entries: Iterable[RenderedEvent], most: int, most_bytes: int) -> list[RenderedEvent]:
    """The first of some entries, up to `most` of them and, beyond the first, `most_bytes`."""
    chosen: list[RenderedEvent] = []
    size = 0
    for entry in islice(entries, most):
        size += entry.size
        if chosen and size > most_bytes:
            break
        chosen.append(entry)
    return chosen
