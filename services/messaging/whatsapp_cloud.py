"""WhatsApp's own Cloud API: `POST /{version}/{phone_number_id}/messages`, as Meta describes it for v25.0.

Its errors are told apart by `error.code`, as Meta asks for: titles and subcodes are to go.
"""

from collections.abc import Mapping
from typing import Any, Final

from schemas.messaging.delivery import (
    MAX_CAPTION_LENGTH,
    MAX_TEXT_LENGTH,
    Accepted,
    Outcome,
    OutgoingMessage,
    Refused,
    RetryLater,
    Unknown,
)
from schemas.messaging.provider_errors import cloud_error
from services.messaging.http_exchange import ProviderClient, ProviderResponse, failure_outcome
from services.messaging.provider_settings import CLOUD, ProviderSettings

DEFAULT_URL: Final = "https://graph.facebook.com"
#: Throughput, an unknown fault of theirs, a service that is away, too many to one phone: it may go better later.
TEMPORARY: Final = frozenset({130429, 131000, 131016, 131056})

Json = dict[str, Any]


class WhatsAppCloud:
    """Sends through one phone number of a WhatsApp Business account."""

    name = CLOUD

    def __init__(self, settings: ProviderSettings, exchange: ProviderClient) -> None:
        self._settings = settings
        self._exchange = exchange
        self._path = f"{settings.api_version}/{settings.phone_number_id}/messages"
        self._headers = {"Authorization": f"Bearer {settings.token}"}

    async def send(self, letter: OutgoingMessage) -> Outcome:
        content = content_of(letter, self._settings)
        if isinstance(content, Refused):
            return content
        body = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": letter.to, **content}
        if letter.reference:
            # News of the message bring it back, also where the answer that named its id was lost.
            body["biz_opaque_callback_data"] = letter.reference
        answer = await self._exchange.ask("POST", self._path, headers=self._headers, json=body)
        return self._outcome(answer) if isinstance(answer, ProviderResponse) else answer

    async def close(self) -> None:
        await self._exchange.close()

    def _outcome(self, answer: ProviderResponse) -> Accepted | Refused | RetryLater | Unknown:
        body = answer.body or {}
        if answer.is_success and (provider_id := _id_in(body)):
            return Accepted(provider_id)
        error = body.get("error")
        if isinstance(error, dict):
            return self._failure(answer, error)
        if answer.is_success or answer.is_lost:
            return Unknown("The answer could not be read, so it may have been sent.")
        return failure_outcome(answer, None, answer.reason, is_temporary=answer.is_temporary)

    def _failure(self, answer: ProviderResponse, error: Mapping[str, Any]) -> Refused | RetryLater:
        code, reason = cloud_error(error, self._settings.token)
        return failure_outcome(answer, code, reason, is_temporary=code in TEMPORARY or answer.is_temporary)


def content_of(letter: OutgoingMessage, settings: ProviderSettings) -> Json | Refused:
    """The part of a message that says what it is: an approved text, a document or a text of one's own.

    Where the settings name an approved text, it is what letters go out with, since others reach those alone who wrote
    to the shop within the last 24 hours. Such a text has one value, what the letter says.
    """
    usual = settings.document_template if letter.document_url else settings.template
    if usual:
        return _template(letter, usual, settings.template_language)
    if letter.document_url is None:
        if not 0 < len(letter.text) <= MAX_TEXT_LENGTH:
            return Refused("wrong_length", f"A text must have 1 to {MAX_TEXT_LENGTH:,} characters.")
        return {"type": "text", "text": {"preview_url": False, "body": letter.text}}
    if len(letter.text) > MAX_CAPTION_LENGTH:
        return Refused("wrong_length", f"The text beside a document may have {MAX_CAPTION_LENGTH:,} characters.")
    caption = {"caption": letter.text} if letter.text else {}
    return {"type": "document", "document": {**_document(letter), **caption}}


def _template(letter: OutgoingMessage, name: str, language: str) -> Json:
    components: list[Json] = []
    if letter.document_url is not None:
        header = {"type": "document", "document": _document(letter)}
        components.append({"type": "header", "parameters": [header]})
    components.append({"type": "body", "parameters": [{"type": "text", "text": template_value(letter.text)}]})
    return {"type": "template", "template": {"name": name, "language": {"code": language}, "components": components}}


def _document(letter: OutgoingMessage) -> Json:
    named = {"filename": letter.filename} if letter.filename else {}
    return {"link": letter.document_url, **named}


def template_value(value: str) -> str:
    """A value as an approved text takes it: no newline, no tab, no run of spaces, and not nothing."""
    return " ".join(value.split()) or "-"


def _id_in(body: Mapping[str, Any]) -> str | None:
    messages = body.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    provider_id = first.get("id") if isinstance(first, dict) else None
    return provider_id if isinstance(provider_id, str) and provider_id else None
