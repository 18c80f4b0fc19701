"""One group of commands as one transaction: read what they name, run them, write what came of it, commit.

The commands themselves are pure (`unit_of_work.py`, `commands.py`); here is all the I/O of a write, against PyMongo,
which Motor wraps. It runs as a whole in one thread: seven round trips are one hop from the event loop instead
of seven, each of which would have to wait for whatever requests the loop is busy with.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from pymongo import ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import (
    BulkWriteError,
    ConfigurationError,
    ConnectionFailure,
    DuplicateKeyError,
    PyMongoError,
    WTimeoutError,
)
from pymongo.read_concern import ReadConcern

from repositories.concurrency.backoff import Backoff
from repositories.database.client import OWNERS, RESTORING, Database
from repositories.database.clock import Clocks
from repositories.database.errors import BeingRestored, SumsFull, is_duplicate, is_overflow, was_interrupted
from repositories.database.store_scope import by_ids
from repositories.event_log.hash_chain import ChainHead, append_hashes
from repositories.journal.command import Command
from repositories.journal.command_sizes import check_group_size
from repositories.journal.commit import commit
from repositories.journal.customer_sums import CustomersByNumber, update_customers
from repositories.journal.orphaned_transactions import abort_orphaned_transactions
from repositories.journal.unit_of_work import Counters, UnitOfWork
from repositories.journal.writes import inserts_of, updates_of
from schemas.core.collections import (
    COUNTERS,
    CUSTOMERS,
    DEVICES,
    ESTIMATES,
    EVENTS,
    FACTS,
    LINKS,
    MESSAGES,
    ORDERS,
    REQUESTS,
    SETTINGS,
    TOTALS,
    USERS,
)
from schemas.core.documents import Document
from schemas.core.errors import ShopError
from schemas.text.phones import INDIA

_SNAPSHOT: Final = ReadConcern("snapshot")
_DURABLE: Final = WriteConcern(w="majority", j=True)
# How long after another process was met at the counters they are read before each group.
_ALONE_SECONDS: Final = 1.0
_PLACE: Final = (ESTIMATES, ORDERS, "head")
_COUNTED: Final = (ESTIMATES, ORDERS, "head", "hash", "at", RESTORING)


class Outcome(NamedTuple):
    """What came of a command.

    answer: a document or a digest. events: those that it wrote. replayed: whether the answer is that of an earlier
    request with the same key.
    """

    answer: Document
    events: Sequence[Document] = ()
    replayed: bool = False


class Collision(Exception):
    """Another process moved the counters, or took away a customer, between this group's read and its write."""


class _KeyLookupRequired(Exception):
    """A key of the group may have been used before: what stands under it decides."""


