"""Fast2SMS: `GET /dev/whatsapp`, which sends approved texts to Indian phones. Its key is in the address."""

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
#: What WhatsApp shows of a value, and what an address can hold.
LONGEST_VALUE: Final = 1_024
_INDIAN: Final = re.compile(r"\+91([6-9]\d{9})", re.ASCII)
#: The codes of its list of errors: each needs somebody who mends a setting, a text or the wallet.
_FINAL: Final = frozenset({*range(401, 427), 500, 990, *range(995, 1000)})
_TOO_MANY: Final = 429
#: How it says that it may go better later, where it gives no code that is known.
_TEMPORARY: Final = re.compile(
    r"try again|too many|rate limit|temporar|timed? ?out|busy|unavailable|server error", re.IGNORECASE
)


class Fast2Sms:
    """Sends through one WhatsApp number that Fast2SMS keeps."""

    name = FAST2SMS

    def __init__(self, settings: ProviderSettings, exchange: ProviderClient) -> None:
        self._settings = settings
        self._exchange = exchange

    async def send(self, letter: OutgoingMessage) -> Outcome:
        asked = question_of(letter, self._settings)
        if isinstance(asked, Refused):
            return asked
        answer = await self._exchange.ask("GET", PATH, params={"authorization": self._settings.token, **asked})
        return self._outcome(answer) if isinstance(answer, ProviderResponse) else answer

    async def close(self) -> None:
        await self._exchange.close()

    def _outcome(self, answer: ProviderResponse) -> Accepted | Refused | RetryLater | Unknown:
        body = answer.body or {}
        flags = [body.get("return"), body.get("status")]
        if answer.is_success and any(flag is True for flag in flags):
            return Accepted(_id_in(body))
        if answer.is_success and not any(flag is False for flag in flags):
            return Unknown("The answer could not be read, so it may have been sent.")
        if answer.is_lost:
            return Unknown("A gateway heard no answer, so it may have been sent.")
        return self._failure(answer, body)

    def _failure(self, answer: ProviderResponse, body: Mapping[str, Any]) -> Refused | RetryLater:
        code, said = numeric_code(body.get("status_code")), body.get("message")
        if isinstance(said, list):
            said = " ".join(each for each in said if isinstance(each, str))
        reason = safe_reason(said, self._settings.token, otherwise=answer.reason)
        is_temporary = answer.is_temporary or (
            code not in _FINAL and (code == _TOO_MANY or _TEMPORARY.search(reason) is not None)
        )
        return failure_outcome(answer, code, reason, is_temporary=is_temporary)


def question_of(letter: OutgoingMessage, settings: ProviderSettings) -> dict[str, str] | Refused:
    """The parameters of the address, but for the key."""
    number = _INDIAN.fullmatch(letter.to)
    if number is None:
        return Refused("not_indian", "Fast2SMS reaches Indian mobile numbers alone.")
    template = settings.document_template if letter.document_url else settings.template
    if template is None:
        return Refused("no_template", "No approved text is set for this kind of message.")
    # A bar in the value would be taken for the end of it.
    value = template_value(letter.text.replace("|", "/"))
    if len(value) > LONGEST_VALUE:
        return Refused("wrong_length", f"The value of an approved text may have {LONGEST_VALUE:,} characters.")
    asked = {
        "message_id": template,
        "phone_number_id": settings.phone_number_id,
        "numbers": number[1],
        "variables_values": value,
        "media_url": letter.document_url or "",
        "document_filename": (letter.filename or "") if letter.document_url else "",
    }
    return {name: value for name, value in asked.items() if value}


def _id_in(body: Mapping[str, Any]) -> str | None:
    given = body.get("request_id")
    return given if isinstance(given, str) and given else None
