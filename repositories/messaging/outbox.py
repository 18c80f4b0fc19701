"""The outbox: messages of all stores that the processes of one deployment send, as those see them who send them.

A message is claimed with a lease: `due_at` is moved on, in one step of the database, so that nobody else finds it
meanwhile. What becomes of it goes through the journal of its store.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from pymongo import ReturnDocument
from pymongo.errors import ExecutionTimeout

from repositories.database.client import Database
from repositories.database.errors import read_deadline
from repositories.journal.command import Command
from repositories.journal.orphaned_transactions import abort_orphaned_transactions
from repositories.leadership.shared_journal import SharedJournal
from repositories.messaging.commands import BeginAttempt, DeliveryUpdate, RecordOutcome, required_reads
from schemas.core.collections import MESSAGES
from schemas.core.documents import Document
from schemas.journal.events import Event
from schemas.messaging.delivery import Outcome
from schemas.messaging.messages import parse_reference
from schemas.messaging.states import SENDING

#: How long a message that was claimed and not begun is left to its claimant.
CLAIM_SECONDS: Final = 15.0
_LOCK_WAIT_MS: Final = 500


class Outbox:
    """
    :param home: the store that the settings name, by which processes know what is theirs to send.
    :param journal_of: the journal of a store.
    :param on_events: is told of what was written, by store.
    :param clock: the present instant, UTC.
    """

    def __init__(
        self,
        database: Database,
        home: str,
        journal_of: Callable[[str], Awaitable[SharedJournal]],
        on_events: Callable[[str, Sequence[Event]], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._client = database.client
        self._collection = database[MESSAGES]
        self._home = home
        self._journal_of = journal_of
        self._on_events = on_events
        self._clock = clock

    async def claim(self, holder: str) -> Document | None:
        """The message that has waited longest, from now on this holder's: queued, or being sent by somebody who is
        silent for too long.

        :raises Unavailable: the database is away.
        """
        now = self._clock()
        lease = {"holder": holder, "due_at": now + timedelta(seconds=CLAIM_SECONDS)}
        async with read_deadline():
            try:
                return await self._collection.find_one_and_update(
                    # The type, which each time has, lets the database use the index, which holds only what is due.
                    {"outbox": self._home, "due_at": {"$lte": now, "$type": "date"}},
                    {"$set": lease},
                    sort=[("due_at", 1)],
                    return_document=ReturnDocument.AFTER,
                    maxTimeMS=_LOCK_WAIT_MS,
                )
            except ExecutionTimeout:
                # A process that was killed may have left a transaction that holds it; the next time it is free.
                await abort_orphaned_transactions(self._client)
                return None

    async def begin_attempt(self, message: Document, provider: str, seconds: float) -> Document | None:
        """The message as it is being sent; None where it was taken away meanwhile, or its document does not open.

        :param seconds: for how long nobody else looks at it.
        :raises Unavailable: not known whether it was begun; ask again.
        """
        attempt, until = message["attempt"] + 1, self._clock() + timedelta(seconds=seconds)
        asked = BeginAttempt(message["_id"], message["holder"], attempt, provider, until, required_reads(message))
        begun = await self._submit(message, asked)
        held = (begun["state"], begun["holder"], begun["attempt"])
        return begun if held == (SENDING, message["holder"], attempt) else None

    async def record_outcome(self, message: Document, outcome: Outcome, jitter: float) -> Document:
        """What became of the attempt that the message is at. The message as it is now.

        :raises Unavailable: not known whether that was written; say it again.
        """
        return await self._submit(message, RecordOutcome(message["_id"], message["attempt"], outcome, jitter))

    async def record_status(
        self,
        provider: str,
        provider_id: str,
        state: str,
        at: datetime,
        error: Document | None = None,
        reference: str | None = None,
    ) -> None:
        """News from a provider: a message came further, or failed. What is known already, takes something back, or is
        of nothing that was sent from here changes nothing.

        :param at: the provider's own time. :param error: code and reason, of one that failed.
        :param reference: the letter's, where the provider brings it back. So news is understood also where the answer
            that said `provider_id` was lost, or is still under way.
        :raises Unavailable: not recorded; the provider tells again.
        """
        message_id, attempt = parse_reference(reference)
        named = {"provider_id": provider_id, "outbox": self._home} if message_id is None else {"_id": message_id}
        async with read_deadline():
            message = await self._collection.find_one({**named, "provider": provider})
        if message is not None:
            await self._submit(message, DeliveryUpdate(message["_id"], attempt, provider_id, state, at, error))

    async def _submit(self, message: Document, command: Command) -> Document:
        store = message["store"]
        outcome = await (await self._journal_of(store)).submit(command)
        self._on_events(store, outcome.events)
        return outcome.answer
