"""Screens: WebSocket connections, each a cursor into the event log and one task that sends from it.

There are no queues per screen: what is not sent yet stands in the ring, for all of them once. A screen that does not
read only falls behind, and is closed when it has fallen too far; it may come back and resume.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from endpoints.hub import Hub
from endpoints.outlets import Gone, Outlet
from endpoints.ring import Entry, Text
from repositories.errors import Unavailable
from schemas import live
from schemas.live import BadFrame, InvalidSubscription, Ping, Subscription

MAX_SCREENS: Final = 10_000
MAX_MESSAGE: Final = 65_536
PING_SECONDS: Final = 20.0
MESSAGES_PER_SECOND: Final = 20
#: How far behind a screen may fall while it takes nothing, and how long one send may last.
MOST_BEHIND: Final = 2_000
MOST_BYTES_BEHIND: Final = 1024 * 1024
SEND_SECONDS: Final = 10.0

RESTARTING, TRY_LATER = 1012, 1013
BAD_FRAME, FORBIDDEN, TOO_MANY_MESSAGES, TOO_SLOW = 4400, 4403, 4429, 4430

REASONS: Final = {
    RESTARTING: "the server restarts",
    TRY_LATER: "too many connections",
    BAD_FRAME: "bad frame",
    FORBIDDEN: "this origin is not allowed",
    TOO_MANY_MESSAGES: "too many messages",
    TOO_SLOW: "too slow",
}

_AT_ONCE: Final = 100
_FRAME_BYTES: Final = 60_000
_PROGRESS_SECONDS: Final = 1.0
_WATCH_SECONDS: Final = 1.0

logger = logging.getLogger("pos.hub")


class Dialect(Protocol):
    """How a screen speaks: what it is told, and what its words mean."""

    def of_entries(self, entries: Sequence[Entry]) -> Sequence[Text]:
        """The messages that carry some events."""
        ...

    def hear(self, data: str | bytes) -> Text | Subscription | None:
        """What is to be answered to a message, or what it asks for.

        :raises BadFrame: it is no message.
        """
        ...


class Plain:
    """What a client that just opens `/ws` speaks: events as they are, and `pong` to `ping`; all else is ignored."""

    _PONG: Final = Text(b"pong")

    def of_entries(self, entries: Sequence[Entry]) -> Sequence[Text]:
        return [entry.text for entry in entries]

    def hear(self, data: str | bytes) -> Text | Subscription | None:
        return self._PONG if data == "ping" else None


class V1:
    """The subprotocol `pos.v1`: see `schemas.live`."""

    def of_entries(self, entries: Sequence[Entry]) -> Sequence[Text]:
        if len(entries) == 1:
            return [entries[0].v1]
        return [Text(live.events([entry.text.json for entry in entries]))]

    def hear(self, data: str | bytes) -> Text | Subscription | None:
        if isinstance(data, bytes):
            raise BadFrame("not a text")
        try:
            message = live.read_message(data)
        except InvalidSubscription as refusal:
            return Text(live.error(refusal.members["id"], refusal.code, refusal.detail))
        return Text(live.pong(message.id)) if isinstance(message, Ping) else message


class Screen:
    """One screen.

    :param wanted: what it wants from the start; None: nothing until it subscribes.
    """

    def __init__(self, hub: Hub, outlet: Outlet, dialect: Dialect, wanted: Subscription | None) -> None:
        self._hub = hub
        self._outlet = outlet
        self._dialect = dialect
        self._wanted = wanted
        self._is_subscribed = isinstance(dialect, Plain)
        self._feed = hub.subscribe()
        self._answers: deque[Text] = deque()
        self._told = self._feed.cursor
        self._is_live = False
        self._sending_since: float | None = None
        self._allowance = float(MESSAGES_PER_SECOND)
        self._heard_at = time.monotonic()
        self.writer: asyncio.Task[None] | None = None

    def greet(self, text: Text) -> None:
        self._answers.append(text)

    def hear(self, data: str | bytes) -> int | None:
        """Takes a message of the client's. A close code, where that was one too many or no message at all."""
        now = time.monotonic()
        self._allowance = min(MESSAGES_PER_SECOND, self._allowance + (now - self._heard_at) * MESSAGES_PER_SECOND)
        self._heard_at = now
        if self._allowance < 1:
            return TOO_MANY_MESSAGES
        self._allowance -= 1
        try:
            meant = self._dialect.hear(data)
        except BadFrame:
            return BAD_FRAME
        if isinstance(meant, Subscription):
            self._wanted = meant
        elif meant is not None:
            self._answers.append(meant)
        self._feed.bell.set()
        return None

    def is_too_slow(self, now: float) -> bool:
        """Whether it takes nothing, and has for too long, or has fallen too far behind."""
        if self._sending_since is None:
            return False
        behind = self._hub.head - self._feed.cursor
        return now - self._sending_since > SEND_SECONDS or (
            self._is_live
            and (behind > MOST_BEHIND or self._hub.ring.bytes_after(self._feed.cursor) > MOST_BYTES_BEHIND)
        )

    async def write(self) -> None:
        """Sends what there is to send, for as long as the screen is there."""
        with suppress(Gone):
            while True:
                self._feed.bell.clear()
                while self._answers:
                    await self._send([self._answers.popleft()])
                if self._wanted is not None:
                    wanted, self._wanted = self._wanted, None
                    await self._begin(wanted)
                elif self._feed.lost is not None:
                    await self._tell_of_loss()
                elif self._is_subscribed and self._feed.cursor < self._hub.head:
                    await self._pass_on()
                else:
                    await self._rest()

    async def close(self, code: int, reason: str) -> None:
        if self.writer is not None:
            self.writer.cancel()
        self._hub.unsubscribe(self._feed)
        await self._outlet.close(code, reason)

    def leave(self) -> None:
        if self.writer is not None:
            self.writer.cancel()
        self._hub.unsubscribe(self._feed)

    async def _send(self, texts: Sequence[Text]) -> None:
        self._sending_since = time.monotonic()
        await self._outlet.send(texts)
        self._sending_since = None

    async def _begin(self, wanted: Subscription) -> None:
        """Starts a subscription: the replay, then the word that all that follows is live."""
        feed, hub = self._feed, self._hub
        feed.topics, feed.lost = wanted.topics, None
        self._is_subscribed = True
        refusal = None if wanted.since is None else hub.why_not_from(wanted.since)
        if wanted.since is None or refusal is not None:
            feed.cursor = hub.head
        else:
            feed.cursor = wanted.since.seq
        self._told = feed.cursor
        self._is_live = False
        if refusal is not None:
            await self._send([Text(live.reset(refusal, hub.here.epoch or "", feed.cursor))])
        end = hub.head
        while feed.cursor < end and feed.lost is None:
            await self._pass_on()
        recovered = wanted.since is not None and refusal is None and feed.lost is None
        if feed.lost is not None:
            await self._tell_of_loss()
        self._told = feed.cursor
        await self._send([Text(live.subscribed(wanted.id, feed.cursor, recovered=recovered))])

    async def _pass_on(self) -> None:
        try:
            entries = await self._hub.take(self._feed, _AT_ONCE, _FRAME_BYTES)
        except Unavailable:
            # Nothing is lost: the cursor has not moved.
            await asyncio.sleep(_WATCH_SECONDS)
            return
        if entries:
            await self._send(self._dialect.of_entries(entries))
            self._told = entries[-1].seq

    async def _tell_of_loss(self) -> None:
        reason, self._feed.lost = self._feed.lost, None
        if isinstance(self._dialect, V1) and self._is_subscribed:
            self._told = self._feed.cursor
            await self._send([Text(live.reset(str(reason), self._hub.here.epoch or "", self._feed.cursor))])

    async def _rest(self) -> None:
        """Waits for the bell. Where only others' events have passed, the screen is told how far, once a second."""
        self._is_live = True
        if self._told >= self._feed.cursor or not self._is_subscribed or isinstance(self._dialect, Plain):
            await self._feed.bell.wait()
            return
        try:
            async with asyncio.timeout(_PROGRESS_SECONDS):
                await self._feed.bell.wait()
        except TimeoutError:
            self._told = self._feed.cursor
            await self._send([Text(live.progress(self._feed.cursor))])


