"""WhatsApp's webhook: verification of the sender, and status updates of messages. Pure.

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
from schemas.messaging.documents import MessageError
from schemas.messaging.provider_errors import cloud_error
from schemas.messaging.states import DELIVERED, FAILED, READ, SENT

_SIGNATURE: Final = re.compile(r"sha256=[0-9a-f]{64}", re.ASCII)
_TOLD: Final = frozenset({SENT, DELIVERED, READ, FAILED})
_SECONDS: Final = re.compile(r"\d{1,11}", re.ASCII)
_LONGEST_ID: Final = 512


class NotFromProvider(ShopError):
    """The sender does not know the secret that the provider knows."""

    status, code, title = 403, "not_from_provider", "Not from the provider"


@dataclass(frozen=True, slots=True)
class WebhookKeys:
    """The secrets that authenticate the provider. Without them, each request is refused."""

    app_secret: str | None = field(default=None, repr=False)
    verify_token: str | None = field(default=None, repr=False)

    def check_form(self, signature: str) -> None:
        """Raise NotFromProvider for a signature that no body can have, before the body is read, or without a secret."""
        if self.app_secret is None:
            raise NotFromProvider("WHATSAPP_APP_SECRET is not set, so no status update can be verified.")
        if not _SIGNATURE.fullmatch(signature):
            raise NotFromProvider("The header X-Hub-Signature-256 must be given once, as sha256= and 64 digits.")

    def check_signature(self, raw: bytes, signature: str) -> None:
        """Raise NotFromProvider for a body that the app's secret did not sign, or if no secret is set."""
        self.check_form(signature)
        expected = "sha256=" + hmac.new((self.app_secret or "").encode(), raw, sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            raise NotFromProvider("The signature is not that of this body.")

    def check_token(self, token: str) -> None:
        """Raise NotFromProvider unless this is the verify token of the settings."""
        if self.verify_token is None:
            raise NotFromProvider("WHATSAPP_VERIFY_TOKEN is not set, so no webhook can be verified.")
        if not hmac.compare_digest(self.verify_token.encode(), token.encode()):
            raise NotFromProvider("The verify token is not that of WHATSAPP_VERIFY_TOKEN.")


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    """A provider's update of a message's state.

    :ivar provider_id: the provider's id of the message.
    :ivar state: one of `schemas.messaging.states`.
    :ivar at: when the message reached the state, UTC.
    :ivar code: of a failure, with its `reason`.
    :ivar reference: see `OutgoingMessage`.
    """

    provider_id: str
    state: str
    at: datetime
    code: str | None = None
    reason: str = ""
    reference: str | None = None

    @property
    def error(self) -> MessageError | None:
        return None if self.code is None else {"code": self.code, "reason": self.reason}


def status_updates(body: Mapping[str, Any]) -> list[StatusUpdate]:
    """Return each status update once, in order; other content of the body is ignored."""
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
    code, reason = _error(status) if state == FAILED else (None, "")
    reference = status.get("biz_opaque_callback_data")
    at = datetime.fromtimestamp(int(stamp), UTC)
    return StatusUpdate(provider_id, state, at, code, reason, reference if isinstance(reference, str) else None)


def _error(status: Mapping[str, Any]) -> tuple[str, str]:
    code, reason = cloud_error(next(iter(_objects(status, "errors")), {}))
    return "failed" if code is None else str(code), reason
