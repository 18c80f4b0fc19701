"""One journal for all processes of a machine that serve the same store.

Groups of different processes cannot commit in parallel: each updates the store's counters. So the first process becomes
the leader and commits for all; the others, its followers, send it their commands over a local socket and get the
outcomes back. Groups are then as large as with one process, and do not collide.

This is for speed, not for safety: the transaction on the counters keeps numbers gapless, as between machines. Each
process may commit itself at any time, and does if there is no leader or it does not answer. A follower then commits the
unanswered command under the same key, so that it takes effect once, whichever process commits first.

The kernel holds the socket's name while the leader lives, and frees it afterwards, so there is nothing to clean up. On
systems without abstract sockets (all but Linux) each process uses its own journal.
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

#: A follower commits a command itself after this time without an answer.
LEADER_TIMEOUT_SECONDS: Final = 2.0
_ELECTION_SECONDS: Final = 0.2
_HELLO_SECONDS: Final = 0.5


class SharedJournal:
    """The journal of a store for one process: its own, or the leader's.

    :param journal: this process's own journal.
    :param log: the event log of the same store.
    :param name: identifies the shared journal; the same in all processes.
    :param timeout: seconds that the leader may take for an answer.
    """

    def __init__(self, journal: Journal, log: EventLog, name: str, *, timeout: float = LEADER_TIMEOUT_SECONDS) -> None:
        self._journal = journal
        self._log = log
        journal.on_commit = self._notify
        self._address = "\0pos-" + sha256(f"{os.getuid()} {name}".encode()).hexdigest()[:32]
        self._timeout = timeout
        self._leader: LeaderConnection | None = None
        self._followers: set[FollowerConnection] = set()
        self._forwarded = 0
        self._election: asyncio.Task[None] | None = None

    @property
    def is_follower(self) -> bool:
        """Return whether another process commits for this one."""
        return self._leader is not None

    @property
    def is_busy(self) -> bool:
        """Return whether a command of this process, or of a follower, has no outcome yet."""
        return self._forwarded > 0 or self._journal.is_busy

    async def start(self) -> None:
        """Follow the leader, or become it."""
        if sys.platform == "linux":
            decided = asyncio.Event()
            self._election = asyncio.create_task(self._elect(decided))
            await decided.wait()

    async def submit(self, command: Command) -> Outcome:
        """Commit a command as `Journal.submit` does."""
        with sending():
            return await self._submit(command)

    async def _submit(self, command: Command) -> Outcome:
        leader = self._leader
        # Other changes of existing documents are rare, and have no key that would tell whether they were committed.
        if leader is None or not command.is_forwardable:
            return await self._journal.submit(command)
        if not command.keys and not command.is_repeatable:
            command = replace(command, keys=(RequestKey(f"forwarded:{uuid.uuid4().hex}", ""),))
        try:
            # Waiting for the leader and our own try share one deadline, since one request waits for both.
            async with asyncio.timeout(DEADLINE_SECONDS):
                try:
                    return await self._forward(leader, command)
                except LeaderTimeout:
                    return await self._journal.submit(command)
        except TimeoutError as error:
            raise OutcomeUnknown from error

    async def _forward(self, leader: LeaderConnection, command: Command) -> Outcome:
        """Send a command to the leader. Meanwhile this process counts as busy too."""
        self._forwarded += 1
        if self._forwarded == 1:
            self._journal.on_busy(True)
        try:
            return await leader.submit(command)
        finally:
            self._forwarded -= 1
            if not self._forwarded:
                self._journal.on_busy(False)

    async def notifications(self) -> AsyncIterator[int | None]:
        """Yield heads of the event log as `EventLog.notifications` does.

        Only the leader opens a change stream: each stream reads all changes of the database, and one for each process
        would cost the database more than the sales do.
        """
        leader = self._leader
        if leader is not None:
            async for head in leader.notifications():
                yield head
        else:
            async for head in self._log.notifications():
                self._notify(head)
                yield head
                if self._leader is not None:
                    return

    def _notify(self, head: int | None) -> None:
        for follower in self._followers:
            follower.send(HEAD, head)

    async def close(self) -> None:
        """Commit the waiting commands, answer the followers, and accept no more."""
        if self._election is not None:
            self._election.cancel()
            await asyncio.gather(self._election, return_exceptions=True)
        if self._leader is not None:
            await self._leader.finish()
        for follower in tuple(self._followers):
            await follower.finish()
        await self._journal.close()

    async def _elect(self, decided: asyncio.Event) -> None:
        """Become the leader or follow it; and again when the leader is gone."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                server = await loop.create_unix_server(self._accept, self._address)
            except OSError:
                await self._follow(decided)
                await asyncio.sleep(_ELECTION_SECONDS)
                continue
            decided.set()
            try:
                await asyncio.Event().wait()
            finally:
                server.close()

    def _accept(self) -> FollowerConnection:
        return FollowerConnection(self._journal, self._add_or_remove)

    def _add_or_remove(self, follower: FollowerConnection) -> None:
        self._followers ^= {follower}
        self._journal.waits_for_others = not self._followers

    async def _follow(self, decided: asyncio.Event) -> None:
        """Send commands to the leader, for as long as it answers."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            _, leader = await loop.create_unix_connection(
                lambda: LeaderConnection(self._timeout), sock=connect(self._address)
            )
            try:
                # A suspended leader still owns the name: it would accept commands and answer none.
                await asyncio.wait({leader.is_ready}, timeout=_HELLO_SECONDS)
                decided.set()
                if await leader.is_ready:
                    self._leader = leader
                    await leader.closed.wait()
            finally:
                self._leader = None
                leader.close()
        # No leader, or one of another user: until there is one, this process commits itself.
        decided.set()
