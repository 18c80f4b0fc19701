"""The outbox: messages of all stores, as the workers of one deployment see them.

A worker claims a message with a lease: it moves `due_at` forward in one atomic update, so that no other worker finds
the message meanwhile. The outcome goes through the journal of the message's store.
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
from schemas.core.calendar import Clock
from schemas.core.collections import MESSAGES
from schemas.journal.documents import Event
from schemas.messaging.delivery import Outcome
from schemas.messaging.documents import Message, MessageError
from schemas.messaging.messages import parse_reference
from schemas.messaging.states import SENDING

#: The lease of a message that was claimed and not begun.
CLAIM_SECONDS: Final = 15.0
_LOCK_WAIT_MS: Final = 500


class Outbox:
    """The messages that this deployment sends.

    :param home: STORE_ID of the settings: messages with this `outbox` belong to this deployment.
    :param on_events: called with the store and the events that were written.
    """

    def __init__(
        self,
        database: Database,
        home: str,
        journal_of: Callable[[str], Awaitable[SharedJournal]],
        on_events: Callable[[str, Sequence[Event]], None],
        clock: Clock,
    ) -> None:
        self._client = database.client
        self._collection = database[MESSAGES]
        self._home = home
        self._journal_of = journal_of
        self._on_events = on_events
        self._clock = clock

    async def claim(self, holder: str) -> Message | None:
        """Claim the message that has waited longest: a queued one, or one whose worker's lease has expired."""
        now = self._clock()
        lease = {"holder": holder, "due_at": now + timedelta(seconds=CLAIM_SECONDS)}
        async with read_deadline():
            try:
                claimed: Message | None = await self._collection.find_one_and_update(
                    # `$type` lets the database use the partial index, which has only documents with a date.
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
        return claimed

    async def begin_attempt(self, message: Message, provider: str, seconds: float) -> Message | None:
        """Begin an attempt to send a claimed message.

        :param seconds: the lease: until then no other worker claims it.
        :returns: the message; None if it was claimed by another worker meanwhile, or its document is not available.
        :raises Unavailable: the outcome is unknown; call this again.
        """
        attempt, until = message["attempt"] + 1, self._clock() + timedelta(seconds=seconds)
        asked = BeginAttempt(message["_id"], message["holder"], attempt, provider, until, required_reads(message))
        begun = await self._submit(message, asked)
        held = (begun["state"], begun["holder"], begun["attempt"])
        return begun if held == (SENDING, message["holder"], attempt) else None

    async def record_outcome(self, message: Message, outcome: Outcome, jitter: float) -> Message:
        """Record the outcome of the message's current attempt.

        :returns: the message as it is now.
        :raises Unavailable: it is unknown whether the outcome was recorded; call this again.
        """
        return await self._submit(message, RecordOutcome(message["_id"], message["attempt"], outcome, jitter))

    async def record_status(
        self,
        provider: str,
        provider_id: str,
        state: str,
        at: datetime,
        error: MessageError | None = None,
        reference: str | None = None,
    ) -> None:
        """Record a status from a provider. A status that is known, older, or of an unknown message changes nothing.

        :param at: the provider's time of the status.
        :param error: code and reason of a failure.
        :param reference: the message's reference, if the provider returns it. It identifies the message even if the
            response with the `provider_id` was lost or has not arrived yet.
        :raises Unavailable: not recorded; the provider sends it again.
        """
        message_id, attempt = parse_reference(reference)
        named = {"provider_id": provider_id, "outbox": self._home} if message_id is None else {"_id": message_id}
        async with read_deadline():
            message = await self._collection.find_one({**named, "provider": provider})
        if message is not None:
            await self._submit(message, DeliveryUpdate(message["_id"], attempt, provider_id, state, at, error))

    async def _submit(self, message: Message, command: Command) -> Message:
        store = message["store"]
        outcome = await (await self._journal_of(store)).submit(command)
        self._on_events(store, outcome.events)
        after: Message = outcome.answer
        return after
