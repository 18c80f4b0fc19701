"""The settings of the message provider."""

from dataclasses import dataclass, field
from typing import Final

CONSOLE, CLOUD, FAST2SMS = "console", "cloud", "fast2sms"
PROVIDERS: Final = (CONSOLE, CLOUD, FAST2SMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """The provider settings of a deployment. See docs/messages.md.

    :ivar token: access token of the Cloud API, or API key of Fast2SMS.
    :ivar template: name of an approved template, or its message id of Fast2SMS; `document_template` likewise.
    :ivar app_secret: secret of the webhook; `verify_token` likewise.
    """

    provider: str = CONSOLE
    base_url: str = ""
    token: str = field(default="", repr=False)
    phone_number_id: str = ""
    api_version: str = "v25.0"
    template: str | None = None
    document_template: str | None = None
    template_language: str = "en"
    app_secret: str | None = field(default=None, repr=False)
    verify_token: str | None = field(default=None, repr=False)
