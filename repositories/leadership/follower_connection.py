"""The leader's side of a connection to a follower."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from repositories.journal.journal import Journal
from repositories.journal.transaction import Outcome
from repositories.leadership.unix_socket import MessageProtocol
from schemas.core.errors import ShopError

#: Numbers of messages that are no answer to a command: the leader is ready, and the present head of the event log.
HELLO: Final = -1
HEAD: Final = -2


class FollowerConnection(MessageProtocol):
    """A process that sends its commands to this one.

    :param on_change: called with this connection when it opens and when it closes.
    """

    def __init__(self, journal: Journal, on_change: Callable[["FollowerConnection"], None]) -> None:
        super().__init__()
        self._journal = journal
        self._on_change = on_change
        self._open: set[asyncio.Future[Outcome]] = set()
        on_change(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(HELLO, None)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._on_change(self)

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
            elif isinstance(error, ShopError):
                self.send(number, error)
            else:
                # A bug of ours: the follower needs no more than its text.
                self.send(number, RuntimeError(repr(error)))

        return answer

    async def finish(self) -> None:
        """Answer the open commands, and close the connection."""
        if self._open:
            await asyncio.wait(set(self._open))
            # The answers are sent by callbacks of the outcomes, which have yet to run.
            await asyncio.sleep(0)
        self.close()
