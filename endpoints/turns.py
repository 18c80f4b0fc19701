"""How much of a kind is under way at a time: of each credential, and of all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.types import Scope

from schemas.errors import ShopError
from schemas.principals import Principal

#: Whole lists, each of which holds some megabytes of documents until its client has taken them.
LISTS_EACH: Final = 8
LISTS: Final = 16
#: Answers that are made at a time; nobody has to take them meanwhile.
PAGES_EACH: Final = 4
PAGES: Final = 8
#: How long a request waits for its turn: what others are at is usually done far sooner.
WAIT_SECONDS: Final = 4.0


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


@dataclass(slots=True)
class Turns:
    """Turns at one kind of work, in one process.

    :param each: how many one credential has at a time. most: how many there are in all.
    """

    each: int
    most: int
    _all: asyncio.Semaphore = field(init=False)
    _shares: dict[str, _Share] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._all = asyncio.Semaphore(self.most)

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Hold a turn as long as the block lasts.

        :param owner: whose it is.
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
                        await turns.acquire()
                        held.append(turns)
            except TimeoutError as error:
                raise Busy from error
            yield
        finally:
            for turns in held:
                turns.release()
            share.users -= 1
            if not share.users:
                del self._shares[owner]


def page_turn(request: Request) -> AbstractAsyncContextManager[None]:
    """Hold a turn at making an answer that is bounded.

    :raises Busy: there was none for a while.
    """
    turns: Turns = request.state.pages
    return turns.turn(owner_of(request.scope))


def owner_of(scope: Scope) -> str:
    """Return whose a request is: that of its credential, or of its address where none was shown."""
    principal: Principal | None = scope["state"].get("principal")
    client = scope["client"]
    return (principal and principal.credential) or ("" if client is None else str(client[0]))
