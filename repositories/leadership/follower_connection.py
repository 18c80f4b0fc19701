"""A process that hands its commands over, as the one that keeps the journal sees it."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from repositories.journal.journal import Journal
from repositories.journal.transaction import Outcome
from repositories.leadership.unix_socket import MessageProtocol
from schemas.core.errors import ShopError

#: Beside answers, which have the number of what was asked: that somebody is there, and where the log's head stands.
HELLO: Final = -1
HEAD: Final = -2


class FollowerConnection(MessageProtocol):
    """A process that hands its commands over to this one."""

    def __init__(self, journal: Journal, come_and_go: Callable[["FollowerConnection"], None]) -> None:
        super().__init__()
        self._journal = journal
        self._come_and_go = come_and_go
        self._open: set[asyncio.Future[Outcome]] = set()
        come_and_go(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(HELLO, None)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._come_and_go(self)

    def received(self, number: int, content: Any) -> None:
        try:
            outcome = self._journal.enqueue(content)
        except ShopError as refusal:
            self.send(number, refusal)
            return
        self._open.add(outcome)
        outcome.add_done_callback(self._answering(number))

    def _answering(self, number: int) -> Callable[[asyncio.Future[Outcome]], None]:
        def answer(outcome: asyncio.Future[Outcome]) -> None:
            self._open.discard(outcome)
            error = outcome.exception()
            if error is None:
                self.send(number, outcome.result())
            else:
                # What is no refusal is a fault of ours; the guest need only know that there was one.
                self.send(number, error if isinstance(error, ShopError) else RuntimeError(repr(error)))

        return answer

    async def finish(self) -> None:
        """Answers what is open, and says goodbye."""
        if self._open:
            await asyncio.wait(set(self._open))
            # The answers are sent by callbacks of the outcomes, which have yet to run.
            await asyncio.sleep(0)
        self.leave()
