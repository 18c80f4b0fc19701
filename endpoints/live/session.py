"""A client session: one WebSocket client and its cursor into the event log.

A session has no queue: events that are not sent yet are in the ring buffer, once for all sessions. A client that does
not read only falls behind.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from endpoints.http.allowance import Allowance
from endpoints.live.dialects import Dialect
from endpoints.live.frames import RenderedEvent, TextFrame
from endpoints.live.hub import Hub
from endpoints.live.subscriptions import AHEAD
from endpoints.live.transports import ClientGone, FrameSink
from repositories.database.errors import Unavailable
from schemas.live import protocol as live
from schemas.live.close_codes import BAD_FRAME, REASONS, TOO_MANY_MESSAGES
from schemas.live.protocol import BadFrame, LogPosition, SubscribeRequest

MESSAGES_PER_SECOND: Final = 20
#: How far a client that does not read may fall behind, and how long one send may take.
MAX_EVENTS_BEHIND: Final = 2_000
MAX_BYTES_BEHIND: Final = 1024 * 1024
SEND_SECONDS: Final = 10.0

_AT_ONCE: Final = 100
_FRAME_BYTES: Final = 60_000
_AGAIN_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Replay:
    """A replay in progress.

    :ivar end: the sequence number after which all events are live.
    :ivar is_whole: whether no event was lost.
    """

    id: Any
    end: int
    is_whole: bool


class ClientSession:
    """The session of one client. It performs one step after the other while the sink has room (`flush`).

    :param requested: the initial subscription; None for the default of the dialect.
    """

    __slots__ = (
        *("_allowance", "_control_frames", "_blocked_since", "_dialect", "_subscription", "_hub", "_is_live"),
        *("_is_subscribed", "_sink", "_reading", "_replay", "_last_seq_sent", "_requested"),
    )

    def __init__(self, hub: Hub, sink: FrameSink, dialect: Dialect, requested: SubscribeRequest | None) -> None:
        self._hub = hub
        self._sink = sink
        self._dialect = dialect
        self._requested = requested
        self._is_subscribed = not dialect.sends_control_frames
        self._subscription = hub.subscribe(self.flush)
        self._control_frames: list[TextFrame] = []
        # The last sequence number that the client received, in an event or a progress message.
        self._last_seq_sent = self._subscription.cursor
        # The replay, until it is complete; and the task that reads from the log what memory no longer has.
        self._replay: _Replay | None = None
        self._reading: asyncio.Task[None] | None = None
        # Whether the session was up to date since it subscribed, and since when the sink has had no room.
        self._is_live = True
        self._blocked_since: float | None = None
        self._allowance = Allowance(MESSAGES_PER_SECOND, time.monotonic())
        sink.on_room = self.flush

    def on_message(self, data: str | bytes) -> int | None:
        """Process a message of the client.

        :returns: a close code, if the client sent too many messages or an invalid one.
        """
        if not self._allowance.take(time.monotonic()):
            return TOO_MANY_MESSAGES
        try:
            parsed = self._dialect.parse(data)
        except BadFrame:
            return BAD_FRAME
        if isinstance(parsed, SubscribeRequest):
            self._requested = parsed
        elif parsed is not None:
            self._control_frames.append(parsed)
        self.flush()
        return None

    def send(self, text: TextFrame) -> None:
        self._control_frames.append(text)
        self.flush()

    def flush(self) -> None:
        """Send pending data while the sink has room."""
        try:
            while self._sink.has_room and self._step():
                pass
        except ClientGone:
            self.detach()
        if self._sink.has_room:
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = time.monotonic()

    def tick(self) -> None:
        """Send the position, if only events of other topics came. Called once a second."""
        is_idle = self._sink.has_room and self._replay is None and self._subscription.loss_reason is None
        if (
            is_idle
            and self._is_subscribed
            and self._dialect.sends_control_frames
            and self._last_seq_sent < self._subscription.cursor
        ):
            self._last_seq_sent = self._subscription.cursor
            self.send(TextFrame(live.progress(self._last_seq_sent)))

    def is_too_slow(self, now: float) -> bool:
        """Return whether the client has not read for too long, or has fallen too far behind."""
        if self._blocked_since is None:
            return False
        cursor = self._subscription.cursor
        return now - self._blocked_since > SEND_SECONDS or (
            self._is_live
            and (self._hub.head - cursor > MAX_EVENTS_BEHIND or self._hub.ring.bytes_after(cursor) > MAX_BYTES_BEHIND)
        )

    def close(self, code: int) -> None:
        self.detach()
        self._sink.close(code, REASONS[code])

    def detach(self) -> None:
        """Detach from the hub; nothing more is sent."""
        self._hub.unsubscribe(self._subscription)
        # Break the reference cycles.
        self._subscription.wake = _nothing
        self._sink.on_room = None
        if self._reading is not None:
            self._reading.cancel()

    def _step(self) -> bool:
        """Perform the next step.

        :returns: False if there is nothing to do, or if a task must finish first.
        """
        if self._control_frames:
            answers, self._control_frames = self._control_frames, []
            self._sink.write(answers)
        elif self._reading is not None:
            return False
        elif self._requested is not None:
            requested, self._requested = self._requested, None
            if requested.since is not None and self._hub.replay_error(requested.since) == AHEAD:
                self._reading = asyncio.create_task(self._confirm(requested, requested.since))
                return False
            self._begin(requested)
        elif self._subscription.loss_reason is not None:
            self._send_reset()
        elif self._replay is not None and self._subscription.cursor >= self._replay.end:
            self._finish(self._replay)
        elif self._is_subscribed and self._subscription.cursor < self._hub.head:
            return self._forward()
        else:
            self._is_live = True
            return False
        return True

    def _begin(self, requested: SubscribeRequest) -> None:
        """Start a subscription: replay the missed events, or report that they are unavailable."""
        refusal = None if requested.since is None else self._hub.replay_error(requested.since)
        is_replay = requested.since is not None and refusal is None
        self._subscription.topics, self._subscription.loss_reason = requested.topics, refusal
        self._subscription.cursor = self._last_seq_sent = (
            requested.since.seq if requested.since and is_replay else self._hub.head
        )
        self._replay = _Replay(requested.id, self._hub.head, is_replay)
        self._is_subscribed, self._is_live = True, False

    async def _confirm(self, requested: SubscribeRequest, since: LogPosition) -> None:
        """Confirm that a position lies ahead of the log before the client must reload."""
        try:
            await self._hub.confirmed_replay_error(since)
        except Unavailable:
            # Retry, unless the client has requested another subscription.
            self._requested = self._requested or requested
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            self._begin(requested)
        self._reading = None
        self.flush()

    def _finish(self, replay: _Replay) -> None:
        self._replay = None
        self._last_seq_sent = self._subscription.cursor
        self._sink.write([TextFrame(live.subscribed(replay.id, self._last_seq_sent, recovered=replay.is_whole))])

    def _forward(self) -> bool:
        events = self._hub.take(self._subscription, _AT_ONCE, _FRAME_BYTES)
        if events is None:
            self._reading = asyncio.create_task(self._read())
            return False
        self._send_events(events)
        return True

    async def _read(self) -> None:
        """Read events that are no longer in memory from the log."""
        try:
            events = await self._hub.fetch(self._subscription, _AT_ONCE, _FRAME_BYTES)
        except Unavailable:
            # No event is lost: the cursor has not moved.
            events = []
            await asyncio.sleep(_AGAIN_SECONDS)
        self._reading = None
        with suppress(ClientGone):
            self._send_events(events)
        self.flush()

    def _send_events(self, events: Sequence[RenderedEvent]) -> None:
        if events:
            self._last_seq_sent = events[-1].seq
            self._hub.delivered += len(events)
            self._sink.write(self._dialect.frames_for(events))

    def _send_reset(self) -> None:
        reason, self._subscription.loss_reason = str(self._subscription.loss_reason), None
        if self._replay is not None:
            self._replay.is_whole = False
        self._last_seq_sent = self._subscription.cursor
        if self._is_subscribed and self._dialect.sends_control_frames:
            self._sink.write([TextFrame(live.reset(reason, self._hub.position.epoch or "", self._last_seq_sent))])


def _nothing() -> None:
    """Replace the callback of a session that has ended."""
