"""Settings, from the environment and `.env`: one frozen object, refused at start where a value is wrong."""

import re
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from environs import Env
from environs.exceptions import EnvError
from marshmallow import ValidationError, validate

LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")


# ISO 4217 currencies whose minor unit is not a hundredth; money here has two decimals.
_OTHER_DECIMALS: Final = frozenset(
    {
        *("BHD", "BIF", "CLF", "CLP", "DJF", "GNF", "IQD", "ISK", "JOD", "JPY", "KMF", "KRW", "KWD", "LYD", "OMR"),
        *("PYG", "RWF", "TND", "UGX", "UYI", "UYW", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)


class InvalidSettings(RuntimeError):
    """A setting is wrong; the message names it and says what is expected."""


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
    log_level: str = "info"
    data_dir: str = "data"
    mongod_path: str | None = None
    allow_local_mongod: bool = False

    def masked(self) -> dict[str, Any]:
        """The settings for people to see: secrets are starred out."""
        shown = {each.name: getattr(self, each.name) for each in fields(self)}
        shown["timezone"] = self.timezone.key
        shown["mongodb_url"] = _masked_url(self.mongodb_url) if self.mongodb_url else None
        return shown


def read_settings() -> Settings:
    """The settings that the environment and `.env` make, defaults where they are silent.

    :raises InvalidSettings: one of them is wrong.
    """
    env = Env()
    env.read_env(".env", recurse=False)
    try:
        port = env.int("PORT", 8000, validate=validate.Range(1, 65_535))
        return Settings(
            mongodb_url=env.str("MONGODB_URL", "").strip() or None,
            database_name=env.str("DATABASE_NAME", "pos", validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,38}$")),
            public_base_url=env.str("PUBLIC_BASE_URL", f"http://127.0.0.1:{port}", validate=_is_base_url).rstrip("/"),
            host=env.str("HOST", "127.0.0.1", validate=validate.Length(1)),
            port=port,
            workers=env.int("WEB_CONCURRENCY", 1, validate=validate.Range(1, 64)),
            store_id=env.str("STORE_ID", "main", validate=validate.Regexp(r"^[A-Za-z0-9_-]{1,64}$")),
            timezone=_zone(env.str("TIMEZONE", "Asia/Kolkata")),
            currency=env.str("CURRENCY", "INR", validate=_has_two_decimals),
            cors_origins=tuple(env.list("CORS_ORIGINS", [], validate=_are_origins)),
            event_retention_days=env.int("EVENT_RETENTION_DAYS", 90, validate=validate.Range(1, 3_650)),
            log_level=env.str("LOG_LEVEL", "info", validate=validate.OneOf(LOG_LEVELS)),
            data_dir=env.str("DATA_DIR", "data", validate=validate.Length(1)),
            mongod_path=env.str("MONGOD_PATH", "").strip() or None,
            allow_local_mongod=env.bool("ALLOW_LOCAL_MONGOD", False),
        )
    except EnvError as error:
        raise InvalidSettings(f"A setting is wrong. {error}") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSettings(f"A setting is wrong. TIMEZONE: {name!r} is no time zone, as Asia/Kolkata is.") from error


def _is_base_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValidationError("must be an http or https address, as https://shop.example.com")


def _are_origins(origins: list[str]) -> None:
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path):
            raise ValidationError("must be origins separated by commas, as https://shop.example.com, or *")


def _has_two_decimals(currency: str) -> None:
    if not re.fullmatch(r"[A-Z]{3}", currency) or currency in _OTHER_DECIMALS:
        raise ValidationError("must be an ISO 4217 code of a currency with two decimals, as INR")


def _masked_url(url: str) -> str:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rsplit("@", 1)[1]))
