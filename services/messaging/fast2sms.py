"""Fast2SMS: `GET /dev/whatsapp`, which sends approved templates to Indian phones. The API key is in the URL."""

import re
from collections.abc import Mapping
from typing import Any, Final

from schemas.messaging.delivery import Accepted, Outcome, OutgoingMessage, Refused, RetryLater, Unknown
from schemas.messaging.provider_errors import numeric_code, safe_reason
from services.messaging.http_exchange import ProviderClient, ProviderResponse, failure_outcome
from services.messaging.provider_settings import FAST2SMS, ProviderSettings
from services.messaging.whatsapp_cloud import template_value

DEFAULT_URL: Final = "https://www.fast2sms.com"
PATH: Final = "dev/whatsapp"
#: The limit of WhatsApp for a value, and of a URL.
LONGEST_VALUE: Final = 1_024
_INDIAN: Final = re.compile(r"\+91([6-9]\d{9})", re.ASCII)
#: Documented error codes that require a change of a setting, a template or the wallet.
_FINAL: Final = frozenset({*range(401, 427), 500, 990, *range(995, 1000)})
_TOO_MANY: Final = 429
#: Messages of temporary errors without a known code.
_TEMPORARY: Final = re.compile(
    r"try again|too many|rate limit|temporar|timed? ?out|busy|unavailable|server error", re.IGNORECASE
)


class Fast2Sms:
    """Sends through a WhatsApp number of Fast2SMS."""

    name = FAST2SMS

    def __init__(self, settings: ProviderSettings, client: ProviderClient) -> None:
        self._settings = settings
        self._client = client

    async def send(self, message: OutgoingMessage) -> Outcome:
        params = query_of(message, self._settings)
        if isinstance(params, Refused):
            return params
        answer = await self._client.ask("GET", PATH, params={"authorization": self._settings.token, **params})
        return self._outcome(answer) if isinstance(answer, ProviderResponse) else answer

    async def close(self) -> None:
        await self._client.close()

    def _outcome(self, answer: ProviderResponse) -> Accepted | Refused | RetryLater | Unknown:
        body = answer.body or {}
        flags = [body.get("return"), body.get("status")]
        if answer.is_success and any(flag is True for flag in flags):
            return Accepted(_id_in(body))
        if answer.is_success and not any(flag is False for flag in flags):
            return Unknown("The answer could not be read, so it may have been sent.")
        if answer.is_lost:
            return Unknown("A gateway received no answer, so it may have been sent.")
        return self._failure(answer, body)

    def _failure(self, answer: ProviderResponse, body: Mapping[str, Any]) -> Refused | RetryLater:
        code, detail = numeric_code(body.get("status_code")), body.get("message")
        if isinstance(detail, list):
            detail = " ".join(each for each in detail if isinstance(each, str))
        reason = safe_reason(detail, self._settings.token, otherwise=answer.reason)
        is_temporary = answer.is_temporary or (
            code not in _FINAL and (code == _TOO_MANY or _TEMPORARY.search(reason) is not None)
        )
        return failure_outcome(answer, code, reason, is_temporary=is_temporary)


def query_of(message: OutgoingMessage, settings: ProviderSettings) -> dict[str, str] | Refused:
    """Return the query parameters without the API key."""
    number = _INDIAN.fullmatch(message.to)
    if number is None:
        return Refused("not_indian", "Fast2SMS reaches Indian mobile numbers alone.")
    template = settings.document_template if message.document_url else settings.template
    if template is None:
        return Refused("no_template", "No approved text is set for this kind of message.")
    # A bar separates values.
    value = template_value(message.text.replace("|", "/"))
    if len(value) > LONGEST_VALUE:
        return Refused("wrong_length", f"The value of an approved text may have {LONGEST_VALUE:,} characters.")
    params = {
        "message_id": template,
        "phone_number_id": settings.phone_number_id,
        "numbers": number[1],
        "variables_values": value,
        "media_url": message.document_url or "",
        "document_filename": (message.filename or "") if message.document_url else "",
    }
    return {name: value for name, value in params.items() if value}


def _id_in(body: Mapping[str, Any]) -> str | None:
    given = body.get("request_id")
    return given if isinstance(given, str) and given else None
