"""Outgoing messages and the outcomes of an attempt to send one, common to all providers."""

from dataclasses import dataclass
from typing import Final

#: The most characters of a text on WhatsApp.
MAX_TEXT_LENGTH: Final = 4_096
#: The most characters of a document's caption on WhatsApp.
MAX_CAPTION_LENGTH: Final = 1_024


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to one phone.

    :ivar to: E.164.
    :ivar text: the message, or the caption of the document.
    :ivar document_url: of a PDF, which the provider downloads.
    :ivar reference: our name of this attempt, which the provider's status updates may repeat.
    """

    to: str
    text: str
    document_url: str | None = None
    filename: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has accepted the message.

    :ivar provider_id: identifies its status updates; None where the provider gives none.
    """

    provider_id: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider will never send the message.

    :ivar reason: a sentence for people, without numbers or keys.
    """

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RetryLater:
    """The message was certainly not sent, and may be sent again.

    :ivar after: seconds that the provider asks to wait.
    """

    code: str
    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The message may have been sent, so it is never sent again automatically."""

    reason: str


Outcome = Accepted | Refused | RetryLater | Unknown