def _report(writer: asyncio.Task[None]) -> None:
    if not writer.cancelled() and (error := writer.exception()) is not None:
        logger.error("A screen's writer failed.", exc_info=error)


class Screens:
    """All screens of one process.

    :param most: how many readers of the hub there may be, screens and event streams together.
    """

    def __init__(self, hub: Hub, most: int = MAX_SCREENS) -> None:
        self._hub = hub
        self._most = most
        self._screens: set[Screen] = set()
        self._watching: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._screens)

    @property
    def is_full(self) -> bool:
        return self._hub.readers >= self._most

    def start(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the tasks of those that are left."""
        tasks = [screen.writer for screen in self._screens if screen.writer is not None]
        if self._watching is not None:
            tasks.append(self._watching)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def join(self, outlet: Outlet, dialect: Dialect, wanted: Subscription | None) -> Screen:
        """A screen that is sent what it wants, from now on or from an earlier place."""
        screen = Screen(self._hub, outlet, dialect, wanted)
        if isinstance(dialect, V1):
            status = self._hub.status
            welcome = live.welcome(
                secrets.token_hex(8), status.epoch, status.head, status.low, PING_SECONDS, MAX_MESSAGE
            )
            screen.greet(Text(welcome))
        screen.writer = asyncio.create_task(screen.write())
        screen.writer.add_done_callback(_report)
        self._screens.add(screen)
        return screen

    def leave(self, screen: Screen) -> None:
        self._screens.discard(screen)
        screen.leave()

    async def dismiss(self, screen: Screen, code: int) -> None:
        self._screens.discard(screen)
        await screen.close(code, REASONS[code])

    async def _watch(self) -> None:
        """Closes those that do not read."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = time.monotonic()
            slow = [screen for screen in self._screens if screen.is_too_slow(now)]
            if slow:
                logger.info("%d screens do not read, and are closed.", len(slow))
                await asyncio.gather(*(self.dismiss(screen, TOO_SLOW) for screen in slow))
