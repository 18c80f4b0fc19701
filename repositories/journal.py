"""One door for every write: group commit.

Requests hand the journal a command and await its outcome. While one group is committing, newcomers gather; the next
group takes them all. There are no timers: alone, a command commits at once; under load, groups grow by themselves.

A group is one transaction: read what its commands name, run them in order (pure: `unit_of_work.py`, `commands.py`),
write documents, events, rollups and remembered answers, raise the store's counters. So numbers are gapless and unique,
an event exists if and only if its change does, reports are exact, and a retry finds its answer.
"""

import asyncio
import random
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import DeleteOne, ReadPreference, ReplaceOne, UpdateOne, WriteConcern
from pymongo.errors import BulkWriteError, ConnectionFailure, PyMongoError, WTimeoutError
from pymongo.read_concern import ReadConcern

from repositories.commands import Command
from repositories.database import COUNTERS, EVENTS, REQUESTS, TOTALS, Database, Document
from repositories.errors import OutcomeUnknown, Unavailable
from repositories.totals import row_id
from repositories.unit_of_work import Counters, UnitOfWork
from schemas.errors import ShopError
from schemas.rollups import ESTIMATES, ORDERS

GROUP_LIMIT: Final = 256
DEADLINE_SECONDS: Final = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.002, 0.25
_DUPLICATE_KEY: Final = 11000

_SNAPSHOT: Final = ReadConcern("snapshot")
_DURABLE: Final = WriteConcern(w="majority", j=True)

Session = AsyncIOMotorClientSession
Update = ReplaceOne[Document] | UpdateOne | DeleteOne


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command: its answer (a document or a digest), the events that it wrote, and whether the answer
    is that of an earlier request with the same key."""

    answer: Document
    events: Sequence[Document] = ()
    replayed: bool = False


class CommitUnknown(Exception):
    """The commit was sent, and no answer came within the deadline."""


class Collision(Exception):
    """Another process moved the counters between this group's read and its write."""


@dataclass(eq=False, slots=True)
class _Entry:
    command: Command
    outcome: asyncio.Future[Outcome]
    timer: asyncio.TimerHandle | None = None


class Journal:
    """The journal of one store.

    :param clock: the present instant, UTC.
    :param group_limit: how many commands one transaction takes at the most.
    :param deadline: seconds after which a command is answered with a 503, whatever the database does.
    """

    def __init__(
        self,
        database: Database,
        *,
        store: str,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        group_limit: int = GROUP_LIMIT,
        deadline: float = DEADLINE_SECONDS,
    ) -> None:
        self._database = database
        self._store = store
        self._zone = zone
        self._clock = clock
        self._group_limit = group_limit
        self._deadline = deadline
        self._waiting: deque[_Entry] = deque()
        self._draining: asyncio.Task[None] | None = None
        self._closed = False

    async def submit(self, command: Command) -> Outcome:
        """Commits a command, with whatever others are waiting.

        A command whose caller went away is carried out all the same once its group has begun.

        :raises ShopError: the command's own refusal.
        :raises Unavailable: not committed, because the database is away.
        :raises OutcomeUnknown: sent, and no answer within the deadline; the same request with its key settles it.
        """
        if self._closed:
            raise Unavailable("The service is shutting down. Please try again.")
        loop = asyncio.get_running_loop()
        entry = _Entry(command, loop.create_future())
        entry.timer = loop.call_later(self._deadline, self._expire, entry)
        self._waiting.append(entry)
        if self._draining is None or self._draining.done():
            self._draining = loop.create_task(self._drain())
        return await entry.outcome

    async def close(self) -> None:
        """Commits what is waiting, and takes no more."""
        self._closed = True
        if self._draining is not None:
            await self._draining

    def _expire(self, entry: _Entry) -> None:
        if entry in self._waiting:
            self._waiting.remove(entry)
            self._settle(entry, Unavailable())
        else:
            self._settle(entry, OutcomeUnknown())

    @staticmethod
    def _settle(entry: _Entry, outcome: Outcome | BaseException) -> None:
        if entry.timer is not None:
            entry.timer.cancel()
        if entry.outcome.done():
            return
        if isinstance(outcome, Outcome):
            entry.outcome.set_result(outcome)
        else:
            entry.outcome.set_exception(outcome)

    async def _drain(self) -> None:
        while self._waiting:
            size = min(len(self._waiting), self._group_limit)
            group = [self._waiting.popleft() for _ in range(size)]
            await self._commit([entry for entry in group if not entry.outcome.done()])

    async def _commit(self, group: Sequence[_Entry]) -> None:
        """Commits a group; one that fails for no transient reason is taken apart, so that only the guilty fails."""
        if not group:
            return
        attempt = asyncio.ensure_future(self._transact([entry.command for entry in group]))
        await asyncio.wait({attempt})
        error = attempt.exception()
        if error is None:
            for entry, outcome in zip(group, attempt.result(), strict=True):
                self._settle(entry, outcome)
        elif len(group) == 1 or isinstance(error, Unavailable):
            for entry in group:
                self._settle(entry, error)
        else:
            for entry in group:
                await self._commit([entry])

    async def _transact(self, commands: Sequence[Command]) -> list[Outcome | ShopError]:
        """One transaction, tried until it commits or the deadline has passed."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + self._deadline
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._attempt(commands, give_up)
            except CommitUnknown as error:
                raise OutcomeUnknown from error
            except (PyMongoError, Collision) as error:
                if not _is_transient(error):
                    raise
                if loop.time() + pause > give_up:
                    raise Unavailable from error
            await asyncio.sleep(_jittered(pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _attempt(self, commands: Sequence[Command], give_up: float) -> list[Outcome | ShopError]:
        async with (
            await self._database.client.start_session() as session,
            session.start_transaction(_SNAPSHOT, _DURABLE, ReadPreference.PRIMARY),
        ):
            work = await self._read(session, commands)
            remembered_before = set(work.requests)
            head = work.counters.head
            outcomes = [_run(command, work) for command in commands]
            if work.changed:
                await self._write(session, work, head, remembered_before)
                await _commit_transaction(session, give_up)
            return outcomes

    async def _read(self, session: Session, commands: Sequence[Command]) -> UnitOfWork:
        """What the group's commands name, with one `find` a collection."""
        counters = await self._database[COUNTERS].find_one({"_id": self._store}, session=session)
        if counters is None:
            raise LookupError(f"The counters of store {self._store!r} are missing: run `pos migrate`.")
        keys = {key.key for command in commands for key in command.keys}
        requests = {}
        if keys:
            cursor = self._database[REQUESTS].find(
                {"store": self._store, "key": {"$in": list(keys)}}, {"_id": 0}, session=session
            )
            requests = {request["key"]: request for request in await cursor.to_list(None)}
        wanted = defaultdict(set)
        for command in commands:
            for kind, document_id in command.reads:
                wanted[kind].add(document_id)
        documents = {}
        for kind, ids in wanted.items():
            cursor = self._database[kind].find({"_id": {"$in": list(ids)}, "store": self._store}, session=session)
            documents.update({(kind, document["_id"]): document for document in await cursor.to_list(None)})
        return UnitOfWork(
            store=self._store,
            zone=self._zone,
            now=_whole_milliseconds(self._clock()),
            counters=Counters(counters[ESTIMATES], counters[ORDERS], counters["head"]),
            documents=documents,
            requests=requests,
        )

    async def _write(self, session: Session, work: UnitOfWork, head: int, remembered_before: set[str]) -> None:
        """The counters first: where two processes collide, they do so before anything else was sent."""
        raised = {ESTIMATES: work.counters.estimates, ORDERS: work.counters.orders, "head": work.counters.head}
        counted = await self._database[COUNTERS].update_one(
            {"_id": self._store, "head": head}, {"$set": raised}, session=session
        )
        if counted.matched_count != 1:
            raise Collision
        for collection, documents in _inserts(work, remembered_before).items():
            if documents:
                await self._database[collection].insert_many(documents, session=session)
        for collection, operations in _updates(work, remembered_before).items():
            if operations:
                await self._database[collection].bulk_write(operations, session=session)


