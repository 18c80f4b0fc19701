"""Settings of the WhatsApp provider: incomplete ones are rejected by name at the start."""

import os

import pytest

from app.config.settings import InvalidSettings, Settings, WrongSettings, read_settings
from services.messaging.console import ConsoleProvider
from services.messaging.fast2sms import Fast2Sms
from services.messaging.provider import provider_of
from services.messaging.provider_settings import PROVIDERS, ProviderSettings
from services.messaging.whatsapp_cloud import WhatsAppCloud
from tests.config.test_settings import NAMES, empty_environment  # noqa: F401  (used by all tests)
from tests.support.messaging.outgoing_messages import NOW

CLOUD = {"WHATSAPP_PROVIDER": "cloud", "WHATSAPP_TOKEN": "EAAJ12345678", "WHATSAPP_PHONE_NUMBER_ID": "1065403"}
FAST2SMS = {
    **CLOUD,
    "WHATSAPP_PROVIDER": "Fast2SMS",
    "WHATSAPP_TEMPLATE": "18287",
    "WHATSAPP_DOCUMENT_TEMPLATE": "18290",
}
WEBHOOK = {"WHATSAPP_APP_SECRET": "0123456789abcdef", "WHATSAPP_VERIFY_TOKEN": "swordfish"}


def _read(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> Settings:
    for name in [name for name in os.environ if name.startswith("WHATSAPP_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def test_all_settings_of_the_provider_are_known() -> None:
    assert {*CLOUD, *FAST2SMS, *WEBHOOK} <= set(NAMES)


def test_complete_settings_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"WHATSAPP_API_VERSION": "v24.0", "WHATSAPP_BASE_URL": "http://127.0.0.1:9/x/", "WHATSAPP_TEMPLATE": "note"}
    assert _read(monkeypatch, {**CLOUD, **WEBHOOK, **more, "WHATSAPP_TEMPLATE_LANGUAGE": "en_US"}).whatsapp == (
        ProviderSettings(
            provider="cloud",
            base_url="http://127.0.0.1:9/x",
            token="EAAJ12345678",
            phone_number_id="1065403",
            api_version="v24.0",
            template="note",
            template_language="en_US",
            app_secret="0123456789abcdef",
            verify_token="swordfish",
        )
    )
    assert _read(monkeypatch, FAST2SMS).whatsapp.provider == "fast2sms"


@pytest.mark.parametrize("missing", [*CLOUD, *FAST2SMS, *WEBHOOK])
def test_a_missing_setting_is_reported_by_name(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing == "WHATSAPP_PROVIDER":
        assert _read(monkeypatch, {}).whatsapp == ProviderSettings()
        return
    variables = {**FAST2SMS, **WEBHOOK}
    del variables[missing]
    with pytest.raises(WrongSettings) as refusal:
        _read(monkeypatch, variables)
    assert list(refusal.value.problems) == [missing]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WHATSAPP_PROVIDER", "pigeon"),
        ("WHATSAPP_TOKEN", "two words here"),
        ("WHATSAPP_TOKEN", "s3cr\u00e9t-token"),
        ("WHATSAPP_TOKEN", "short"),
        ("WHATSAPP_PHONE_NUMBER_ID", "+919822012345"),
        ("WHATSAPP_PHONE_NUMBER_ID", "../me"),
        ("WHATSAPP_API_VERSION", "25.1"),
        ("WHATSAPP_API_VERSION", "v25.0/x"),
        ("WHATSAPP_BASE_URL", "http://graph.example"),
        ("WHATSAPP_BASE_URL", "graph.example"),
        ("WHATSAPP_TEMPLATE", "Two Words"),
        ("WHATSAPP_TEMPLATE_LANGUAGE", "english"),
        ("WHATSAPP_APP_SECRET", "x y"),
    ],
)
def test_an_invalid_value_is_reported_by_name_without_quoting_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(InvalidSettings, match=name) as refusal:
        _read(monkeypatch, {**CLOUD, **WEBHOOK, name: value})
    assert value not in str(refusal.value)


def test_templates_of_fast2sms_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidSettings, match="WHATSAPP_TEMPLATE"):
        _read(monkeypatch, {**FAST2SMS, "WHATSAPP_TEMPLATE": "note"})


def test_secrets_are_masked() -> None:
    settings = Settings(whatsapp=ProviderSettings(token="s3cret", app_secret="s3cret", verify_token="s3cret"))
    assert settings.masked()["whatsapp"] == "console"
    assert "s3cret" not in str(settings.masked()) + repr(settings)


async def test_each_provider_name_has_its_class() -> None:
    kinds = (ConsoleProvider, WhatsAppCloud, Fast2Sms)
    for name, kind in zip(PROVIDERS, kinds, strict=True):
        provider = provider_of(ProviderSettings(provider=name, token="12345678"), lambda: NOW)
        assert (type(provider), provider.name) == (kind, name)
        await provider.close()
