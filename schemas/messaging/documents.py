"""What is stored of messages to customers."""

from datetime import datetime
from typing import TypedDict

from schemas.core.documents import Signed


class Letter(TypedDict):
    """What the customer receives, equal at each attempt."""

    to: str  # E.164
    text: str
    document_url: str | None
    filename: str | None


class MessageError(TypedDict):
    code: str
    reason: str  # a sentence for people


class Attachment(TypedDict):
    """The document behind the URL of a message. A field is None where there is none."""

    kind: str | None  # `estimates` or `orders`
    document_id: str | None
    link_id: str | None  # of the public link
    until: datetime | None  # when the URL expires


class MessageDraft(Attachment):
    """The fields that a request to send a message determines."""

    letter: Letter
    attempt: int  # the number of the latest one; 0: none was begun
    provider: str | None
    provider_id: str | None
    error: MessageError | None
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None


class Message(MessageDraft, Signed):
    state: str
    outbox: str  # the store whose processes send it
    tries: int  # attempts since it was queued
    due_at: datetime | None  # when a process handles it next
    holder: str | None  # the process that has claimed it
    retry_keys: list[str]


class MessageSummary(TypedDict):
    """A message's data in events: no phone number and no text."""

    _id: str
    state: str
    attempt: int
    document_id: str | None
    error: str | None  # a code
    version: int


class MessageReceipt(MessageSummary):
    document_url: str | None