def _inserts(work: UnitOfWork, remembered_before: set[str]) -> dict[str, list[Document]]:
    """What is new, by collection."""
    inserts = defaultdict(list, {EVENTS: work.events})
    for (kind, document_id), document in work.changed.items():
        if (kind, document_id) not in work.documents:
            inserts[kind].append(document)
    inserts[REQUESTS] = [request for key, request in work.remembered.items() if key not in remembered_before]
    return inserts


def _updates(work: UnitOfWork, remembered_before: set[str]) -> dict[str, list[Update]]:
    """What changes what stands there, by collection."""
    updates: dict[str, list[Update]] = defaultdict(list)
    for (kind, document_id), document in work.changed.items():
        if (kind, document_id) in work.documents:
            updates[kind].append(ReplaceOne({"_id": document_id}, document))
    for rollup, row in work.increments().items():
        updates[TOTALS].append(UpdateOne({"_id": row_id(work.store, rollup)}, {"$inc": row}, upsert=True))
    for key, document_id in work.forgotten.items():
        updates[REQUESTS].append(DeleteOne({"store": work.store, "key": key, "answer._id": document_id}))
    for key, request in work.remembered.items():
        if key in remembered_before:
            updates[REQUESTS].append(ReplaceOne({"store": work.store, "key": key}, request, upsert=True))
    return updates


def _run(command: Command, work: UnitOfWork) -> Outcome | ShopError:
    """A command's outcome, or its refusal, which is its own and not the group's."""
    try:
        answer = work.recall(command.keys)
        if answer is not None:
            return Outcome(answer, replayed=True)
        before = len(work.events)
        answer = command.apply(work)
        work.remember(command.keys, answer)
        return Outcome(answer, work.events[before:])
    except ShopError as refusal:
        return refusal


async def _commit_transaction(session: Session, give_up: float) -> None:
    """Commits; where the outcome is unknown, asks again with the same commit, which the server takes only once."""
    loop = asyncio.get_running_loop()
    pause = _FIRST_PAUSE
    while True:
        try:
            await session.commit_transaction()
        except PyMongoError as error:
            if not error.has_error_label("UnknownTransactionCommitResult"):
                raise
            if loop.time() + pause > give_up:
                raise CommitUnknown from error
        else:
            return
        await asyncio.sleep(_jittered(pause))
        pause = min(pause * 2, _LONGEST_PAUSE)


def _is_transient(error: Exception) -> bool:
    """Whether trying the whole group again can help. A duplicate key is a retry that raced us in another process."""
    if isinstance(error, Collision | ConnectionFailure | WTimeoutError):
        return True
    if isinstance(error, BulkWriteError):
        return any(failure["code"] == _DUPLICATE_KEY for failure in error.details["writeErrors"])
    return isinstance(error, PyMongoError) and error.has_error_label("TransientTransactionError")


def _jittered(pause: float) -> float:
    return pause * random.uniform(0.5, 1.5)  # noqa: S311  (spread, not secrecy)


def _whole_milliseconds(instant: datetime) -> datetime:
    """As BSON will store it, so that the answer and the document agree."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
