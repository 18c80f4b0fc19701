"""One screen: a cursor into the event log, and the way to one client.

It has no queue: what is not sent yet stands in the ring, for all of them once. A screen that does not read only falls
behind.
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
from endpoints.live.transports import FrameSink, Gone
from repositories.database.errors import Unavailable
from schemas.live import protocol as live
from schemas.live.close_codes import BAD_FRAME, REASONS, TOO_MANY_MESSAGES
from schemas.live.protocol import BadFrame, LogPosition, SubscribeRequest

MESSAGES_PER_SECOND: Final = 20
#: How far behind a screen may fall while it takes nothing, and how long one send may last.
MOST_BEHIND: Final = 2_000
MOST_BYTES_BEHIND: Final = 1024 * 1024
SEND_SECONDS: Final = 10.0

_AT_ONCE: Final = 100
_FRAME_BYTES: Final = 60_000
_AGAIN_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Replay:
    """A subscription that has not caught up yet. end: the seq after which all is live."""

    id: Any
    end: int
    is_whole: bool


class ClientSession:
    """One screen. It does one thing after the other, as far as there is room on the way to it (`pump`).

    :param wanted: what it wants from the start; None: what its dialect gets unasked.
    """

    __slots__ = (
        *("_allowance", "_answers", "_blocked_since", "_dialect", "_feed", "_hub", "_is_live"),
        *("_is_subscribed", "_outlet", "_reading", "_replay", "_told", "_wanted"),
    )

    def __init__(self, hub: Hub, outlet: FrameSink, dialect: Dialect, wanted: SubscribeRequest | None) -> None:
        self._hub = hub
        self._outlet = outlet
        self._dialect = dialect
        self._wanted = wanted
        self._is_subscribed = not dialect.sends_control_frames
        self._feed = hub.subscribe(self.pump)
        self._answers: list[TextFrame] = []
        # The last seq that it was told, by an event or in passing.
        self._told = self._feed.cursor
        # What is being replayed, until it is subscribed; and the task that reads for it where memory does not reach.
        self._replay: _Replay | None = None
        self._reading: asyncio.Task[None] | None = None
        # Whether it has been up to date since it subscribed, and since when there has been no room.
        self._is_live = True
        self._blocked_since: float | None = None
        self._allowance = Allowance(MESSAGES_PER_SECOND, time.monotonic())
        outlet.on_room = self.pump

    def hear(self, data: str | bytes) -> int | None:
        """Takes a message of the client's. A close code, where that was one too many or no message at all."""
        if not self._allowance.take(time.monotonic()):
            return TOO_MANY_MESSAGES
        try:
            meant = self._dialect.hear(data)
        except BadFrame:
            return BAD_FRAME
        if isinstance(meant, SubscribeRequest):
            self._wanted = meant
        elif meant is not None:
            self._answers.append(meant)
        self.pump()
        return None

    def greet(self, text: TextFrame) -> None:
        self._answers.append(text)
        self.pump()

    def pump(self) -> None:
        """Sends what there is to send, as far as there is room."""
        try:
            while self._outlet.has_room and self._step():
                pass
        except Gone:
            self.leave()
        if self._outlet.has_room:
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = time.monotonic()

    def tick(self) -> None:
        """Once a second: where only others' events have passed, the screen is told how far."""
        is_idle = self._outlet.has_room and self._replay is None and self._feed.lost is None
        if is_idle and self._is_subscribed and self._dialect.sends_control_frames and self._told < self._feed.cursor:
            self._told = self._feed.cursor
            self.greet(TextFrame(live.progress(self._told)))

    def is_too_slow(self, now: float) -> bool:
        """Whether it takes nothing, and has for too long, or has fallen too far behind."""
        if self._blocked_since is None:
            return False
        cursor = self._feed.cursor
        return now - self._blocked_since > SEND_SECONDS or (
            self._is_live
            and (self._hub.head - cursor > MOST_BEHIND or self._hub.ring.bytes_after(cursor) > MOST_BYTES_BEHIND)
        )

    def close(self, code: int) -> None:
        self.leave()
        self._outlet.close(code, REASONS[code])

    def leave(self) -> None:
        """Is sent nothing more."""
        self._hub.unsubscribe(self._feed)
        # Neither may hold this screen any more, which holds them.
        self._feed.wake = _nothing
        self._outlet.on_room = None
        if self._reading is not None:
            self._reading.cancel()

    def _step(self) -> bool:
        """Does the next thing; False where there is nothing to do, or it has to be waited for."""
        if self._answers:
            answers, self._answers = self._answers, []
            self._outlet.write(answers)
        elif self._reading is not None:
            return False
        elif self._wanted is not None:
            wanted, self._wanted = self._wanted, None
            if wanted.since is not None and self._hub.replay_error(wanted.since) == AHEAD:
                self._reading = asyncio.create_task(self._look(wanted, wanted.since))
                return False
            self._begin(wanted)
        elif self._feed.lost is not None:
            self._tell_of_loss()
        elif self._replay is not None and self._feed.cursor >= self._replay.end:
            self._finish(self._replay)
        elif self._is_subscribed and self._feed.cursor < self._hub.head:
            return self._pass_on()
        else:
            self._is_live = True
            return False
        return True

    def _begin(self, wanted: SubscribeRequest) -> None:
        """Starts a subscription: the replay of what it missed, or the word that this cannot be had."""
        refusal = None if wanted.since is None else self._hub.replay_error(wanted.since)
        is_replay = wanted.since is not None and refusal is None
        self._feed.topics, self._feed.lost = wanted.topics, refusal
        self._feed.cursor = self._told = wanted.since.seq if wanted.since and is_replay else self._hub.head
        self._replay = _Replay(wanted.id, self._hub.head, is_replay)
        self._is_subscribed, self._is_live = True, False

    async def _look(self, wanted: SubscribeRequest, since: LogPosition) -> None:
        """Makes sure of a place that seems to lie ahead, before anybody is told to load again."""
        try:
            await self._hub.confirmed_replay_error(since)
        except Unavailable:
            # Asked again, unless it wants something else by now.
            self._wanted = self._wanted or wanted
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            self._begin(wanted)
        self._reading = None
        self.pump()

    def _finish(self, replay: _Replay) -> None:
        self._replay = None
        self._told = self._feed.cursor
        self._outlet.write([TextFrame(live.subscribed(replay.id, self._told, recovered=replay.is_whole))])

    def _pass_on(self) -> bool:
        entries = self._hub.take(self._feed, _AT_ONCE, _FRAME_BYTES)
        if entries is None:
            self._reading = asyncio.create_task(self._read())
            return False
        self._tell(entries)
        return True

    async def _read(self) -> None:
        """Reads from the log what memory does not hold any more."""
        try:
            entries = await self._hub.fetch(self._feed, _AT_ONCE, _FRAME_BYTES)
        except Unavailable:
            # Nothing is lost: the cursor has not moved.
            entries = []
            await asyncio.sleep(_AGAIN_SECONDS)
        self._reading = None
        with suppress(Gone):
            self._tell(entries)
        self.pump()

    def _tell(self, entries: Sequence[RenderedEvent]) -> None:
        if entries:
            self._told = entries[-1].seq
            self._hub.delivered += len(entries)
            self._outlet.write(self._dialect.of_entries(entries))

    def _tell_of_loss(self) -> None:
        reason, self._feed.lost = str(self._feed.lost), None
        if self._replay is not None:
            self._replay.is_whole = False
        self._told = self._feed.cursor
        if self._is_subscribed and self._dialect.sends_control_frames:
            self._outlet.write([TextFrame(live.reset(reason, self._hub.here.epoch or "", self._told))])


def _nothing() -> None:
    """What a screen that has left is woken for."""
