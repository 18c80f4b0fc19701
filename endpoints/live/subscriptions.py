"""The readers of the hub: each a place in the log, woken when there is more."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from endpoints.live.frames import RenderedEvent, wanted_of

#: Why a reader did not get everything.
EXPIRED, OTHER_LOG, AHEAD, TOO_FAR = "expired", "other_log", "ahead", "too_far"

WAKE_AT_ONCE: Final = 256


class Subscription:
    """One reader's place in the log.

    topics: those that it wants, None for all. cursor: the seq up to which it has taken everything. wake: called when
    there may be more. lost: why it was moved to the head without having had all before it; the reader tells and clears.
    """

    __slots__ = ("cursor", "lost", "topics", "wake")

    def __init__(self, cursor: int, wake: Callable[[], None], topics: frozenset[str] | None = None) -> None:
        self.cursor = cursor
        self.wake = wake
        self.topics = topics
        self.lost: str | None = None

    def given(self, entries: list[RenderedEvent]) -> list[RenderedEvent]:
        """Which of the next entries it wants; its cursor moves past them all."""
        if entries:
            self.cursor = entries[-1].seq
        return wanted_of(entries, self.topics)


class Subscriptions:
    """All readers of one hub."""

    def __init__(self) -> None:
        self._feeds: set[Subscription] = set()
        self._published = asyncio.Event()

    def __len__(self) -> int:
        return len(self._feeds)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._feeds)

    def add(self, feed: Subscription) -> None:
        self._feeds.add(feed)

    def discard(self, feed: Subscription) -> None:
        self._feeds.discard(feed)

    def announce(self) -> None:
        """Has them all woken soon, since something was published. Never waits."""
        if self._feeds:
            self._published.set()

    def start_over(self, seq: int, reason: str) -> None:
        """Moves all to a place; whoever stood elsewhere has lost something."""
        for feed in self._feeds:
            feed.lost, feed.cursor = reason, seq
            feed.wake()

    async def keep_waking(self) -> None:
        """Wakes the readers after each publication, a few at a time, so that a sale need not wait for thousands."""
        loop = asyncio.get_running_loop()
        while True:
            await self._published.wait()
            self._published.clear()
            for number, feed in enumerate(tuple(self._feeds), start=1):
                # Each by itself: whatever goes wrong with one reader is its own.
                loop.call_soon(feed.wake)
                if number % WAKE_AT_ONCE == 0:
                    await asyncio.sleep(0)
