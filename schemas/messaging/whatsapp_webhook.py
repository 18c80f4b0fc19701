"""What WhatsApp tells of messages that were sent: who may tell it, and what it says. Pure: bytes and JSON in, news out.

Source: Meta, "Create a webhook endpoint" and "Status messages webhook reference" for the Cloud API.
"""

import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from schemas.core.errors import ShopError
from schemas.messaging.provider_errors import cloud_error
from schemas.messaging.states import DELIVERED, FAILED, READ, SENT

_SIGNATURE: Final = re.compile(r"sha256=[0-9a-f]{64}", re.ASCII)
_TOLD: Final = frozenset({SENT, DELIVERED, READ, FAILED})
_SECONDS: Final = re.compile(r"\d{1,11}", re.ASCII)
_LONGEST_ID: Final = 512


class NotFromProvider(ShopError):
    """Whoever sends this does not know what the provider knows."""

    status, code, title = 403, "not_from_provider", "Not from the provider"


@dataclass(frozen=True, slots=True)
class WebhookKeys:
    """By what the provider is known. Without them nobody is."""

    app_secret: str | None = field(default=None, repr=False)
    verify_token: str | None = field(default=None, repr=False)

    def check_form(self, signature: str) -> None:
        """Before anything is read of a body.

        :raises NotFromProvider: no body can have this signature.
        """
        if self.app_secret is None:
            raise NotFromProvider("WHATSAPP_APP_SECRET is not set, so nothing that is told here can be believed.")
        if not _SIGNATURE.fullmatch(signature):
            raise NotFromProvider("The header X-Hub-Signature-256 must be given once, as sha256= and 64 digits.")

    def check_signature(self, raw: bytes, signature: str) -> None:
        """:raises NotFromProvider: the body, byte by byte as it came, was not signed with the app's secret."""
        self.check_form(signature)
        expected = "sha256=" + hmac.new((self.app_secret or "").encode(), raw, sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            raise NotFromProvider("The signature is not that of this body.")

    def check_token(self, token: str) -> None:
        """:raises NotFromProvider: it is not the token that the settings name."""
        if self.verify_token is None:
            raise NotFromProvider("WHATSAPP_VERIFY_TOKEN is not set, so nobody can be verified here.")
        if not hmac.compare_digest(self.verify_token.encode(), token.encode()):
            raise NotFromProvider("The verify token is not that of WHATSAPP_VERIFY_TOKEN.")


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """What became of a message. provider_id: as the provider's answer named it. state: of `message_states`. at: when
    it came to that, UTC. code, reason: of what failed. reference: the letter's."""

    provider_id: str
    state: str
    at: datetime
    code: str | None = None
    reason: str | None = None
    reference: str | None = None

    @property
    def error(self) -> dict[str, str | None] | None:
        return None if self.code is None else {"code": self.code, "reason": self.reason}


def status_updates(body: Mapping[str, Any]) -> list[StatusUpdate]:
    """Each status once, in the order told; what is told of anything else, or in another form, is passed over."""
    return list(dict.fromkeys(news for status in _statuses(body) if (news := _news(status)) is not None))


def _statuses(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for entry in _objects(body, "entry"):
        for change in _objects(entry, "changes"):
            value = change.get("value")
            if isinstance(value, dict):
                yield from _objects(value, "statuses")


def _objects(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = holder.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _news(status: Mapping[str, Any]) -> StatusUpdate | None:
    provider_id, state, stamp = status.get("id"), status.get("status"), str(status.get("timestamp"))
    if not isinstance(provider_id, str) or not 0 < len(provider_id) <= _LONGEST_ID:
        return None
    if not isinstance(state, str) or state not in _TOLD or not _SECONDS.fullmatch(stamp):
        return None
    code, reason = _error(status) if state == FAILED else (None, None)
    reference = status.get("biz_opaque_callback_data")
    at = datetime.fromtimestamp(int(stamp), UTC)
    return StatusUpdate(provider_id, state, at, code, reason, reference if isinstance(reference, str) else None)


def _error(status: Mapping[str, Any]) -> tuple[str, str]:
    code, reason = cloud_error(next(iter(_objects(status, "errors")), {}))
    return "failed" if code is None else str(code), reason
