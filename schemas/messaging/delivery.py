"""What is handed to a provider of messages, and what becomes of it: the same for all of them."""

from dataclasses import dataclass
from typing import Final

#: The longest text that WhatsApp takes, in characters.
MAX_TEXT_LENGTH: Final = 4_096
#: The longest caption of a document that it takes.
MAX_CAPTION_LENGTH: Final = 1_024


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A message to one phone.

    to: E.164. text: what a person reads, the caption where there is a document. document_url: of a PDF that the
    provider fetches itself. reference: the shop's own name for this attempt, which news of it may bring back.
    """

    to: str
    text: str
    document_url: str | None = None
    filename: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has it. provider_id: by which its later news is known; None where it gives none."""

    provider_id: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider will not send it, however often it is asked. reason: for people, without numbers or keys."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class RetryLater:
    """It was surely not sent, and may be tried again. after: seconds that the provider asks for."""

    code: str
    reason: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent, and nobody can tell: never blindly sent again."""

    reason: str


Outcome = Accepted | Refused | RetryLater | Unknown
