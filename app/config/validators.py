"""Validators of settings. Each raises the sentence that the operator reads at the start."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import ValidationError, fields, validate

from schemas.text.safe_addresses import is_web_address, mongodb_url_error

LOG_LEVELS: Final = ("critical", "error", "warning", "info", "debug", "trace")
LOG_FORMATS: Final = ("auto", "json", "text")
SIGN_IN: Final = ("auto", "on", "off")
STORE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)

#: Current ISO 4217 currencies with a minor unit of a hundredth, since amounts have two decimals.
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
#: The minimum of characters and of different characters. Thirty-two random hex digits have about 14 different ones.
_SECRET_LENGTH, _DISTINCT = 32, 8
_TOKEN_LENGTH, _LONGEST_TOKEN = 16, 256
HOW_TO_MAKE_ONE: Final = "Make one with `openssl rand -hex 32`."
#: Beginnings of the secrets in examples.
_EXAMPLES: Final = ("change", "secret", "default", "password", "your", "example", "insecure", "django", "test", "xxx")


def whole(lowest: int, highest: int) -> fields.Integer:
    sentence = f"must be a whole number from {lowest} to {highest}."
    return fields.Integer(
        validate=validate.Range(lowest, highest, error=sentence), error_messages={"invalid": sentence}
    )


def text(check: Callable[[str], None] | None = None) -> fields.String:
    return fields.String(validate=check)


def has_fonts(folder: str) -> None:
    if not any(Path(folder).glob("*.[ot]t[fc]")):
        raise ValidationError("must be a folder with fonts in it (.ttf, .otf, .ttc or .otc).")


def is_zone(name: str) -> None:
    # "Factory" and "localtime" are in the databases of some systems, but are not time zones.
    if "/" not in name and name != "UTC":
        raise ValidationError("must be a time zone by its full name, as Asia/Kolkata.")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError("must be a time zone, as Asia/Kolkata.") from None


def is_database_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,38}", name, re.ASCII) or name in _RESERVED:
        raise ValidationError("must have 1 to 38 letters, digits, - or _, and be none of MongoDB's own.")


def is_store(name: str) -> None:
    if not STORE.fullmatch(name):
        raise ValidationError("must have 1 to 64 letters, digits, - or _.")


def is_base_url(url: str) -> None:
    if not _is_address(url) or "?" in url or "#" in url:
        raise ValidationError("must be an http or https address, as https://shop.example.com.")


def origins(text: str) -> list[str]:
    return [origin.strip() for origin in text.split(",") if origin.strip()]


def are_origins(text: str) -> None:
    for origin in origins(text):
        if origin != "*" and not (_is_address(origin) and origin.count("/") == 2):  # noqa: PLR2004
            raise ValidationError("must be origins separated by commas, as https://shop.example.com, or *.")


def _is_address(url: str) -> bool:
    """Return whether a text is a scheme, a host, and perhaps a port and a path."""
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


def is_mongodb_url(url: str) -> None:
    defect = mongodb_url_error(url)
    if defect is not None:
        raise ValidationError(defect)


def is_dsn(dsn: str) -> None:
    if not is_web_address(dsn) or not re.fullmatch(r"https?://[^@/\s]+@[^@/\s]+/([\w./-]+/)?[0-9]+", dsn, re.ASCII):
        raise ValidationError("must be a Sentry project's DSN, as https://key@sentry.example.com/1.")


def has_two_decimals(currency: str) -> None:
    if currency.upper() not in CURRENCIES:
        raise ValidationError("must be the ISO 4217 code of a currency with two decimals, as INR.")


def truth() -> fields.Boolean:
    return fields.Boolean(error_messages={"invalid": _NO_TRUTH})


def one_of(*names: str) -> fields.String:
    def check(name: str) -> None:
        if name.lower() not in names:
            raise ValidationError(f"must be one of {', '.join(names)}.")

    return text(check)


def hosts(listed: str) -> list[str]:
    return [host.strip().lower() for host in listed.split(",") if host.strip()]


def are_hosts(listed: str) -> None:
    for host in hosts(listed):
        if not re.fullmatch(r"[a-z0-9._-]{1,253}|\[[0-9a-f:.]+\]", host, re.ASCII):
            raise ValidationError("must be names of hosts without ports, separated by commas, as shop.example.com.")


def is_secret(secret: str) -> None:
    """Check that a secret is hard to guess and not copied from an example."""
    if len(secret) < _SECRET_LENGTH:
        raise ValidationError(f"must have {_SECRET_LENGTH} characters or more. {HOW_TO_MAKE_ONE}")
    is_repeated = secret in (2 * secret)[1:-1]
    is_example = re.sub(r"[\W_]", "", secret.lower()).startswith(_EXAMPLES)
    if is_repeated or is_example or len(set(secret)) < _DISTINCT:
        raise ValidationError(f"can be guessed. {HOW_TO_MAKE_ONE}")


def is_setup_token(token: str) -> None:
    if not _TOKEN_LENGTH <= len(token) <= _LONGEST_TOKEN or len(set(token)) < _DISTINCT:
        raise ValidationError(
            f"must have {_TOKEN_LENGTH} to {_LONGEST_TOKEN} characters, {_DISTINCT} different ones among them."
        )
