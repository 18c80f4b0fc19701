"""The settings of the message provider."""

import re
from collections.abc import Callable, MutableMapping
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate

from app.config import validators as values
from app.config.addresses import LOOPBACK
from services.messaging.provider_settings import CLOUD, CONSOLE, FAST2SMS, PROVIDERS, ProviderSettings

#: name, default, kind -> value; notes a problem if the value is invalid.
Read = Callable[[str, Any, fields.Field[Any]], Any]

_NEEDED: Final = {
    CLOUD: ("WHATSAPP_TOKEN", "WHATSAPP_PHONE_NUMBER_ID"),
    FAST2SMS: ("WHATSAPP_TOKEN", "WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_TEMPLATE", "WHATSAPP_DOCUMENT_TEMPLATE"),
}
_WEBHOOK: Final = ("WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN")


def read_whatsapp(read: Read, problems: MutableMapping[str, str]) -> ProviderSettings:
    """Read the settings of the message provider.

    :param problems: name -> sentence; missing and invalid settings are added.
    """
    provider = read("WHATSAPP_PROVIDER", CONSOLE, values.one_of(*PROVIDERS)).lower()
    given = {
        "WHATSAPP_TOKEN": read("WHATSAPP_TOKEN", "", _key()),
        "WHATSAPP_PHONE_NUMBER_ID": read("WHATSAPP_PHONE_NUMBER_ID", "", _matching(r"\d{1,32}", "must be digits.")),
        "WHATSAPP_TEMPLATE": read("WHATSAPP_TEMPLATE", None, _template()),
        "WHATSAPP_DOCUMENT_TEMPLATE": read("WHATSAPP_DOCUMENT_TEMPLATE", None, _template()),
        "WHATSAPP_APP_SECRET": read("WHATSAPP_APP_SECRET", None, _key()),
        "WHATSAPP_VERIFY_TOKEN": read("WHATSAPP_VERIFY_TOKEN", None, _key()),
    }
    for name in _NEEDED.get(provider, ()):
        if not given[name]:
            problems.setdefault(name, f"must be set where WHATSAPP_PROVIDER is {provider}.")
    if provider == FAST2SMS:
        for name in ("WHATSAPP_TEMPLATE", "WHATSAPP_DOCUMENT_TEMPLATE"):
            if not (given[name] or "0").isdigit():
                problems.setdefault(name, "must be the message id that Fast2SMS gave the text, a number.")
    for name, other in (_WEBHOOK, _WEBHOOK[::-1]):
        if given[other] and not given[name]:
            problems.setdefault(name, f"must be set where {other} is.")
    return ProviderSettings(
        provider=provider,
        base_url=read("WHATSAPP_BASE_URL", "", values.text(_is_guarded)).rstrip("/"),
        token=given["WHATSAPP_TOKEN"],
        phone_number_id=given["WHATSAPP_PHONE_NUMBER_ID"],
        api_version=read("WHATSAPP_API_VERSION", "v25.0", _matching(r"v\d{1,3}\.\d", "must be a version, as v25.0.")),
        template=given["WHATSAPP_TEMPLATE"],
        document_template=given["WHATSAPP_DOCUMENT_TEMPLATE"],
        template_language=read(
            "WHATSAPP_TEMPLATE_LANGUAGE", "en", _matching(r"[a-z]{2,3}(_[A-Z]{2,3})?", "must be a language, as en_US.")
        ),
        app_secret=given["WHATSAPP_APP_SECRET"],
        verify_token=given["WHATSAPP_VERIFY_TOKEN"],
    )


def _matching(pattern: str, sentence: str) -> fields.String:
    return fields.String(validate=validate.Regexp(re.compile(f"(?:{pattern})\\Z", re.ASCII), error=sentence))


def _key() -> fields.String:
    # The value is used in a header or an address unchanged. An invalid one is not quoted, since it may be a secret.
    return _matching(r"[!-~]{8,1024}", "must have 8 to 1,024 characters, without spaces and letters beyond ASCII.")


def _template() -> fields.String:
    return _matching(r"[a-z0-9_]{1,512}", "must be the name or the number of an approved text.")


def _is_guarded(url: str) -> None:
    values.is_base_url(url)
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in LOOPBACK:
        raise ValidationError("must be an https address, since the token goes there.")
