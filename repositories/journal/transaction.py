"""One group of commands as one transaction: read what they need, apply them, write the changes, commit.

Commands do no I/O (`unit_of_work.py`); all I/O of a write is here, with PyMongo, which Motor wraps. A transaction runs
in one thread: for all its round trips it leaves the event loop once instead of once for each, and so waits only once
until the loop has finished with other requests.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Sequence
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
from repositories.event_log.earlier_events import CURRENT_LOG, refuse_unconverted
from repositories.event_log.log_documents import ChainHead, known_requests, log_documents, lookup_pipeline
from repositories.journal.command import Command
from repositories.journal.command_sizes import check_group_size
from repositories.journal.commit import commit
from repositories.journal.customer_sums import CustomersByNumber, update_customers
from repositories.journal.orphaned_transactions import abort_orphaned_transactions
from repositories.journal.unit_of_work import Counters, UnitOfWork
from repositories.journal.writes import collect_inserts, collect_updates
from schemas.core.calendar import Clock
from schemas.core.collections import ACCOUNT_KINDS, COUNTERS, CUSTOMERS, DOCUMENT_KINDS, FACTS, LOG, REGISTRY
from schemas.core.documents import Document
from schemas.core.errors import ShopError
from schemas.journal.documents import EventDocument
from schemas.journal.events import stored_event
from schemas.text.phones import INDIA

_SNAPSHOT: Final = ReadConcern("snapshot")
_DURABLE: Final = WriteConcern(w="majority", j=True)
# For this long after a collision with another process the counters are read before each group.
_CONTENTION_SECONDS: Final = 1.0
_POSITION: Final = (*DOCUMENT_KINDS, "head")
_COUNTERS: Final = (*_POSITION, "hash", "at", RESTORING, *CURRENT_LOG)


class Outcome(NamedTuple):
    #: A document or its summary, as the command returns it.
    answer: Any
    #: The events that the command wrote.
    events: Sequence[EventDocument] = ()
    #: Whether the answer is that of an earlier request with the same key.
    replayed: bool = False


class Collision(Exception):
    """Another process changed the counters, or removed a customer, between this group's read and its write."""


class _KeyLookupRequired(Exception):
    """A key of the group may have been used before, so the keys must be looked up."""


