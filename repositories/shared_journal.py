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
import itertools
import logging
import os
import pickle
import socket
import struct
import sys
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final, cast

from repositories.commands import Command, Convert, Create
from repositories.errors import OutcomeUnknown
from repositories.events import EventLog
from repositories.journal import DEADLINE_SECONDS, Journal
from repositories.transaction import Outcome
from schemas.errors import ShopError
from schemas.idempotency import RequestKey

#: After so long without an answer, whoever handed something over does it himself.
PATIENCE_SECONDS: Final = 2.0
_SEEK_SECONDS: Final = 0.2
_GREETING_SECONDS: Final = 0.5
_GREETING: Final = -1
_BELL: Final = -2
#: The keeper gives a sign of life every two seconds.
_SILENCE_SECONDS: Final = 6.0

_LENGTH: Final = struct.Struct("!I")
_CREDENTIALS: Final = struct.Struct("3i")

logger = logging.getLogger("pos.journal")

Outcomes = Outcome | BaseException


class Silent(Exception):
    """The keeper did not answer: nobody knows what became of what it was given."""


class SharedJournal:
    """The journal of a store, as one process sees it: its own, or that of the process that keeps it for all.

    :param journal: this process's own.
    :param log: of the same store.
    :param name: of what is shared, the same in all the processes.
    :param patience: seconds that the keeper may take for an answer.
    """

    def __init__(self, journal: Journal, log: EventLog, name: str, *, patience: float = PATIENCE_SECONDS) -> None:
        self._journal = journal
        self._log = log
        journal.on_commit = self._pass_on
        self._address = "\0pos-" + sha256(f"{os.getuid()} {name}".encode()).hexdigest()[:32]
        self._patience = patience
        self._keeper: _Keeper | None = None
        self._guests: set[_Guest] = set()
        self._seeking: asyncio.Task[None] | None = None

    @property
    def is_kept_elsewhere(self) -> bool:
        """Whether another process keeps the journal for this one."""
        return self._keeper is not None

    async def start(self) -> None:
        """Finds whoever keeps the journal, or becomes that."""
        if sys.platform == "linux":
            found = asyncio.Event()
            self._seeking = asyncio.create_task(self._seek(found))
            await found.wait()

    async def submit(self, command: Command) -> Outcome:
        """As `Journal.submit`."""
        keeper = self._keeper
        # What changes an existing document is rare, and has no key by which it could be told that it was done.
        if keeper is None or not isinstance(command, Create | Convert):
            return await self._journal.submit(command)
        if not command.keys:
            command = replace(command, keys=(RequestKey(f"handed:{uuid.uuid4().hex}", ""),))
        try:
            # The keeper's silence and our own try share one deadline, since it is one request that waits.
            async with asyncio.timeout(DEADLINE_SECONDS):
                try:
                    return await keeper.ask(command)
                except Silent:
                    return await self._journal.submit(command)
        except TimeoutError as error:
            raise OutcomeUnknown from error

    async def rings(self) -> AsyncIterator[int | None]:
        """As `EventLog.rings`. Only the keeper listens to the database: a change stream reads every change that anybody
        makes, and one of them for each process would cost the database more than the sales do."""
        keeper = self._keeper
        if keeper is not None:
            async for head in keeper.bells():
                yield head
        else:
            async for head in self._log.rings():
                self._pass_on(head)
                yield head
                if self._keeper is not None:
                    return

    def _pass_on(self, head: int | None) -> None:
        for guest in self._guests:
            guest.send(_BELL, head)

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
                await asyncio.sleep(_SEEK_SECONDS)
                continue
            found.set()
            try:
                await asyncio.Event().wait()
            finally:
                server.close()

    def _welcome(self) -> "_Guest":
        return _Guest(self._journal, self._come_and_go)

    def _come_and_go(self, guest: "_Guest") -> None:
        self._guests ^= {guest}
        self._journal.gathers = not self._guests

    async def _visit(self, found: asyncio.Event) -> None:
        """Hands everything over to the keeper, for as long as it answers."""
        loop = asyncio.get_running_loop()
        with suppress(OSError):
            _, keeper = await loop.create_unix_connection(
                lambda: _Keeper(self._patience), sock=connected(self._address)
            )
            try:
                # One that was stopped has its name still, and would take everything and answer nothing.
                await asyncio.wait({keeper.greeting}, timeout=_GREETING_SECONDS)
                found.set()
                if await keeper.greeting:
                    self._keeper = keeper
                    await keeper.gone.wait()
            finally:
                self._keeper = None
                keeper.leave()
        # Nobody keeps it, or somebody who is not to be trusted with it: until there is somebody, each for himself.
        found.set()


