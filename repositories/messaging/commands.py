"""Commands that change messages to customers.

The commands of workers carry the number of the attempt, so that a late worker overwrites nothing. Each of them is
idempotent, so that a command with an unknown outcome can be submitted again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from repositories.database.errors import NotFound
from repositories.journal.command import Command, DocumentCommand, Reads
from repositories.journal.unit_of_work import UnitOfWork
from repositories.sharing.commands import AddLink
from schemas.core.collections import LINKS, MESSAGES
from schemas.core.documents import Document
from schemas.core.errors import IllegalTransition
from schemas.journal import events
from schemas.journal.idempotency import releasable_keys
from schemas.messaging.delivery import Outcome
from schemas.messaging.messages import (
    DOCUMENT_GONE,
    FINISHED_FIELDS,
    STATE_TIMES,
    failed_fields,
    is_doubtful,
    outcome_fields,
    queued_fields,
    summarize_message,
)
from schemas.messaging.states import (
    CANCELLED,
    DROPPABLE,
    NOT_SENT,
    QUEUED,
    RETRIABLE,
    SENDING,
    SENT,
    UNKNOWN,
    is_progress,
)


@dataclass(frozen=True, slots=True)
class QueueMessage(Command):
    """Queue a message to be sent.

    :param draft: as `draft_message` returns it.
    :param outbox: the store whose processes send it.
    :param link: a link to the message's document, created with the message.
    """

    message_id: str
    draft: Document
    outbox: str
    link: AddLink | None = None
    is_forwardable: ClassVar[bool] = True

    @property
    def reads(self) -> Reads:
        return required_reads(self.draft)

    def apply(self, work: UnitOfWork) -> Document:
        if self.link is not None:
            self.link.apply(work)
        if not _is_document_available(work, self.draft):
            raise NotFound("The document is no longer available.")
        waiting = {**queued_fields(self.outbox, work.reference_time), "retry_keys": releasable_keys(self.keys)}
        message = work.add(MESSAGES, self.message_id, {**self.draft, **waiting})
        summary = work.emit(MESSAGES, events.CREATE, message, summarize_message(message))
        return {**summary, "document_url": message["letter"]["document_url"]}


@dataclass(frozen=True, slots=True)
class _MessageCommand(DocumentCommand):
    kind: ClassVar[str] = MESSAGES


@dataclass(frozen=True, slots=True)
class BeginAttempt(_MessageCommand):
    """Begin an attempt, before a worker calls the provider.

    The worker may call it if the answer has the state `sending`, this holder and this attempt.

    :param holder: the worker that has claimed the message.
    :param until: after this, another worker may take over the attempt.
    :param required: as `required_reads` returns it.
    """

    holder: str
    attempt: int
    provider: str
    until: datetime
    required: Reads = ()
    is_forwardable: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = True

    @property
    def reads(self) -> Reads:
        return ((MESSAGES, self.document_id), *self.required)

    def apply(self, work: UnitOfWork) -> Document:
        message = self.find(work)
        claimed = (message["state"], message["holder"], message["attempt"])
        if claimed != (QUEUED, self.holder, self.attempt - 1):
            return message
        if not _is_document_available(work, message):
            return _update(work, message, **failed_fields(DOCUMENT_GONE))
        begun = {"state": SENDING, "attempt": self.attempt, "tries": message["tries"] + 1}
        return _update(work, message, **begun, provider=self.provider, due_at=self.until)


@dataclass(frozen=True, slots=True)
class RecordOutcome(_MessageCommand):
    """Record the outcome of an attempt.

    :param jitter: 0 to 1, spreads the pause before the next attempt.
    """

    attempt: int
    outcome: Outcome
    jitter: float
    is_forwardable: ClassVar[bool] = True
    is_repeatable: ClassVar[bool] = True

    def apply(self, work: UnitOfWork) -> Document:
        message = self.find(work)
        if message["attempt"] != self.attempt or message["state"] not in (SENDING, UNKNOWN):
            return message
        changes = outcome_fields(message, self.outcome, work.reference_time, self.jitter)
        if changes["state"] == message["state"]:
            return message
        return _update(work, message, **changes)


@dataclass(frozen=True, slots=True)
class DeliveryUpdate(_MessageCommand):
    """Record a status that the provider reports of a message.

    :param attempt: the attempt that the status is about, None if the provider does not return it.
    :param error: code and reason of a failure.
    """

    attempt: int | None
    provider_id: str
    state: str
    at: datetime
    error: Document | None = None

    def apply(self, work: UnitOfWork) -> Document:
        message = self.find(work)
        if not self._is_of(message) or not is_progress(message["state"], self.state):
            return message
        reached = {STATE_TIMES[self.state]: self.at} if self.state in STATE_TIMES else {}
        update = {"state": self.state, "provider_id": self.provider_id, "error": self.error}
        return _update(work, message, **update, **FINISHED_FIELDS, **reached)

    def _is_of(self, message: Document) -> bool:
        """Return whether the status is of the latest attempt."""
        if not message["attempt"] or self.attempt not in (None, message["attempt"]):
            return False
        if message["state"] != QUEUED:
            return message["provider_id"] in (None, self.provider_id)
        # Queued again, automatically or by a user. After a user's retry, `sent` does not count: only a delivery does.
        return self.attempt is not None and (message["tries"] > 0 or self.state != SENT)


@dataclass(frozen=True, slots=True)
class RetryMessage(_MessageCommand):
    """Queue a message again that was not sent.

    :param required: as `required_reads` returns it.
    :param is_sure: retry even if the message may have been sent already.
    """

    required: Reads = ()
    is_sure: bool = False

    @property
    def reads(self) -> Reads:
        return ((MESSAGES, self.document_id), *self.required)

    def apply(self, work: UnitOfWork) -> Document:
        message = self.find(work)
        if message["state"] not in RETRIABLE:
            raise _refusal(message, "there is nothing to send again")
        if is_doubtful(message) and not self.is_sure:
            raise _refusal(message, "it may have been sent already, and the customer might get it twice")
        if not _is_document_available(work, message):
            raise _refusal(message, "its document is voided, or the link to it has ended")
        return _update(
            work, message, **queued_fields(message["outbox"], work.reference_time), error=None, provider_id=None
        )


@dataclass(frozen=True, slots=True)
class CancelMessage(_MessageCommand):
    """Cancel a message that has not been sent."""

    def apply(self, work: UnitOfWork) -> Document:
        message = self.find(work)
        if message["state"] not in DROPPABLE:
            raise _refusal(message, "there is nothing to drop")
        return _update(work, message, state=CANCELLED, **FINISHED_FIELDS)


def required_reads(message: Document) -> Reads:
    """Return the documents that must exist for a message to be sent: the link, and the document it leads to."""
    # Messages of earlier versions have no `link_id`.
    link_id = message.get("link_id")
    return () if link_id is None else ((LINKS, link_id), (message["kind"], message["document_id"]))


def _is_document_available(work: UnitOfWork, message: Document) -> bool:
    until = message.get("until")
    is_over = until is not None and until <= work.reference_time
    return not is_over and all(work.find(*each) is not None for each in required_reads(message))


def _refusal(message: Document, why: str) -> IllegalTransition:
    allowed = [CANCELLED] if message["state"] in DROPPABLE else []
    return IllegalTransition(f"The message is {message['state']}: {why}.", current=message["state"], allowed=allowed)


def _update(work: UnitOfWork, message: Document, **changes: object) -> Document:
    message = work.update(MESSAGES, message, **changes)
    if message["state"] in NOT_SENT:
        work.release_keys(message.get("retry_keys", ()), message["_id"])
    work.emit(MESSAGES, events.UPDATE, message, summarize_message(message))
    return message