class GroupTransaction:
    """Runs groups of commands of one store as transactions.

    :param threads: the executor; None for one thread of its own.
    :param region: the region of phone numbers without a country code.
    :param clocks: the clocks for expiry; None for `clock`.
    """

    def __init__(
        self,
        database: Database,
        store: str,
        zone: ZoneInfo,
        clock: Clock,
        threads: Executor | None = None,
        region: str = INDIA,
        clocks: Clocks | None = None,
    ) -> None:
        self._database = database
        self._client = database.delegate.client
        self._collections = {name: database.delegate[name] for name in REGISTRY}
        self._threads = threads or ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"journal-{store}")
        self._store = store
        self._zone = zone
        self._clock = clock
        self._clocks = clocks
        self._region = region
        # The counters as this process wrote them, unless it has just collided with another process.
        self._known: Counters | None = None
        # Customers by phone number: as valid as the counters, since each change of a customer updates them.
        self._customers: CustomersByNumber = {}
        self._collided_at = -math.inf

    async def run(self, commands: Sequence[Command], backoff: Backoff) -> list[Outcome | ShopError]:
        """Try once, and return each command's outcome or refusal, in their order.

        :param backoff: the pauses before an unanswered commit is sent again.
        :raises CommitUnknown: the database did not answer.
        :raises SumsFull: a sum would overflow.
        :raises TooLarge: the group transfers too many bytes; nothing was done.
        :raises Collision, PyMongoError: nothing was committed; see `is_transient`.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, commands, backoff)
        except (Collision, PyMongoError):
            self._collided_at = time.monotonic()
            raise

    def close(self) -> None:
        self._threads.shutdown(wait=False)

    def _run(self, commands: Sequence[Command], backoff: Backoff) -> list[Outcome | ShopError]:
        check_group_size(commands, self._collections)
        try:
            return self._try(commands, backoff, lookup_keys=False)
        except _KeyLookupRequired:
            return self._try(commands, backoff, lookup_keys=True)

    def _try(self, commands: Sequence[Command], backoff: Backoff, *, lookup_keys: bool) -> list[Outcome | ShopError]:
        """Run the transaction.

        :param lookup_keys: whether the commands' keys are looked up. Hardly any key was used before, and a used one
            cannot be inserted again, so keys are looked up only after that failed.
        """
        known, self._known = self._known, None
        if known is None:
            self._customers.clear()
        with (
            self._client.start_session() as session,
            session.start_transaction(_SNAPSHOT, _DURABLE, ReadPreference.PRIMARY),
        ):
            work = self._read(session, commands, known or self._counters(session), lookup_keys=lookup_keys)
            position = {name: work.counters.stored[name] for name in _POSITION}
            outcomes = [apply_command(command, work) for command in commands]
            was_refused = any(
                isinstance(outcome, ShopError) and command.keys
                for command, outcome in zip(commands, outcomes, strict=True)
            )
            if was_refused and not lookup_keys:
                raise _KeyLookupRequired
            if work.changed:
                try:
                    self._write(session, work, position)
                except (DuplicateKeyError, BulkWriteError) as error:
                    overflows = is_overflow(error)
                    if not lookup_keys and (overflows or is_duplicate(error)):
                        raise _KeyLookupRequired from error
                    if overflows:
                        raise SumsFull from error
                    raise
                commit(session, backoff)
        if time.monotonic() - self._collided_at > _CONTENTION_SECONDS:
            self._known = work.counters
        return outcomes

    async def abort_orphans(self) -> None:
        """Abort open transactions of dead processes."""
        await abort_orphaned_transactions(self._database.client)

    def _counters(self, session: ClientSession) -> Counters:
        counters = self._collections[COUNTERS].find_one({"_id": self._store}, _COUNTERS, session=session)
        if counters is None:
            raise LookupError(f"The counters of store {self._store!r} are missing: run `pos migrate`.")
        if RESTORING in counters:
            raise BeingRestored
        refuse_unconverted(counters)
        newest = ChainHead(counters.get("hash"), counters.get("at"))
        return Counters({kind: counters[kind] for kind in DOCUMENT_KINDS}, counters["head"], *newest)

    def _read(
        self, session: ClientSession, commands: Sequence[Command], counters: Counters, *, lookup_keys: bool
    ) -> UnitOfWork:
        """Read the documents that the commands name, with one `find` for each collection."""
        keys = [key.key for command in commands for key in command.keys] if lookup_keys else []
        found = self._collections[LOG].aggregate(lookup_pipeline(self._store, keys), session=session) if keys else ()
        wanted = defaultdict(set)
        for command in commands:
            for kind, document_id in command.reads:
                wanted[kind].add(document_id)
        documents = {}
        for kind, ids in wanted.items():
            criteria = {"_id": {"$in": list(ids)}} if kind in ACCOUNT_KINDS else by_ids(kind, self._store, ids)
            cursor = self._collections[kind].find(criteria, session=session)
            documents.update({(kind, document["_id"]): document for document in cursor.to_list()})
        return UnitOfWork(
            store=self._store,
            zone=self._zone,
            now=_whole_milliseconds(self._clock()),
            counters=counters,
            documents=documents,
            requests=known_requests(found),
            region=self._region,
            database_time=_whole_milliseconds(self._clocks.database()) if self._clocks else None,
            expiry_time=_whole_milliseconds(self._clocks.expiry()) if self._clocks else None,
        )

    def _write(self, session: ClientSession, work: UnitOfWork, position: Document) -> None:
        """Write the counters first, so that two processes collide before they send anything else."""
        counters = work.counters
        # The hash too, since a restored log may have the same head; and the numbers, since the import of the earlier
        # backend's documents assigns them without an event.
        criteria = {"_id": self._store, **position, "hash": counters.hash}
        events, requests = [stored_event(each) for each in work.events], list(work.stored_requests.values())
        logged, (counters.hash, counters.at) = log_documents(
            self._store, events, requests, work.log_time, ChainHead(counters.hash, counters.at)
        )
        counted = self._collections[COUNTERS].update_one(criteria, {"$set": counters.stored}, session=session)
        if counted.matched_count != 1:
            raise Collision
        if work.changes_owners:
            changed = {"$inc": {"changes": 1}, "$set": {"claimed": True}}
            self._collections[FACTS].update_one({"_id": OWNERS}, changed, upsert=True, session=session)
        # Updates free values of unique indexes that inserts take: an order is voided, its estimate converted again.
        for collection, operations in collect_updates(work).items():
            if operations:
                self._collections[collection].bulk_write(operations, session=session)
        inserts: dict[str, Sequence[Any]] = {LOG: logged, **collect_inserts(work)}
        for collection, documents in inserts.items():
            if documents:
                self._collections[collection].insert_many(documents, session=session)
        if not update_customers(self._collections[CUSTOMERS], self._store, work, self._customers, session):
            raise Collision


def apply_command(command: Command, work: UnitOfWork) -> Outcome | ShopError:
    """Apply a command, and return its outcome or its refusal, which does not affect the rest of the group."""
    try:
        earlier = work.cached_answer(command.keys)
        if earlier is not None:
            return Outcome(earlier, replayed=True)
        before = len(work.events)
        work.actor = command.actor
        answer = command.apply(work)
        work.store_answer(command.keys, answer)
        return Outcome(answer, work.events[before:])
    except ShopError as refusal:
        return refusal


def is_transient(error: Exception) -> bool:
    """Return whether another try of the whole group can succeed.

    A duplicate key is not transient: concurrent processes collide at the counters, which are written first.
    `ConfigurationError` is: the driver raises it for a server that has just started and supports no sessions yet.
    """
    if isinstance(error, Collision | ConfigurationError | ConnectionFailure | WTimeoutError):
        return True
    if not isinstance(error, PyMongoError):
        return False
    return error.has_error_label("TransientTransactionError") or was_interrupted(error)


def _whole_milliseconds(instant: datetime) -> datetime:
    """Return the instant as BSON stores it, so that the answer and the document agree."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)
