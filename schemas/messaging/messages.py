"""The outbox: messages to customers, as they are stored and serialized. Pure values, no I/O.

`due_at` is when a process handles a message next: it sends a queued one, and marks one that is still being sent as
unknown. The process moves `due_at` forward, which is its lease. None: there is nothing left to do.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

from schemas.core.calendar import shop_time
from schemas.core.collections import MESSAGES, REGISTRY
from schemas.core.documents import Document, select
from schemas.messaging.delivery import Accepted, Outcome, OutgoingMessage, Refused, RetryLater
from schemas.messaging.documents import (
    Attachment,
    Letter,
    Message,
    MessageDraft,
    MessageError,
    MessageSummary,
)
from schemas.messaging.states import DELIVERED, FAILED, QUEUED, READ, SENDING, SENT, UNKNOWN, longer_delay, retry_delay

_REFERENCE: Final = re.compile(rf"({REGISTRY[MESSAGES].prefix}[0-9A-Z]{{26}})\.([0-9]{{1,9}})", re.ASCII)
#: States in which something is left to do.
OPEN_STATES: Final = frozenset({QUEUED, SENDING})
#: The field with the time at which a message reached each of these states.
STATE_TIMES: Final[Mapping[str, str]] = {SENT: "sent_at", DELIVERED: "delivered_at", READ: "read_at"}
#: The fields of a message that no process handles any more.
FINISHED_FIELDS: Final[Mapping[str, Any]] = {"due_at": None, "holder": None}
_UNANSWERED: Final = "unanswered"
_RESTORED: Final[MessageError] = {
    "code": "restored",
    "reason": "It was open in the backup, and may have been sent since.",
}

#: The error of a message whose document cannot be opened any more.
DOCUMENT_GONE: Final[MessageError] = {
    "code": "document_gone",
    "reason": "Its document is voided, or the link to it has ended.",
}

_DOUBTS: Final = (_UNANSWERED, _RESTORED["code"])


NO_ATTACHMENT: Final[Attachment] = {"kind": None, "document_id": None, "link_id": None, "until": None}


def attachment_of(kind: str, document_id: str, link_id: str, until: datetime) -> Attachment:
    """Return the document behind a public link."""
    return {"kind": kind, "document_id": document_id, "link_id": link_id, "until": until}


def draft_message(message: OutgoingMessage, attachment: Attachment = NO_ATTACHMENT) -> MessageDraft:
    """Return the stored fields of a requested message."""
    letter = cast("Letter", {name: getattr(message, name) for name in Letter.__annotations__})
    return {
        "letter": letter,
        **attachment,
        "attempt": 0,
        "provider": None,
        "provider_id": None,
        "error": None,
        "sent_at": None,
        "delivered_at": None,
        "read_at": None,
    }


def queued_fields(outbox: str, now: datetime) -> Document:
    """Return the fields of a message that waits to be sent by the processes of the store `outbox`."""
    return {"state": QUEUED, "outbox": outbox, "tries": 0, "due_at": now, "holder": None}


def outgoing_message(message: Message) -> OutgoingMessage:
    """Return the message for the provider, at its current attempt."""
    return OutgoingMessage(**message["letter"], reference=f"{message['_id']}.{message['attempt']}")


def parse_reference(reference: str | None) -> tuple[str | None, int | None]:
    """Return the message id and the attempt of a reference; None for both where the reference is not ours."""
    match = _REFERENCE.fullmatch(reference or "")
    return (match[1], int(match[2])) if match else (None, None)


def failed_fields(error: MessageError) -> Document:
    """Return the fields of a message that has failed."""
    return {**FINISHED_FIELDS, "state": FAILED, "error": error}


def outcome_fields(message: Message, outcome: Outcome, now: datetime, chance: float) -> Document:
    """Return the fields of a message after an attempt; for `chance` see `retry_delay`."""
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


def is_doubtful(message: Message) -> bool:
    """Return whether the last attempt may have sent the message."""
    return message["error"] is not None and message["error"]["code"] in _DOUBTS


def _error(code: str, reason: str) -> MessageError:
    return {"code": code, "reason": reason}


def summarize_message(message: Message) -> MessageSummary:
    """Return a message's data in events: its state, without phone number and text."""
    error = message["error"]
    return {
        "_id": message["_id"],
        "state": message["state"],
        "attempt": message["attempt"],
        "document_id": message["document_id"],
        "error": None if error is None else error["code"],
        "version": message["version"],
    }


def restored_message(message: Message) -> Message:
    """Return a message of an archive as a restore stores it.

    A restore never sends a message, since it may have been sent after the backup; and archives have no uploads.
    """
    if message["letter"]["document_url"] is not None and message.get("link_id") is None:
        message = {**message, "until": message["created_at"]}
    if message["state"] not in OPEN_STATES:
        return message
    return {**message, "due_at": None, "holder": None, "state": UNKNOWN, "error": _RESTORED}


def serialize_message(message: Message, zone: ZoneInfo) -> Document:
    """Return a message as the list shows it; `next_try_at` is set while it is queued."""
    letter = message["letter"]
    due = message["due_at"] if message["state"] == QUEUED else None
    times = {**select(message, ("created_at", "updated_at", *STATE_TIMES.values())), "next_try_at": due}
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
