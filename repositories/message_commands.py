"""Messages to customers, as commands of the journal.

What workers do is guarded by the number of the attempt, so that one who comes late overwrites nothing; and each of
their commands does nothing the second time, so that one whose outcome is not known can simply be given again.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from repositories.commands import Reads, live
from repositories.database import LINKS
from repositories.errors import NotFound
from repositories.link_commands import AddLink
from repositories.unit_of_work import UnitOfWork
from schemas import events
from schemas.documents import Document
from schemas.errors import IllegalTransition
from schemas.idempotency import RequestKey, reopening
from schemas.letters import Outcome
from schemas.message_states import CANCELLED, DROPPABLE, NOT_SENT, QUEUED, RETRIABLE, SENDING, SENT, UNKNOWN, is_news
from schemas.messages import DONE, GONE, MESSAGES, REACHED, given_up, is_doubtful, queued, settled, told
from schemas.principals import THE_SERVICE, Actor


@dataclass(frozen=True, slots=True)
class Send:
    """A message is to be sent. draft: as `schemas.messages.drafted`. outbox: the store whose processes send it. link:
    made with it, to what it is about."""

    message_id: str
    draft: Document
    outbox: str
    link: AddLink | None = None
    keys: tuple[RequestKey, ...] = ()
    by: Actor = THE_SERVICE

    @property
    def reads(self) -> Reads:
        return read_with(self.draft)

    def apply(self, work: UnitOfWork) -> Document:
        if self.link is not None:
            self.link.apply(work)
        if not _opens(work, self.draft):
            raise NotFound("The document does not open any more.")
        waiting = {**queued(self.outbox, work.moment), "retry_keys": reopening(self.keys)}
        message = work.add(MESSAGES, self.message_id, {**self.draft, **waiting})
        told_ = work.emit(MESSAGES, events.CREATE, message, told(message))
        return {**told_, "document_url": message["letter"]["document_url"]}


@dataclass(frozen=True, slots=True)
class _OfMessage:
    """What is done with a message that is there."""

    message_id: str
    keys: ClassVar[tuple[RequestKey, ...]] = ()

    @property
    def reads(self) -> Reads:
        return ((MESSAGES, self.message_id),)


@dataclass(frozen=True, slots=True)
class Begin(_OfMessage):
    """A worker is about to call the provider. It may, if the answer is being sent, by this holder, with this attempt.

    holder: who has claimed it. until: when nobody needs to wait for it any longer. enclosed: as `read_with` names it.
    """

    holder: str
    attempt: int
    provider: str
    until: datetime
    enclosed: Reads = ()
    by: ClassVar[Actor] = THE_SERVICE

    @property
    def reads(self) -> Reads:
        return ((MESSAGES, self.message_id), *self.enclosed)

    def apply(self, work: UnitOfWork) -> Document:
        message = live(work, MESSAGES, self.message_id)
        claimed = (message["state"], message["holder"], message["attempt"])
        if claimed != (QUEUED, self.holder, self.attempt - 1):
            return message
        if not _opens(work, message):
            return _changed(work, message, **given_up(GONE))
        begun = {"state": SENDING, "attempt": self.attempt, "tries": message["tries"] + 1}
        return _changed(work, message, **begun, provider=self.provider, due_at=self.until)


@dataclass(frozen=True, slots=True)
class Settle(_OfMessage):
    """What became of an attempt. chance: 0 to 1, see `schemas.message_states.pause_after`."""

    attempt: int
    outcome: Outcome
    chance: float
    by: ClassVar[Actor] = THE_SERVICE

    def apply(self, work: UnitOfWork) -> Document:
        message = live(work, MESSAGES, self.message_id)
        if message["attempt"] != self.attempt or message["state"] not in (SENDING, UNKNOWN):
            return message
        changes = settled(message, self.outcome, work.moment, self.chance)
        if changes["state"] == message["state"]:
            return message
        return _changed(work, message, **changes)


@dataclass(frozen=True, slots=True)
class Report(_OfMessage):
    """News from the provider of a message that it has. attempt: that it is of, None where it does not say. error: of
    one that failed."""

    attempt: int | None
    provider_id: str
    state: str
    at: datetime
    error: Document | None = None
    by: ClassVar[Actor] = THE_SERVICE

    def apply(self, work: UnitOfWork) -> Document:
        message = live(work, MESSAGES, self.message_id)
        if not self._is_of(message) or not is_news(message["state"], self.state):
            return message
        reached = {REACHED[self.state]: self.at} if self.state in REACHED else {}
        told_of = {"state": self.state, "provider_id": self.provider_id, "error": self.error}
        return _changed(work, message, **told_of, **DONE, **reached)

    def _is_of(self, message: Document) -> bool:
        """Whether it is of what was given away last."""
        if not message["attempt"] or self.attempt not in (None, message["attempt"]):
            return False
        if message["state"] != QUEUED:
            return message["provider_id"] in (None, self.provider_id)
        # Put back by itself, or by somebody who has it sent again, for whom only what is on the phone has been sent.
        return self.attempt is not None and (message["tries"] > 0 or self.state != SENT)


@dataclass(frozen=True, slots=True)
class Retry(_OfMessage):
    """Somebody wants a message to be sent after all. enclosed: as `read_with` names it. is_sure: also one that may have
    been sent already."""

    enclosed: Reads = ()
    is_sure: bool = False
    by: Actor = THE_SERVICE

    @property
    def reads(self) -> Reads:
        return ((MESSAGES, self.message_id), *self.enclosed)

    def apply(self, work: UnitOfWork) -> Document:
        message = live(work, MESSAGES, self.message_id)
        if message["state"] not in RETRIABLE:
            raise _refused(message, "there is nothing to send again")
        if is_doubtful(message) and not self.is_sure:
            raise _refused(message, "nobody knows whether it was sent, and it may come twice")
        if not _opens(work, message):
            raise _refused(message, "its document is voided, or the link to it has ended")
        return _changed(work, message, **queued(message["outbox"], work.moment), error=None, provider_id=None)


@dataclass(frozen=True, slots=True)
class Drop(_OfMessage):
    """A message that shall not be sent."""

    by: Actor = THE_SERVICE

    def apply(self, work: UnitOfWork) -> Document:
        message = live(work, MESSAGES, self.message_id)
        if message["state"] not in DROPPABLE:
            raise _refused(message, "there is nothing to drop")
        return _changed(work, message, state=CANCELLED, **DONE)


def read_with(message: Document) -> Reads:
    """What must be there for the document of a message to open: the link, and what that leads to."""
    # Messages of before do not say by which link.
    link_id = message.get("link_id")
    return () if link_id is None else ((LINKS, link_id), (message["kind"], message["document_id"]))


def _opens(work: UnitOfWork, message: Document) -> bool:
    until = message.get("until")
    is_over = until is not None and until <= work.moment
    return not is_over and all(work.find(*each) is not None for each in read_with(message))


def _refused(message: Document, why: str) -> IllegalTransition:
    allowed = [CANCELLED] if message["state"] in DROPPABLE else []
    return IllegalTransition(f"The message is {message['state']}: {why}.", current=message["state"], allowed=allowed)


def _changed(work: UnitOfWork, message: Document, **changes: object) -> Document:
    message = work.update(MESSAGES, message, **changes)
    if message["state"] in NOT_SENT:
        work.forget(message.get("retry_keys", ()), message["_id"])
    work.emit(MESSAGES, events.UPDATE, message, told(message))
    return message
