"""How much of a kind is under way at a time: of each credential, and of all."""

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

#: Whole lists, each of which holds some megabytes of documents until its client has taken them.
LISTS_EACH: Final = 8
LISTS: Final = 16
#: Answers that are made at a time; nobody has to take them meanwhile.
PAGES_EACH: Final = 4
PAGES: Final = 8
#: How long a request waits for its turn: what others are at is usually done far sooner.
WAIT_SECONDS: Final = 4.0
#: How long a whole list may be taken: six megabytes at ten kilobytes a second, or packed, at one.
TAKING_SECONDS: Final = 600.0
#: A turn that has lasted so long is ended where all are taken, for another who has at least two less.
SETTLED_SECONDS: Final = 10.0


class Busy(ShopError):
    """As much is under way as may be."""

    status, code, title = 503, "busy", "Too much at once"

    def __init__(self) -> None:
        detail = "Too many lists and reports are being loaded just now. Please try again in a moment."
        super().__init__(detail, headers={"Retry-After": "5"})


@dataclass(slots=True)
class _Share:
    """What one credential may have. users: those that have a turn, or wait for one."""

    turns: asyncio.Semaphore
    users: int = 0


@dataclass(slots=True, eq=False)
class _Held:
    """A turn at what its client has to take. cut: ends it."""

    owner: str
    cut: Cut
    since: float


@dataclass(slots=True)
class ConcurrencyLimit:
    """Turns at one kind of work, in one process.

    :param each: how many one credential has at a time. most: how many there are in all.
    """

    each: int
    most: int
    _all: asyncio.Semaphore = field(init=False)
    _shares: dict[str, _Share] = field(default_factory=dict, init=False)
    # Those that may be cut, the oldest first.
    _held: list[_Held] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._all = asyncio.Semaphore(self.most)

    @asynccontextmanager
    async def turn(self, owner: str, cut: Cut | None = None) -> AsyncIterator[None]:
        """Hold a turn as long as the block lasts.

        :param owner: whose it is.
        :param cut: ends the block, where it lasts until a client has taken something; called where that takes too
            long, or where others have too little because of it.
        :raises Busy: there was none for a while.
        """
        share = self._shares.setdefault(owner, _Share(asyncio.Semaphore(self.each)))
        share.users += 1
        held: list[asyncio.Semaphore] = []
        try:
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    # Its own first, so that one who asks for much takes nothing from the others while they wait.
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
        """Cut the block where it lasts for too long."""
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
        """Cut the oldest turn of the one who has most, where the owner has far less."""
        counts = Counter(held.owner for held in self._held)
        for other, count in counts.most_common(1):
            oldest = next(held for held in self._held if held.owner == other)
            is_settled = asyncio.get_running_loop().time() >= oldest.since + SETTLED_SECONDS
            if count >= counts[owner] + 2 and is_settled:
                self._held.remove(oldest)
                oldest.cut()


def owner_of(scope: Scope) -> str:
    """Return whose a request is: that of its credential, or of its address where none was shown."""
    principal: Principal | None = scope["state"].get("principal")
    client = scope["client"]
    return (principal and principal.credential) or ("" if client is None else str(client[0]))
