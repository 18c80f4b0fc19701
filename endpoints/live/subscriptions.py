"""The subscriptions of the hub: each is a cursor into the log, and is woken when there are new events."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from endpoints.live.frames import RenderedEvent, filter_events

#: Why a subscription lost events.
EXPIRED, OTHER_LOG, AHEAD, TOO_FAR = "expired", "other_log", "ahead", "too_far"

WAKE_AT_ONCE: Final = 256


class Subscription:
    """A subscription.

    :ivar topics: the requested topics; None for all.
    :ivar cursor: sequence number up to which all events were taken.
    :ivar wake: called when there may be new events.
    :ivar loss_reason: why the cursor was moved forward without all events; the subscriber reports and clears it.
    """

    __slots__ = ("cursor", "loss_reason", "topics", "wake")

    def __init__(self, cursor: int, wake: Callable[[], None], topics: frozenset[str] | None = None) -> None:
        self.cursor = cursor
        self.wake = wake
        self.topics = topics
        self.loss_reason: str | None = None

    def select(self, events: list[RenderedEvent]) -> list[RenderedEvent]:
        """Return the matching events, and advance the cursor past all of them."""
        if events:
            self.cursor = events[-1].seq
        return filter_events(events, self.topics)


class Subscriptions:
    """The subscriptions of one hub."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._published = asyncio.Event()

    def __len__(self) -> int:
        return len(self._subscriptions)

    def __iter__(self) -> Iterator[Subscription]:
        return iter(self._subscriptions)

    def add(self, subscription: Subscription) -> None:
        self._subscriptions.add(subscription)

    def discard(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def wake_all(self) -> None:
        """Wake all subscriptions soon. This never waits."""
        if self._subscriptions:
            self._published.set()

    def reset(self, seq: int, reason: str) -> None:
        """Move all subscriptions to a position and record the reason."""
        for subscription in self._subscriptions:
            subscription.loss_reason, subscription.cursor = reason, seq
            subscription.wake()

    async def wake_readers(self) -> None:
        """Wake the subscriptions after each publication, in small groups, so that sales need not wait."""
        loop = asyncio.get_running_loop()
        while True:
            await self._published.wait()
            self._published.clear()
            for number, subscription in enumerate(tuple(self._subscriptions), start=1):
                # One callback each: an error of one subscription does not affect the others.
                loop.call_soon(subscription.wake)
                if number % WAKE_AT_ONCE == 0:
                    await asyncio.sleep(0)
