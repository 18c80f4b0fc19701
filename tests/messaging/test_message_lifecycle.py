"""The lifecycle of a message: any order of worker, provider and user actions, without a database."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from repositories.journal.command import Command
from repositories.journal.transaction import Outcome, apply_command
from repositories.journal.unit_of_work import Counters, UnitOfWork
from repositories.messaging.commands import (
    BeginAttempt,
    CancelMessage,
    DeliveryUpdate,
    QueueMessage,
    RecordOutcome,
    RetryMessage,
)
from schemas.core.collections import MESSAGES
from schemas.core.errors import ShopError
from schemas.messaging.delivery import Accepted, OutgoingMessage, Refused, RetryLater, Unknown
from schemas.messaging.messages import OPEN_STATES, draft_message, outgoing_message
from schemas.messaging.states import DELIVERED, FAILED, READ, SENDING, SENT, STATES, UNKNOWN

LEASE = timedelta(seconds=60)
OUTCOMES = (Accepted("wamid"), Refused("1", "No."), RetryLater("2", "Busy."), Unknown("Lost."))


class MessageMachine(RuleBasedStateMachine):
    """One message.

    :ivar received: the attempts that the provider received, in order.
    :ivar flights: attempts whose worker has not yet recorded an outcome.
    :ivar is_free: whether the last attempt was reported as not sent, by the provider or a user.
    :ivar has_arrived: whether the provider reported the message as delivered.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.received: list[str | None] = []
        self.flights: list[dict[str, Any]] = []
        self.claims: list[dict[str, Any]] = []
        self.message: dict[str, Any] = {}
        self.is_free = True
        self.has_arrived = False

    def apply(self, command: Command) -> Outcome | ShopError:
        documents = {(MESSAGES, "MSG-1"): self.message} if self.message else {}
        work = UnitOfWork("main", ZoneInfo("UTC"), self.now, Counters(), documents, {})
        outcome = apply_command(command, work)
        before = self.message
        self.message = work.changed.get((MESSAGES, "MSG-1"), before)
        is_new = self.message is not before
        assert len(work.events) == is_new, "each change has an event"
        return outcome

    @initialize()
    def queue(self) -> None:
        self.apply(QueueMessage("MSG-1", draft_message(OutgoingMessage("+919822012345", "Hello")), "main"))

    @precondition(lambda self: self.message["due_at"] is not None and self.message["due_at"] <= self.now)
    @rule()
    def claim(self) -> None:
        self.message = {**self.message, "holder": f"holder-{len(self.claims)}", "due_at": self.now + LEASE / 4}
        self.claims.append(self.message)

    @precondition(lambda self: self.claims)
    @rule(which=st.integers(0, 9))
    def begin(self, which: int) -> None:
        claim = self.claims[which % len(self.claims)]
        if claim["state"] == SENDING:
            self.apply(RecordOutcome("MSG-1", claim["attempt"], Unknown("Gone."), 0.5))
            return
        attempt = claim["attempt"] + 1
        before, was_begun = self.message, self.message["state"] == SENDING
        self.apply(BeginAttempt("MSG-1", claim["holder"], attempt, "memory", self.now + LEASE))
        begun: Any = self.message
        assert begun is before or claim["holder"] == before["holder"], "another worker has claimed it since"
        if not was_begun and (begun["state"], begun["holder"], begun["attempt"]) == (SENDING, claim["holder"], attempt):
            assert self.is_free, "it may have been sent, and no user requested a retry"
            assert not self.has_arrived, "it was delivered"
            self.is_free = False
            self.received.append(outgoing_message(begun).reference)
            self.flights.append(dict(begun))

    @precondition(lambda self: self.flights)
    @rule(which=st.integers(0, 9), outcome=st.sampled_from(OUTCOMES), is_last=st.booleans())
    def record_outcome(self, which: int, outcome: Any, is_last: bool) -> None:
        """Record the outcome of an attempt.

        :param is_last: whether the worker receives the acknowledgement, so it does not record the outcome again.
        """
        flight = self.flights[which % len(self.flights)]
        is_current = flight["attempt"] == self.message["attempt"] and self.message["state"] in (SENDING, UNKNOWN)
        before = self.message
        self.apply(RecordOutcome("MSG-1", flight["attempt"], flight.setdefault("outcome", outcome), 0.5))
        assert is_current or self.message is before, "a later attempt or status takes precedence"
        if is_current and isinstance(flight["outcome"], RetryLater):
            self.is_free = True
        if is_last:
            self.flights.remove(flight)

    @rule(state=st.sampled_from((SENT, DELIVERED, READ, FAILED)), ago=st.sampled_from((-1, 0, 0, 0, 1)))
    def update_status(self, state: str, ago: int) -> None:
        """Report a status.

        :param ago: how many attempts before the last one the status is about.
        """
        before, attempt = self.message, self.message["attempt"] - ago
        self.apply(DeliveryUpdate("MSG-1", attempt, "wamid", state, self.now))
        if ago or not attempt or before["state"] == READ:
            assert self.message == before
        elif state in (DELIVERED, READ):
            assert self.message["state"] in (DELIVERED, READ)
            self.has_arrived = True

    @precondition(lambda self: self.message["state"] == SENDING and self.flights)
    @rule(state=st.sampled_from((SENT, DELIVERED, READ)))
    def accept_after_retry_later(self, state: str) -> None:
        """Report that the provider can be retried, and then that it accepted the same attempt."""
        self.record_outcome(len(self.flights) - 1, RetryLater("2", "Busy."), True)
        self.update_status(state, 0)
        assert self.message["due_at"] is None

    @rule(is_sure=st.booleans())
    def retry(self, is_sure: bool) -> None:
        was_known = self.message["state"] in (FAILED, "cancelled") and not self._is_doubtful()
        outcome = self.apply(RetryMessage("MSG-1", is_sure=is_sure))
        if not isinstance(outcome, ShopError):
            assert is_sure or was_known
            self.is_free = True

    def _is_doubtful(self) -> bool:
        return (self.message["error"] or {}).get("code") == "unanswered"

    @precondition(lambda self: self.message["state"] in (FAILED, UNKNOWN))
    @rule()
    def retry_immediately(self) -> None:
        """Retry as a user who is sure, and begin the attempt at once."""
        self.retry(is_sure=True)
        self.claim()
        self.begin(len(self.claims) - 1)

    @rule()
    def drop(self) -> None:
        self.apply(CancelMessage("MSG-1"))

    @rule(seconds=st.sampled_from((1, 20, 70, 4_000)))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def each_attempt_is_sent_once(self) -> None:
        assert len(set(self.received)) == len(self.received)

    @precondition(lambda self: self.message)
    @invariant()
    def only_open_messages_are_due(self) -> None:
        assert self.message["state"] in STATES
        assert (self.message["due_at"] is not None) == (self.message["state"] in OPEN_STATES)


TestMessage = MessageMachine.TestCase
TestMessage.settings = settings(stateful_step_count=40)
