"""Settings, from the environment and `.env`: one frozen object, refused at start where a value is wrong."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from environs import Env
from marshmallow import ValidationError, fields, validate

from app.addresses import LOOPBACK
from services.fonts import DEBIANS

LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")
LOG_FORMATS: Final = ("auto", "json", "text")


#: The ISO 4217 currencies in circulation whose minor unit is a hundredth, since money here has two decimals.
_TWO_DECIMALS: Final = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE
    CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR
    KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB
    PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY
    TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG
"""
CURRENCIES: Final = frozenset(_TWO_DECIMALS.split())

# MongoDB's own databases.
_RESERVED: Final = ("admin", "config", "local")
_NO_TRUTH: Final = "must be true or false."


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a deployment chooses. See the README for what each means."""

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
    log_level: str = "info"
    log_format: str = "auto"
    sentry_dsn: str | None = None
    otlp_endpoint: str | None = None
    sign_in: str = "auto"
    secret_key: str | None = None
    data_dir: str = "data"
    mongod_path: str | None = None
    allow_local_mongod: bool = False
    font_dir: str = DEBIANS

    @property
    def is_open(self) -> bool:
        """Whether nobody signs in: so it is where only this machine reaches the service, unless told otherwise."""
        if self.sign_in != "auto":
            return self.sign_in == "off"
        return self.host in LOOPBACK and urlsplit(self.public_base_url).hostname in LOOPBACK

    def masked(self) -> dict[str, Any]:
        """The settings for people to see: secrets are starred out."""
        shown = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        shown["timezone"] = self.timezone.key
        for name in ("mongodb_url", "sentry_dsn", "otlp_endpoint"):
            shown[name] = _masked_url(shown[name]) if shown[name] else None
        return shown


class InvalidSettings(RuntimeError):
    """The service cannot be what its settings say; the message names the setting and says what to do."""


class WrongSettings(InvalidSettings):
    """Settings are wrong; the message names each and says what is expected.

    :param problems: name -> sentence.
    :param rest: the settings with defaults in place of those that are wrong.
    """

    def __init__(self, problems: Mapping[str, str], rest: Settings) -> None:
        what = "A setting is wrong." if len(problems) == 1 else f"{len(problems)} settings are wrong."
        super().__init__(" ".join([what, *(f"{name}: {sentence}" for name, sentence in problems.items())]))
        self.problems = problems
        self.rest = rest


def read_settings() -> Settings:
    """The settings that the environment and `.env` make, defaults where they are silent.

    :raises WrongSettings: some of them are wrong.
    """
    env = Env()
    env.read_env(".env", recurse=False)
    problems: dict[str, str] = {}

    def read(name: str, default: Any, kind: fields.Field[Any]) -> Any:
        """A setting, trimmed. One that is set to nothing is not set."""
        text = env.str(name, "").strip()
        if not text:
            return default
        try:
            return kind.deserialize(text)
        except ValidationError as error:
            problems[name] = " ".join(error.messages)
            return default

    port = read("PORT", 8000, _whole(1, 65_535))
    settings = Settings(
        mongodb_url=read("MONGODB_URL", None, _text()),
        database_name=read("DATABASE_NAME", "pos", _text(_is_database_name)),
        public_base_url=read("PUBLIC_BASE_URL", f"http://127.0.0.1:{port}", _text(_is_base_url)).rstrip("/"),
        host=read("HOST", "127.0.0.1", _text()),
        port=port,
        workers=read("WEB_CONCURRENCY", 1, _whole(1, 64)),
        store_id=read("STORE_ID", "main", _text(is_store)),
        timezone=ZoneInfo(read("TIMEZONE", "Asia/Kolkata", _text(_is_zone))),
        currency=read("CURRENCY", "INR", _text(_has_two_decimals)).upper(),
        cors_origins=tuple(_origins(read("CORS_ORIGINS", "", _text(_are_origins)))),
        event_retention_days=read("EVENT_RETENTION_DAYS", 90, _whole(1, 3_650)),
        max_connections=read("MAX_CONNECTIONS", 10_000, _whole(1, 1_000_000)),
        log_level=read("LOG_LEVEL", "info", _text(_is_log_level)).lower(),
        log_format=read("LOG_FORMAT", "auto", _text(_is_log_format)).lower(),
        sentry_dsn=read("SENTRY_DSN", None, _text(_is_dsn)),
        otlp_endpoint=read("OTEL_EXPORTER_OTLP_ENDPOINT", None, _text(_is_base_url)),
        data_dir=read("DATA_DIR", "data", _text()),
        mongod_path=read("MONGOD_PATH", None, _text()),
        font_dir=read("FONT_DIR", DEBIANS, _text()),
        allow_local_mongod=read("ALLOW_LOCAL_MONGOD", False, fields.Boolean(error_messages={"invalid": _NO_TRUTH})),
    )
    if problems:
        raise WrongSettings(problems, settings)
    return settings


def _whole(lowest: int, highest: int) -> fields.Integer:
    sentence = f"must be a whole number from {lowest} to {highest}."
    return fields.Integer(
        validate=validate.Range(lowest, highest, error=sentence), error_messages={"invalid": sentence}
    )


def _text(check: Callable[[str], None] | None = None) -> fields.String:
    return fields.String(validate=check)


def _is_zone(name: str) -> None:
    # "Factory" and "localtime" are in some systems' databases, and are nobody's time.
    if "/" not in name and name != "UTC":
        raise ValidationError("must be a time zone by its full name, as Asia/Kolkata.")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError("must be a time zone, as Asia/Kolkata.") from None


def _is_database_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,38}", name, re.ASCII) or name in _RESERVED:
        raise ValidationError("must have 1 to 38 letters, digits, - or _, and be none of MongoDB's own.")


def is_store(name: str) -> None:
    """:raises ValidationError: it is no name for a store."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name, re.ASCII):
        raise ValidationError("must have 1 to 64 letters, digits, - or _.")


def _is_base_url(url: str) -> None:
    if not _is_address(url) or "?" in url or "#" in url:
        raise ValidationError("must be an http or https address, as https://shop.example.com.")


def _origins(text: str) -> list[str]:
    return [origin.strip() for origin in text.split(",") if origin.strip()]


def _are_origins(text: str) -> None:
    for origin in _origins(text):
        if origin != "*" and not (_is_address(origin) and origin.count("/") == 2):  # noqa: PLR2004
            raise ValidationError("must be origins separated by commas, as https://shop.example.com, or *.")


def _is_address(url: str) -> bool:
    """Whether it is a scheme, a host and perhaps a port and a path, and nothing that only looks like it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port != 0
        and "@" not in parts.netloc
        and not re.search(r"[\s\\?#]", url)
    )


def _is_log_level(level: str) -> None:
    if level.lower() not in LOG_LEVELS:
        raise ValidationError(f"must be one of {', '.join(LOG_LEVELS)}.")


def _is_log_format(name: str) -> None:
    if name.lower() not in LOG_FORMATS:
        raise ValidationError(f"must be one of {', '.join(LOG_FORMATS)}.")


def _is_dsn(dsn: str) -> None:
    if not re.fullmatch(r"https?://[^@/\s]+@[^@/\s]+/\S+", dsn):
        raise ValidationError("must be a Sentry project's DSN, as https://key@sentry.example.com/1.")


def _has_two_decimals(currency: str) -> None:
    if currency.upper() not in CURRENCIES:
        raise ValidationError("must be the ISO 4217 code of a currency with two decimals, as INR.")


def _masked_url(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rsplit("@", 1)[1]))
