"""Events as text frames, each rendered once for all clients."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from websockets.frames import Frame, Opcode

from repositories.event_log.event_log import StoredEvent
from schemas.core.collections import DEFAULT_TOPICS
from schemas.journal.documents import Event
from schemas.journal.events import event_topics, render_event

#: Bytes of memory that a rendered event takes beside its frame: objects, topics, numbers.
# `tests/live/test_ring_buffer.py` verifies it.
OVERHEAD: Final = 576


class TextFrame:
    """A message as an unmasked text frame (RFC 6455), which has the same bytes for every client.

    It holds nothing else, since thousands of frames are in memory.
    """

    __slots__ = ("_start", "wire")

    def __init__(self, json: bytes) -> None:
        self.wire = Frame(Opcode.TEXT, json).serialize(mask=False)
        self._start = len(self.wire) - len(json)

    @property
    def json(self) -> bytes:
        """The payload of the frame."""
        return self.wire[self._start :]


class RenderedEvent:
    """An event that is rendered for the first client that needs it. Then the event itself is dropped.

    :param size: bytes of the stored event, about as many as its frame has.
    :param render: returns the JSON of the event.
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
        """See `schemas.journal.events.event_topics`."""
        if self._text is None:
            self._render_now()
        return self._topics

    @property
    def text(self) -> TextFrame:
        return self._text or self._render_now()

    def _render_now(self) -> TextFrame:
        assert self._event is not None  # noqa: S101  (dropped only below)
        self._topics = event_topics(self._event)
        # A private event has no topic and is sent to no client.
        self._text = TextFrame(self._render(self._event) if self._topics else b"")
        self._event = None
        return self._text


class EventRenderer:
    def __init__(self, zone: ZoneInfo) -> None:
        self._render = partial(render_event, zone=zone)

    def render_committed(self, event: Event) -> RenderedEvent:
        """Render an event of this process at once: it is decoded already, and its frame takes less memory."""
        rendered = RenderedEvent(event["seq"], event, 0, self._render)
        rendered.size = len(rendered.text.wire)
        return rendered

    def render_stored(self, stored: Sequence[StoredEvent]) -> list[RenderedEvent]:
        """Return events of the log, rendered on demand: in many processes no client reads them."""
        return [RenderedEvent(seq, event, size, self._render) for seq, event, size in stored]


def filter_events(events: Iterable[RenderedEvent], topics: frozenset[str] | None) -> list[RenderedEvent]:
    """Return the events of some topics; None: of the default topics."""
    if topics is None:
        return [event for event in events if event.topics and event.topics[0] in DEFAULT_TOPICS]
    return [event for event in events if not topics.isdisjoint(event.topics)]


def limit_events(events: Iterable[RenderedEvent], limit: int, max_bytes: int) -> list[RenderedEvent]:
    """Return the first events: at most `limit`, and at most `max_bytes`, but always one."""
    chosen: list[RenderedEvent] = []
    size = 0
    for event in islice(events, limit):
        size += event.size
        if chosen and size > max_bytes:
            break
        chosen.append(event)
    return chosen