class GroupTransaction:
    """How a group of commands of one store becomes a transaction.

    :param clock: the present instant, UTC.
    :param threads: where it runs; a thread of its own, where there is none.
    :param region: of phone numbers without a country code.
    :param moments: the clocks by which things last; `clock`, where there are none.
    """

    def __init__(
        self,
        database: Database,
        store: str,
        zone: ZoneInfo,
        clock: Callable[[], datetime],
        threads: Executor | None = None,
        region: str = INDIA,
        clocks: Clocks | None = None,
    ) -> None:
        self._database = database
        self._client = database.delegate.client
        who_and_what = (USERS, DEVICES, SETTINGS, CUSTOMERS, LINKS, MESSAGES)
        names = (COUNTERS, ESTIMATES, ORDERS, *who_and_what, EVENTS, TOTALS, REQUESTS, FACTS)
        self._collections = {name: database.delegate[name] for name in names}
        self._threads = threads or ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"journal-{store}")
        self._store = store
        self._zone = zone
        self._clock = clock
        self._clocks = clocks
        self._region = region
        # The counters as this process left them, as long as no other process has been met at them.
        self._known: Counters | None = None
        # Whose phone numbers are whose: as true as the counters, since whoever changes a customer moves them.
        self._owners: CustomersByNumber = {}
        self._met_at = -math.inf

    async def run(self, commands: Sequence[Command], backoff: Backoff) -> list[Outcome | ShopError]:
        """One try. Each command's outcome, or its refusal, in their order.

        :param backoff: for how long an unanswered commit is asked about.
        :raises CommitUnknown: no answer came.
        :raises SumsFull: one of them adds more to a sum than that can hold.
        :raises TooLarge: they move too many bytes together; nothing was done.
        :raises Collision, PyMongoError: nothing was committed; see `is_transient`.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, commands, backoff)
        except (Collision, PyMongoError):
            self._met_at = time.monotonic()
            raise

    def close(self) -> None:
        """Lets the threads go."""
        self._threads.shutdown(wait=False)

    def _run(self, commands: Sequence[Command], backoff: Backoff) -> list[Outcome | ShopError]:
        check_group_size(commands, self._collections)
        try:
            return self._try(commands, backoff, lookup_keys=False)
        except _KeyLookupRequired:
            return self._try(commands, backoff, lookup_keys=True)

    def _try(self, commands: Sequence[Command], backoff: Backoff, *, lookup_keys: bool) -> list[Outcome | ShopError]:
        """
        :param sees_keys: whether the keys of the commands are looked up. Hardly any was used before, and one that was
            cannot be remembered again, so this is done only where it turns out to matter.
        """
        known, self._known = self._known, None
        if known is None:
            self._owners.clear()
        with (
            self._client.start_session() as session,
            session.start_transaction(_SNAPSHOT, _DURABLE, ReadPreference.PRIMARY),
        ):
            work = self._read(session, commands, known or self._counters(session), lookup_keys=lookup_keys)
            stored_before = set(work.requests)
            place = {name: work.counters.stored[name] for name in _PLACE}
            outcomes = [apply_command(command, work) for command in commands]
            was_refused = any(
                isinstance(outcome, ShopError) and command.keys
                for command, outcome in zip(commands, outcomes, strict=True)
            )
            if was_refused and not lookup_keys:
                raise _KeyLookupRequired
            if work.changed:
                try:
                    self._write(session, work, place, stored_before)
                except (DuplicateKeyError, BulkWriteError) as error:
                    overflows = is_overflow(error)
                    if not lookup_keys and (overflows or is_duplicate(error)):
                        raise _KeyLookupRequired from error
                    if overflows:
                        raise SumsFull from error
                    raise
                commit(session, backoff)
        if time.monotonic() - self._met_at > _ALONE_SECONDS:
            self._known = work.counters
        return outcomes

    async def abort_orphans(self) -> None:
        """Ends what a dead process may have left in the way."""
        await abort_orphaned_transactions(self._database.client)

    def _counters(self, session: ClientSession) -> Counters:
        counters = self._collections[COUNTERS].find_one({"_id": self._store}, _COUNTED, session=session)
        if counters is None:
            raise LookupError(f"The counters of store {self._store!r} are missing: run `pos migrate`.")
        if RESTORING in counters:
            raise BeingRestored
        newest = ChainHead(counters.get("hash"), counters.get("at"))
        return Counters(counters[ESTIMATES], counters[ORDERS], counters["head"], *newest)

    def _read(
        self, session: ClientSession, commands: Sequence[Command], counters: Counters, *, lookup_keys: bool
    ) -> UnitOfWork:
        """What the group's commands name, with one `find` a collection."""
        asked = [key for command in commands for key in command.keys]
        keys = {key.earlier for key in asked if key.earlier} | ({key.key for key in asked} if lookup_keys else set())
        requests = {}
        if keys:
            cursor = self._collections[REQUESTS].find(
                {"store": self._store, "key": {"$in": list(keys)}}, {"_id": 0}, session=session
            )
            requests = {request["key"]: request for request in cursor.to_list()}
        wanted = defaultdict(set)
        for command in commands:
            for kind, document_id in command.reads:
                wanted[kind].add(document_id)
        documents = {}
        for kind, ids in wanted.items():
            # A person is one, whichever store keeps the row.
            here = {"_id": {"$in": list(ids)}} if kind in (USERS, DEVICES) else by_ids(kind, self._store, ids)
            cursor = self._collections[kind].find(here, session=session)
            documents.update({(kind, document["_id"]): document for document in cursor.to_list()})
        return UnitOfWork(
            store=self._store,
            zone=self._zone,
            now=_whole_milliseconds(self._clock()),
            counters=counters,
            documents=documents,
            requests=requests,
            region=self._region,
            database_time=_whole_milliseconds(self._clocks.database()) if self._clocks else None,
            expiry_time=_whole_milliseconds(self._clocks.expiry()) if self._clocks else None,
        )

    def _write(self, session: ClientSession, work: UnitOfWork, place: Document, stored_before: set[str]) -> None:
        """The counters first: where two processes collide, they do so before anything else was sent."""
        counters = work.counters
        # The hash too, since a log that was restored meanwhile may have come just as far; and the numbers, which are
        # given without an event to what the earlier backend wrote.
        here = {"_id": self._store, **place, "hash": counters.hash}
        events, (counters.hash, counters.at) = append_hashes(work.events, ChainHead(counters.hash, counters.at))
        counted = self._collections[COUNTERS].update_one(here, {"$set": counters.stored}, session=session)
        if counted.matched_count != 1:
            raise Collision
        if work.changes_owners:
            changed = {"$inc": {"changes": 1}, "$set": {"claimed": True}}
            self._collections[FACTS].update_one({"_id": OWNERS}, changed, upsert=True, session=session)
        # What makes room in a unique index comes before what takes it: an order is voided, its estimate ordered anew.
        for collection, operations in updates_of(work, stored_before).items():
            if operations:
                self._collections[collection].bulk_write(operations, session=session)
        inserts: dict[str, Sequence[Any]] = {EVENTS: events, **inserts_of(work, stored_before)}
        for collection, documents in inserts.items():
            if documents:
                self._collections[collection].insert_many(documents, session=session)
        if not update_customers(self._collections[CUSTOMERS], self._store, work, self._owners, session):
            raise Collision


def apply_command(command: Command, work: UnitOfWork) -> Outcome | ShopError:
    """A command's outcome, or its refusal, which is its own and not the group's."""
    try:
        answer = work.cached_answer(command.keys)
        if answer is not None:
            return Outcome(answer, replayed=True)
        before = len(work.events)
        work.actor = command.actor
        answer = command.apply(work)
        work.store_answer(command.keys, answer)
        return Outcome(answer, work.events[before:])
    except ShopError as refusal:
        return refusal


def is_transient(error: Exception) -> bool:
    """Whether trying the whole group again can help.

    A duplicate key is not transient: whoever races us in another process is met at the counters, which come first.
    `ConfigurationError` is: of a server that has just started the driver says so that it knows no sessions yet.
    """
    if isinstance(error, Collision | ConfigurationError | ConnectionFailure | WTimeoutError):
        return True
    if not isinstance(error, PyMongoError):
        return False
    return error.has_error_label("TransientTransactionError") or was_interrupted(error)


def _whole_milliseconds(instant: datetime) -> datetime:
    """As BSON will store it, so that the answer and the document agree."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
