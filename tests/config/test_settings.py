"""Settings: defaults, environment variables, and errors that name the variable."""

from pathlib import Path

import pytest

from app.config.settings import InvalidSettings, Settings, read_settings

NAMES = (
    *("MONGODB_URL", "DATABASE_NAME", "PUBLIC_BASE_URL", "HOST", "PORT", "WEB_CONCURRENCY", "STORE_ID", "TIMEZONE"),
    *("CURRENCY", "CORS_ORIGINS", "EVENT_RETENTION_DAYS", "LOG_LEVEL", "DATA_DIR", "MONGOD_PATH", "ALLOW_LOCAL_MONGOD"),
    *(
        "MAX_CONNECTIONS",
        "LOG_FORMAT",
        "SENTRY_DSN",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "RATE_LIMIT",
        "MESSAGE_RATE_LIMIT",
        "SECRET_KEY",
    ),
    *("SIGN_IN", "SETUP_TOKEN", "ALLOW_INSECURE", "ALLOWED_HOSTS", "TRUSTED_PROXIES", "FONT_DIR"),
    *("WHATSAPP_PROVIDER", "WHATSAPP_TOKEN", "WHATSAPP_PHONE_NUMBER_ID", "WHATSAPP_API_VERSION", "WHATSAPP_BASE_URL"),
    *("WHATSAPP_TEMPLATE", "WHATSAPP_DOCUMENT_TEMPLATE", "WHATSAPP_TEMPLATE_LANGUAGE"),
    *("WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN"),
)


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*NAMES, "RENDER_EXTERNAL_URL"):
        monkeypatch.delenv(name, raising=False)


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_settings() == Settings()


def test_environment_variables_override_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "MONGODB_URL": "mongodb://db.internal/",
        "PORT": "9000",
        "TIMEZONE": "America/New_York",
        "CORS_ORIGINS": "https://a.example,https://b.example",
        "PUBLIC_BASE_URL": "https://shop.example/",
    }.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert settings.mongodb_url == "mongodb://db.internal/"
    assert settings.port == 9000
    assert settings.timezone.key == "America/New_York"
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert settings.public_base_url == "https://shop.example"


def test_whitespace_around_values_and_their_case_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PORT": " 9000 ",
        "CORS_ORIGINS": " https://a.example , https://b.example,",
        "LOG_LEVEL": "INFO",
        "CURRENCY": "inr",
        "ALLOW_LOCAL_MONGOD": "True",
    }.items():
        monkeypatch.setenv(name, value)
    settings = read_settings()
    assert settings.port == 9000
    assert settings.cors_origins == ("https://a.example", "https://b.example")
    assert (settings.log_level, settings.currency, settings.allow_local_mongod) == ("info", "INR", True)


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, blank)
    assert read_settings() == Settings()


def test_a_dotenv_file_sets_what_the_environment_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("STORE_ID=from-file\nCURRENCY=USD\n")
    monkeypatch.setenv("STORE_ID", "from-environment")
    settings = read_settings()
    assert (settings.store_id, settings.currency) == ("from-environment", "USD")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("FONT_DIR", "/nowhere"),
        ("FONT_DIR", "/"),
        ("PORT", "70000"),
        ("DATABASE_NAME", "a/b"),
        ("PUBLIC_BASE_URL", "shop.example"),
        ("STORE_ID", "two words"),
        ("TIMEZONE", "Asia/Nowhere"),
        ("TIMEZONE", "../../etc/passwd"),
        ("CURRENCY", "rupees"),
        ("CURRENCY", "JPY"),
        ("CORS_ORIGINS", "shop.example"),
        ("EVENT_RETENTION_DAYS", "29"),
        ("EVENT_RETENTION_DAYS", "3651"),
        ("LOG_LEVEL", "loud"),
        ("LOG_FORMAT", "yaml"),
        ("SENTRY_DSN", "sentry.example.com"),
        ("SENTRY_DSN", "https://sentry.example.com/1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("WEB_CONCURRENCY", "0"),
        ("ALLOW_LOCAL_MONGOD", "perhaps"),
        ("DATABASE_NAME", "admin"),
        ("DATABASE_NAME", "pos\u0660"),
        ("CURRENCY", "ZZZ"),
        ("TIMEZONE", "Factory"),
        ("TIMEZONE", "localtime"),
        ("PUBLIC_BASE_URL", "https://shop example.com"),
        ("PUBLIC_BASE_URL", "https://shop.example:port"),
        ("PUBLIC_BASE_URL", "https://shop.example/?"),
        ("CORS_ORIGINS", "https://shop.example?x=1"),
        ("CORS_ORIGINS", "https://shop.example/"),
        ("SIGN_IN", "maybe"),
        ("ALLOW_INSECURE", "perhaps"),
        ("ALLOWED_HOSTS", "https://shop.example"),
        ("ALLOWED_HOSTS", "shop.example:8000"),
        ("ALLOWED_HOSTS", "*"),
        ("TRUSTED_PROXIES", "-1"),
        ("TRUSTED_PROXIES", "all"),
        ("SETUP_TOKEN", "short"),
        ("SETUP_TOKEN", "aaaaaaaaaaaaaaaaaaaaaaaa"),
        ("SECRET_KEY", "2f9c5d1e7a"),
        ("SECRET_KEY", "changeme-8f3d2a6b9c1e4f7a0d5b8e2c"),
        ("SECRET_KEY", "Change_Me_8f3d2a6b9c1e4f7a0d5b8e2c"),
        ("SECRET_KEY", "secret-8f3d2a6b9c1e4f7a0d5b8e2c6a9"),
        ("SECRET_KEY", "django-insecure-8f3d2a6b9c1e4f7a0d"),
        ("SECRET_KEY", "x" * 40),
        ("SECRET_KEY", "0123456789abcdef" * 2),
        ("SECRET_KEY", "abcabcdabcdeabcdefabcabcdabcdeabcd"),
    ],
)
def test_an_invalid_value_is_rejected_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=name):
        read_settings()


def test_secrets_are_masked() -> None:
    shown = Settings(mongodb_url="mongodb+srv://shop:s3cret@db.example/?w=majority").masked()
    assert shown["mongodb_url"] == "mongodb+srv://db.example"
    assert "s3cret" not in str(shown)
    others = Settings(
        sentry_dsn="https://s3cret@sentry.example/1", otlp_endpoint="https://a:s3cret@otel.example"
    ).masked()
    assert others["sentry_dsn"] == "https://sentry.example"
    assert "s3cret" not in str(others)
    keys = Settings(secret_key="s3cret" * 9, setup_token="s3cret-token")
    assert (keys.masked()["secret_key"], keys.masked()["setup_token"]) == ("***", "***")
    assert "s3cret" not in repr(keys)


def test_an_error_about_a_secret_does_not_quote_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "changeme-8f3d2a6b9c1e4f7a0d5b8e2c")
    with pytest.raises(InvalidSettings) as refusal:
        read_settings()
    assert "8f3d" not in str(refusal.value)


def test_the_address_of_render_is_used_unless_another_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RENDER_EXTERNAL_URL", "https://pos-1.onrender.example")
    assert read_settings().public_base_url == "https://pos-1.onrender.example"
    assert not read_settings().is_open
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://shop.example")
    assert read_settings().public_base_url == "https://shop.example"