def connected(address: str) -> socket.socket:
    """A connection to a socket of this machine, which comes at once or not at all. (uvloop takes no such address.)"""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.setblocking(False)
        connection.connect(address)
    except OSError:
        connection.close()
        raise
    return connection


def peer_user(connection: socket.socket) -> int:
    """Who is at the other end, as the system knows it."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return int(user)


class _Wire(asyncio.Protocol):
    """Lists of messages between two processes of one user, each list a pickle behind its length.

    What is sent in one turn of the event loop goes as one list: the outcomes of a group are one message.
    """

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._outgoing: list[Any] = []
        self._incoming = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        user = peer_user(transport.get_extra_info("socket"))
        # A pickle can do anything its sender can, which is nothing new where that is ourselves.
        if user != os.getuid():
            logger.warning("The socket of the shared journal is in the hands of user %d; not used.", user)
            transport.close()
        else:
            self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        self._incoming += data
        while len(self._incoming) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._incoming)[0]
            if len(self._incoming) < end:
                return
            messages = pickle.loads(self._incoming[_LENGTH.size : end])  # noqa: S301  (see connection_made)
            del self._incoming[:end]
            for message in messages:
                self.received(*message)

    def received(self, number: int, content: Any) -> None:
        raise NotImplementedError

    def send(self, number: int, content: Any) -> None:
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append((number, content))

    def leave(self) -> None:
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _flush(self) -> None:
        if self._outgoing and self._transport is not None:
            content = pickle.dumps(self._outgoing, pickle.HIGHEST_PROTOCOL)
            self._transport.write(_LENGTH.pack(len(content)) + content)
        self._outgoing.clear()


class _Guest(_Wire):
    """A process that hands its commands over to this one."""

    def __init__(self, journal: Journal, come_and_go: Callable[["_Guest"], None]) -> None:
        super().__init__()
        self._journal = journal
        self._come_and_go = come_and_go
        self._open: set[asyncio.Future[Outcome]] = set()
        come_and_go(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send(_GREETING, None)

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


class _Keeper(_Wire):
    """The process that keeps the journal, as one that hands its commands over sees it."""

    def __init__(self, patience: float) -> None:
        super().__init__()
        self._patience = patience
        self._numbers = itertools.count()
        # What was handed over and is not answered, the oldest first, and when its time is over.
        self._open: dict[int, tuple[asyncio.Future[Outcome], float]] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._bells: asyncio.Queue[int | None] = asyncio.Queue()
        #: Whether it greeted, once that is known.
        self.greeting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def ask(self, command: Command) -> Outcome:
        """:raises Silent: there was no answer in time, or there will be none."""
        if self._transport is None:
            raise Silent
        loop = asyncio.get_running_loop()
        number = next(self._numbers)
        outcome: asyncio.Future[Outcome] = loop.create_future()
        due = loop.time() + self._patience
        self._open[number] = outcome, due
        if self._watch is None:
            self._watch = loop.call_at(due, self._look)
        self.send(number, command)
        return await outcome

    def received(self, number: int, content: Any) -> None:
        if number == _BELL:
            self._bells.put_nowait(content)
        elif number == _GREETING and not self.greeting.done():
            self.greeting.set_result(True)
        outcome, _ = self._open.pop(number, (None, 0.0))
        if outcome is None or outcome.done():
            return
        if isinstance(content, BaseException):
            outcome.set_exception(content)
        else:
            outcome.set_result(content)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self.greeting.done():
            self.greeting.set_result(False)
        if self._watch is not None:
            self._watch.cancel()
        for outcome, _ in self._open.values():
            if not outcome.done():
                outcome.set_exception(Silent())
        self._open.clear()
        self._bells.put_nowait(None)

    async def bells(self) -> AsyncIterator[int | None]:
        """What the keeper hears of the log's head, for as long as it is there."""
        while not self.gone.is_set():
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    head = await self._bells.get()
            except TimeoutError:
                self._abandon()
                return
            yield head

    async def finish(self) -> None:
        """Waits for what is open."""
        if self._open:
            await asyncio.wait({outcome for outcome, _ in self._open.values()})

    def _look(self) -> None:
        """Leaves a keeper that is silent; looks again when the oldest question's time is over."""
        loop = asyncio.get_running_loop()
        self._watch = None
        for _, due in self._open.values():
            if due > loop.time():
                self._watch = loop.call_at(due, self._look)
            else:
                self._abandon()
            return

    def _abandon(self) -> None:
        if self._transport is not None:
            logger.warning("The process that keeps the journal is silent; going on without it.")
            self._transport.abort()
