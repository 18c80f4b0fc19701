"""Settings from the environment and `.env`: one frozen object. An invalid value is refused at the start."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from environs import Env
from marshmallow import ValidationError, fields

from app.config import validators as values
from app.config.addresses import LOOPBACK
from app.config.whatsapp import read_whatsapp
from app.refusals import Refused
from schemas.text.safe_addresses import safe_address
from services.messaging.provider_settings import ProviderSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a deployment. docs/settings.md describes each one."""

    mongodb_url: str | None = None
    database_name: str = "pos"
    public_base_url: str = "http://127.0.0.1:8000"
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    store_id: str = "main"
    timezone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Kolkata"))
    currency: str = "INR"
    cors_origins: tuple[str, ...] = ()
    event_retention_days: int = 90
    max_connections: int = 10_000
    rate_limit: int = 12_000
    message_rate_limit: int = 60
    log_level: str = "info"
    log_format: str = "auto"
    sentry_dsn: str | None = None
    otlp_endpoint: str | None = None
    sign_in: str = "auto"
    secret_key: str | None = field(default=None, repr=False)
    setup_token: str | None = field(default=None, repr=False)
    allow_insecure: bool = False
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: int = 0
    data_dir: str = "data"
    mongod_path: str | None = None
    allow_local_mongod: bool = False
    font_dir: str | None = None
    whatsapp: ProviderSettings = field(default_factory=ProviderSettings)

    @property
    def is_open(self) -> bool:
        """Whether no sign-in is required. By default this holds if only this machine reaches the service."""
        if self.sign_in != "auto":
            return self.sign_in == "off"
        return self.is_local

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches the service, according to the settings."""
        return self.host in LOOPBACK and self.public_host in LOOPBACK

    @property
    def is_insecure(self) -> bool:
        """Whether no sign-in is required from any client, because the operator has set this twice."""
        return self.sign_in == "off" and self.allow_insecure

    @property
    def is_for_any_page(self) -> bool:
        """Whether no sign-in is required and every web page may send requests from a browser."""
        return self.is_open and "*" in self.cors_origins

    @property
    def answers_loopback_names_alone(self) -> bool:
        """Whether other machines reach the service, but it answers only to loopback names."""
        return self.host not in LOOPBACK and self.public_host in LOOPBACK and not self.allowed_hosts

    @property
    def public_host(self) -> str:
        return urlsplit(self.public_base_url).hostname or ""

    def masked(self) -> dict[str, Any]:
        """Return the settings to show, with secrets starred out."""
        shown = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        shown["timezone"] = self.timezone.key
        shown["whatsapp"] = self.whatsapp.provider
        for name in ("mongodb_url", "sentry_dsn", "otlp_endpoint"):
            shown[name] = safe_address(shown[name]) if shown[name] else None
        for name in ("secret_key", "setup_token"):
            shown[name] = "***" if shown[name] else None
        return shown


class InvalidSettings(Refused):
    """The settings are invalid; the message names the setting and says what to do."""


class WrongSettings(InvalidSettings):
    """Some settings have invalid values; the message names each and says what is expected.

    :param problems: name -> sentence.
    :param rest: the settings, with defaults in place of the invalid values.
    """

    def __init__(self, problems: Mapping[str, str], rest: Settings) -> None:
        what = "A setting is wrong." if len(problems) == 1 else f"{len(problems)} settings are wrong."
        super().__init__(" ".join([what, *(f"{name}: {sentence}" for name, sentence in problems.items())]))
        self.problems = problems
        self.rest = rest


def read_settings() -> Settings:
    """Read the settings from the environment and `.env`; raise WrongSettings if values are invalid."""
    env = Env()
    env.read_env(".env", recurse=False)
    problems: dict[str, str] = {}

    def read(name: str, default: Any, kind: fields.Field[Any]) -> Any:
        """Return a setting, trimmed. An empty variable counts as unset."""
        text = env.str(name, "").strip()
        if not text:
            return default
        try:
            return kind.deserialize(text)
        except ValidationError as error:
            problems[name] = " ".join(error.messages)
            return default

    port = read("PORT", 8000, values.whole(1, 65_535))
    # Render sets the address of the service here, unless the service has its own domain.
    address = read("RENDER_EXTERNAL_URL", f"http://127.0.0.1:{port}", values.text(values.is_base_url))
    settings = Settings(
        mongodb_url=read("MONGODB_URL", None, values.text(values.is_mongodb_url)),
        database_name=read("DATABASE_NAME", "pos", values.text(values.is_database_name)),
        public_base_url=read("PUBLIC_BASE_URL", address, values.text(values.is_base_url)).rstrip("/"),
        host=read("HOST", "127.0.0.1", values.text()),
        port=port,
        workers=read("WEB_CONCURRENCY", 1, values.whole(1, 64)),
        store_id=read("STORE_ID", "main", values.text(values.is_store)),
        timezone=ZoneInfo(read("TIMEZONE", "Asia/Kolkata", values.text(values.is_zone))),
        currency=read("CURRENCY", "INR", values.text(values.has_two_decimals)).upper(),
        cors_origins=tuple(values.origins(read("CORS_ORIGINS", "", values.text(values.are_origins)))),
        event_retention_days=read("EVENT_RETENTION_DAYS", 90, values.whole(30, 3_650)),
        max_connections=read("MAX_CONNECTIONS", 10_000, values.whole(1, 1_000_000)),
        rate_limit=read("RATE_LIMIT", 12_000, values.whole(0, 1_000_000)),
        message_rate_limit=read("MESSAGE_RATE_LIMIT", 60, values.whole(0, 1_000_000)),
        log_level=read("LOG_LEVEL", "info", values.one_of(*values.LOG_LEVELS)).lower(),
        log_format=read("LOG_FORMAT", "auto", values.one_of(*values.LOG_FORMATS)).lower(),
        sentry_dsn=read("SENTRY_DSN", None, values.text(values.is_dsn)),
        otlp_endpoint=read("OTEL_EXPORTER_OTLP_ENDPOINT", None, values.text(values.is_base_url)),
        sign_in=read("SIGN_IN", "auto", values.one_of(*values.SIGN_IN)).lower(),
        secret_key=read("SECRET_KEY", None, values.text(values.is_secret)),
        setup_token=read("SETUP_TOKEN", None, values.text(values.is_setup_token)),
        allow_insecure=read("ALLOW_INSECURE", False, values.truth()),
        allowed_hosts=tuple(values.hosts(read("ALLOWED_HOSTS", "", values.text(values.are_hosts)))),
        trusted_proxies=read("TRUSTED_PROXIES", 0, values.whole(0, 10)),
        data_dir=read("DATA_DIR", "data", values.text()),
        mongod_path=read("MONGOD_PATH", None, values.text()),
        font_dir=read("FONT_DIR", None, values.text(values.has_fonts)),
        allow_local_mongod=read("ALLOW_LOCAL_MONGOD", False, values.truth()),
        whatsapp=read_whatsapp(read, problems),
    )
    if problems:
        raise WrongSettings(problems, settings)
    return settings
