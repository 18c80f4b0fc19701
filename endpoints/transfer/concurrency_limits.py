"""Limits on concurrent work of one kind: for each credential, and in total."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.types import Scope

from endpoints.transfer.disconnect import Cut
from schemas.core.errors import ShopError
from schemas.core.principals import Principal

#: Whole lists. Each holds some megabytes of documents until its client has read them.
LISTS_EACH: Final = 8
LISTS: Final = 16
#: Responses that are made concurrently; the limit does not cover sending them.
PAGES_EACH: Final = 4
PAGES: Final = 8
#: How long a request waits for its turn. Usually it is much shorter.
WAIT_SECONDS: Final = 4.0
#: How long a client may read a whole list: six megabytes at ten kilobytes per second, or compressed, at one.
TAKING_SECONDS: Final = 600.0
#: If all turns are taken, a turn of this age may be cut for another owner that has at least two fewer.
SETTLED_SECONDS: Final = 10.0


class Busy(ShopError):
    """The limit is reached."""

    status, code, title = 503, "busy", "Too much at once"

    def __init__(self) -> None:
        detail = "Too many lists and reports are being loaded just now. Please try again in a moment."
        super().__init__(detail, headers={"Retry-After": "5"})


@dataclass(slots=True)
class _Share:
    """The turns of one owner.

    :ivar users: requests that hold a turn or wait for one.
    """

    turns: asyncio.Semaphore
    users: int = 0


@dataclass(slots=True, eq=False)
class _Held:
    """A turn that lasts until a client has read the response.

    :ivar cut: ends it.
    """

    owner: str
    cut: Cut
    since: float


@dataclass(slots=True)
class ConcurrencyLimit:
    """Turns for one kind of work in one process.

    :param each: turns of one owner.
    :param most: turns in total.
    """

    each: int
    most: int
    _all: asyncio.Semaphore = field(init=False)
    _shares: dict[str, _Share] = field(default_factory=dict, init=False)
    # Turns that may be cut, the oldest first.
    _held: list[_Held] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._all = asyncio.Semaphore(self.most)

    @asynccontextmanager
    async def turn(self, owner: str, cut: Cut | None = None) -> AsyncIterator[None]:
        """Hold a turn until the end of the block.

        :param owner: identifies the client.
        :param cut: ends the block if it lasts until a client has read something; called if that takes too long, or
            if other owners need the turn.
        :raises Busy: no turn became free in time.
        """
        share = self._shares.setdefault(owner, _Share(asyncio.Semaphore(self.each)))
        share.users += 1
        held: list[asyncio.Semaphore] = []
        try:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    # The owner's first, so that waiting requests of one owner take no turn from others.
                    for turns in (share.turns, self._all):
                        if turns is self._all and turns.locked():
                            self._make_room(owner)
                        await turns.acquire()
                        held.append(turns)
            except TimeoutError as error:
                raise Busy from error
            with self._taking(owner, cut):
                yield
        finally:
            for turns in held:
                turns.release()
            share.users -= 1
            if not share.users:
                del self._shares[owner]

    @contextmanager
    def _taking(self, owner: str, cut: Cut | None) -> Iterator[None]:
        """Cut the block if it lasts too long."""
        if cut is None:
            yield
            return
        loop = asyncio.get_running_loop()
        held, timer = _Held(owner, cut, loop.time()), loop.call_later(TAKING_SECONDS, cut)
        self._held.append(held)
        try:
            yield
        finally:
            timer.cancel()
            if held in self._held:
                self._held.remove(held)

    def _make_room(self, owner: str) -> None:
        """Cut the oldest turn of the owner that has most, if the new owner has far fewer."""
        counts = Counter(held.owner for held in self._held)
        for other, count in counts.most_common(1):
            oldest = next(held for held in self._held if held.owner == other)
            is_settled = asyncio.get_running_loop().time() >= oldest.since + SETTLED_SECONDS
            if count >= counts[owner] + 2 and is_settled:
                self._held.remove(oldest)
                oldest.cut()


def owner_of(scope: Scope) -> str:
    """Return the owner of a request: its credential, or its address if it has none."""
    principal: Principal | None = scope["state"].get("principal")
    client = scope["client"]
    return (principal and principal.credential) or ("" if client is None else str(client[0]))
