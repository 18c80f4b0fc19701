"""Which provider carries messages, and what it has to know."""

from dataclasses import dataclass, field
from typing import Final

CONSOLE, CLOUD, FAST2SMS = "console", "cloud", "fast2sms"
PROVIDERS: Final = (CONSOLE, CLOUD, FAST2SMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """What a deployment says of its provider. See docs/messages.md for what each means.

    token: of the Cloud API the access token, of Fast2SMS the API key. template, document_template: names of approved
    texts, of Fast2SMS their message ids. app_secret, verify_token: of the webhook.
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
