"""The WhatsApp Cloud API: `POST /{version}/{phone_number_id}/messages`, as Meta documents it for v25.0.

Errors are identified by `error.code`, as Meta recommends: titles and subcodes are deprecated.
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
#: Temporary errors: throughput, unknown error, service unavailable, too many messages to one phone.
TEMPORARY: Final = frozenset({130429, 131000, 131016, 131056})

Json = dict[str, Any]


class WhatsAppCloud:
    """Sends through one phone number of a WhatsApp Business account."""

    name = CLOUD

    def __init__(self, settings: ProviderSettings, client: ProviderClient) -> None:
        self._settings = settings
        self._client = client
        self._path = f"{settings.api_version}/{settings.phone_number_id}/messages"
        self._headers = {"Authorization": f"Bearer {settings.token}"}

    async def send(self, message: OutgoingMessage) -> Outcome:
        content = content_of(message, self._settings)
        if isinstance(content, Refused):
            return content
        body = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": message.to, **content}
        if message.reference:
            # Delivery updates contain it, also if the response with the message id was lost.
            body["biz_opaque_callback_data"] = message.reference
        answer = await self._client.ask("POST", self._path, headers=self._headers, json=body)
        return self._outcome(answer) if isinstance(answer, ProviderResponse) else answer

    async def close(self) -> None:
        await self._client.close()

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


def content_of(message: OutgoingMessage, settings: ProviderSettings) -> Json | Refused:
    """Return the content of a message: a template, a document or a text.

    If the settings name a template, it is always used, since other messages only reach customers who wrote to the shop
    within the last 24 hours. A template has one value, the text of the message.
    """
    template = settings.document_template if message.document_url else settings.template
    if template:
        return _template(message, template, settings.template_language)
    if message.document_url is None:
        if not 0 < len(message.text) <= MAX_TEXT_LENGTH:
            return Refused("wrong_length", f"A text must have 1 to {MAX_TEXT_LENGTH:,} characters.")
        return {"type": "text", "text": {"preview_url": False, "body": message.text}}
    if len(message.text) > MAX_CAPTION_LENGTH:
        return Refused("wrong_length", f"The text beside a document may have {MAX_CAPTION_LENGTH:,} characters.")
    caption = {"caption": message.text} if message.text else {}
    return {"type": "document", "document": {**_document(message), **caption}}


def _template(message: OutgoingMessage, name: str, language: str) -> Json:
    components: list[Json] = []
    if message.document_url is not None:
        header = {"type": "document", "document": _document(message)}
        components.append({"type": "header", "parameters": [header]})
    components.append({"type": "body", "parameters": [{"type": "text", "text": template_value(message.text)}]})
    return {"type": "template", "template": {"name": name, "language": {"code": language}, "components": components}}


def _document(message: OutgoingMessage) -> Json:
    named = {"filename": message.filename} if message.filename else {}
    return {"link": message.document_url, **named}


def template_value(value: str) -> str:
    """Return a value that a template accepts: no newline, no tab, no repeated spaces, and not empty."""
    return " ".join(value.split()) or "-"


def _id_in(body: Mapping[str, Any]) -> str | None:
    messages = body.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    provider_id = first.get("id") if isinstance(first, dict) else None
    return provider_id if isinstance(provider_id, str) and provider_id else None
