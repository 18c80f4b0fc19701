"""One journal for all the processes of a machine that sell for the same store.

Groups of different processes cannot commit side by side: each raises the store's counters. So one process, whoever came
first, keeps the journal for all; the others hand it their sales over a local socket and get the outcomes back. Groups
are as large as if there were one process, and nobody collides.

It is a courtesy, not a guard: what keeps numbers gapless is the transaction on the counters, as between machines. Any
process may at any time commit by itself, and does where the keeper is gone or silent. A sale that was handed over and
never answered is then committed under the same key, so that it is booked once, whoever was first.

The socket's name is taken for as long as its owner lives; the system frees it, so there is nothing to clean up. Where
there are no such sockets (they are Linux's), each process keeps its own journal.
"""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Final

from repositories.database.deadlines import sending
from repositories.database.errors import OutcomeUnknown
from repositories.event_log.event_log import EventLog
from repositories.journal.command import Command
from repositories.journal.journal import DEADLINE_SECONDS, Journal
from repositories.journal.transaction import Outcome
from repositories.leadership.follower_connection import HEAD, FollowerConnection
from repositories.leadership.leader_connection import LeaderConnection, LeaderTimeout
from repositories.leadership.unix_socket import connect
from schemas.journal.idempotency import RequestKey

#: After so long without an answer, whoever handed something over does it himself.
LEADER_TIMEOUT_SECONDS: Final = 2.0
_ELECTION_SECONDS: Final = 0.2
_HELLO_SECONDS: Final = 0.5


class SharedJournal:
    """The journal of a store, as one process sees it: its own, or that of the process that keeps it for all.

    :param journal: this process's own.
    :param log: of the same store.
    :param name: of what is shared, the same in all the processes.
    :param patience: seconds that the keeper may take for an answer.
    """

    def __init__(self, journal: Journal, log: EventLog, name: str, *, patience: float = LEADER_TIMEOUT_SECONDS) -> None:
        self._journal = journal
        self._log = log
        journal.on_commit = self._pass_on
        self._address = "\0pos-" + sha256(f"{os.getuid()} {name}".encode()).hexdigest()[:32]
        self._patience = patience
        self._keeper: LeaderConnection | None = None
        self._guests: set[FollowerConnection] = set()
        self._handed_over = 0
        self._seeking: asyncio.Task[None] | None = None

    @property
    def is_follower(self) -> bool:
        """Whether another process keeps the journal for this one."""
        return self._keeper is not None

    @property
    def is_busy(self) -> bool:
        """Whether a command of this process, or one that it took from another, is without an outcome."""
        return self._handed_over > 0 or self._journal.is_busy

    async def start(self) -> None:
        """Finds whoever keeps the journal, or becomes that."""
        if sys.platform == "linux":
            found = asyncio.Event()
            self._seeking = asyncio.create_task(self._seek(found))
            await found.wait()

    async def submit(self, command: Command) -> Outcome:
        """As `Journal.submit`."""
        with sending():
            return await self._submit(command)

    async def _submit(self, command: Command) -> Outcome:
        keeper = self._keeper
        # What else changes an existing document is rare, and has no key by which it could be told that it was done.
        if keeper is None or not command.is_forwardable:
            return await self._journal.submit(command)
        if not command.keys and not command.is_repeatable:
            command = replace(command, keys=(RequestKey(f"handed:{uuid.uuid4().hex}", ""),))
        try:
            # The keeper's silence and our own try share one deadline, since it is one request that waits.
            async with asyncio.timeout(DEADLINE_SECONDS):
                try:
                    return await self._hand_over(keeper, command)
                except LeaderTimeout:
                    return await self._journal.submit(command)
        except TimeoutError as error:
            raise OutcomeUnknown from error

    async def _hand_over(self, keeper: LeaderConnection, command: Command) -> Outcome:
        """Those who wait for the keeper are busy here too."""
        self._handed_over += 1
        if self._handed_over == 1:
            self._journal.on_busy(True)
        try:
            return await keeper.ask(command)
        finally:
            self._handed_over -= 1
            if not self._handed_over:
                self._journal.on_busy(False)

    async def notifications(self) -> AsyncIterator[int | None]:
        """As `EventLog.rings`. Only the keeper listens to the database: a change stream reads every change that anybody
        makes, and one of them for each process would cost the database more than the sales do."""
        keeper = self._keeper
        if keeper is not None:
            async for head in keeper.bells():
                yield head
        else:
            async for head in self._log.notifications():
                self._pass_on(head)
                yield head
                if self._keeper is not None:
                    return

    def _pass_on(self, head: int | None) -> None:
        for guest in self._guests:
            guest.send(HEAD, head)

    async def close(self) -> None:
        """Commits what is waiting, answers all who handed something over, and takes no more."""
        if self._seeking is not None:
            self._seeking.cancel()
            await asyncio.gather(self._seeking, return_exceptions=True)
        if self._keeper is not None:
            await self._keeper.finish()
        for guest in tuple(self._guests):
            await guest.finish()
        await self._journal.close()

    async def _seek(self, found: asyncio.Event) -> None:
        """Keeps the journal, or finds who does; and again, when that one is gone."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                server = await loop.create_unix_server(self._welcome, self._address)
            except OSError:
                await self._visit(found)
                await asyncio.sleep(_ELECTION_SECONDS)
                continue
            found.set()
            try:
                await asyncio.Event().wait()
            finally:
                server.close()

    def _welcome(self) -> FollowerConnection:
        return FollowerConnection(self._journal, self._come_and_go)

    def _come_and_go(self, guest: FollowerConnection) -> None:
        self._guests ^= {guest}
        self._journal.waits_for_others = not self._guests

    async def _visit(self, found: asyncio.Event) -> None:
        """Hands everything over to the keeper, for as long as it answers."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            _, keeper = await loop.create_unix_connection(
                lambda: LeaderConnection(self._patience), sock=connect(self._address)
            )
            try:
                # One that was stopped has its name still, and would take everything and answer nothing.
                await asyncio.wait({keeper.greeting}, timeout=_HELLO_SECONDS)
                found.set()
                if await keeper.greeting:
                    self._keeper = keeper
                    await keeper.gone.wait()
            finally:
                self._keeper = None
                keeper.leave()
        # Nobody keeps it, or somebody who is not to be trusted with it: until there is somebody, each for himself.
        found.set()
