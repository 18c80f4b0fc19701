"""Messages to customers, as they are stored in the outbox and shown: pure values, no I/O.

`due_at` is when somebody looks at a message next: at a queued one to send it, at one that is being sent to say that
nobody knows what became of it. Whoever looks moves it on, which is a lease. None: there is nothing left to do.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.core.calendar import shop_time
from schemas.core.documents import Document
from schemas.core.public_ids import MESSAGE_PREFIX
from schemas.messaging.delivery import Accepted, Outcome, OutgoingMessage, Refused, RetryLater
from schemas.messaging.states import DELIVERED, FAILED, QUEUED, READ, SENDING, SENT, UNKNOWN, longer_delay, retry_delay

_REFERENCE: Final = re.compile(rf"({MESSAGE_PREFIX}[0-9A-Z]{{26}})\.([0-9]{{1,9}})", re.ASCII)
#: States in which something is left to do.
OPEN_STATES: Final = frozenset({QUEUED, SENDING})
#: When it came to each of these.
STATE_TIMES: Final[Mapping[str, str]] = {SENT: "sent_at", DELIVERED: "delivered_at", READ: "read_at"}
#: What is kept of a letter: it is the same at each attempt.
_KEPT: Final = ("to", "text", "document_url", "filename")
#: Nobody looks at it any more.
FINISHED_FIELDS: Final[Mapping[str, Any]] = {"due_at": None, "holder": None}
#: What a message that was in an archive says: what was open then may have been sent since.
_UNANSWERED: Final = "unanswered"
_RESTORED: Final = {"code": "restored", "reason": "It was open in the backup, and may have been sent since."}

#: What a message comes to whose document does not open any more.
DOCUMENT_GONE: Final = {"code": "document_gone", "reason": "Its document is voided, or the link to it has ended."}

_DOUBTS: Final = (_UNANSWERED, _RESTORED["code"])


@dataclass(frozen=True, slots=True)
class Attachment:
    """What opens at the address that a letter gives. kind, document_id: of an estimate or an order. link_id: by which
    it is reached. until: when the address ends. Each None where there is none."""

    kind: str | None = None
    document_id: str | None = None
    link_id: str | None = None
    until: datetime | None = None


NO_ATTACHMENT: Final = Attachment()


def draft_message(letter: OutgoingMessage, enclosed: Attachment = NO_ATTACHMENT) -> Document:
    """The stored part of a message that is asked for."""
    content = {name: getattr(letter, name) for name in _KEPT}
    return {
        "letter": content,
        **asdict(enclosed),
        **dict.fromkeys(("provider", "provider_id", "error", *STATE_TIMES.values())),
        "attempt": 0,
    }


def queued_fields(outbox: str, now: datetime) -> Document:
    """What makes a message wait to be sent. outbox: the store whose processes send it."""
    return {"state": QUEUED, "outbox": outbox, "tries": 0, "due_at": now, "holder": None}


def outgoing_message(message: Document) -> OutgoingMessage:
    """What is handed to the provider at the attempt that the message is at."""
    kept = {name: message["letter"][name] for name in _KEPT}
    return OutgoingMessage(**kept, reference=f"{message['_id']}.{message['attempt']}")


def parse_reference(reference: str | None) -> tuple[str | None, int | None]:
    """The message and the attempt that a letter's reference names; None both where it is none of ours."""
    match = _REFERENCE.fullmatch(reference or "")
    return (match[1], int(match[2])) if match else (None, None)


def failed_fields(error: Document) -> Document:
    """What makes a message one that is not sent."""
    return {**FINISHED_FIELDS, "state": FAILED, "error": error}


def outcome_fields(message: Document, outcome: Outcome, now: datetime, chance: float) -> Document:
    """What a message that is being sent becomes by what the provider has said. chance: see `retry_delay`."""
    if isinstance(outcome, Accepted):
        return {**FINISHED_FIELDS, "state": SENT, "provider_id": outcome.provider_id, "sent_at": now, "error": None}
    if isinstance(outcome, Refused):
        return failed_fields(_error(outcome.code, outcome.reason))
    if isinstance(outcome, RetryLater):
        pause = retry_delay(message["tries"], chance)
        error = _error(outcome.code, outcome.reason)
        if pause is None:
            return failed_fields(error)
        return {"state": QUEUED, "due_at": now + longer_delay(pause, outcome.after), "holder": None, "error": error}
    return {**FINISHED_FIELDS, "state": UNKNOWN, "error": _error(_UNANSWERED, outcome.reason)}


def is_doubtful(message: Document) -> bool:
    """Whether a message may have been sent already, for all that is known of its last attempt."""
    return message["error"] is not None and message["error"]["code"] in _DOUBTS


def _error(code: str, reason: str) -> Document:
    return {"code": code, "reason": reason}


def summarize_message(message: Document) -> Document:
    """What an event says of a message: how it stands, and not to whom it goes or what it says."""
    error = message["error"]
    return {
        "_id": message["_id"],
        "state": message["state"],
        "attempt": message["attempt"],
        "document_id": message["document_id"],
        "error": None if error is None else error["code"],
        "version": message["version"],
    }


def restored_message(message: Document) -> Document:
    """A message from an archive: nothing is sent because somebody restored a backup, and an upload is not there."""
    if message["letter"]["document_url"] is not None and message.get("link_id") is None:
        message = {**message, "until": message["created_at"]}
    if message["state"] not in OPEN_STATES:
        return message
    return {**message, **FINISHED_FIELDS, "state": UNKNOWN, "error": _RESTORED}


def serialize_message(message: Document, zone: ZoneInfo) -> Document:
    """As the list of messages shows it. next_try_at: of one that waits."""
    letter = message["letter"]
    due = message["due_at"] if message["state"] == QUEUED else None
    times = {name: message[name] for name in ("created_at", "updated_at", *STATE_TIMES.values())} | {"next_try_at": due}
    return {
        "id": message["_id"],
        "state": message["state"],
        "phone_number": letter["to"],
        "message": letter["text"],
        "has_document": letter["document_url"] is not None,
        "document_id": message["document_id"],
        "provider": message["provider"],
        "attempts": message["attempt"],
        "error": message["error"],
        "by": message["created_by"]["name"],
        **{name: None if at is None else shop_time(at, zone) for name, at in times.items()},
        "version": message["version"],
    }
