"""The sign-in mode, and the combinations of settings that are refused.

Open mode is for the machine that the service runs on only. If other machines reach the service, users must sign in.
"""

import logging
from typing import Final

from app.config.addresses import LOOPBACK
from app.config.settings import Settings, WrongSettings
from app.config.validators import HOW_TO_MAKE_ONE

_NOT_LOCAL: Final = (
    "is off, but other machines reach HOST or PUBLIC_BASE_URL: every client would be the owner. Unset it, and set "
    "SECRET_KEY; or, if something else controls the access, set ALLOW_INSECURE=1."
)
_ANY_PAGE: Final = (
    "is *, and sign-in is off: every web page that a user of this machine opens would be the owner. Name the origins "
    "of your own pages, or set SIGN_IN=on and SECRET_KEY; or, against all advice, SIGN_IN=off and ALLOW_INSECURE=1."
)
_NO_SECRET: Final = f"must be set if sign-in is on. {HOW_TO_MAKE_ONE}"
LOCAL_MONGOD: Final = (
    "is not set, and the local mongod is not for production: set MONGODB_URL, or, to use the local mongod "
    "nevertheless, ALLOW_LOCAL_MONGOD=1."
)

logger = logging.getLogger("pos")


def problems_of(settings: Settings) -> dict[str, str]:
    """Return the reasons why the service cannot start with these settings: name -> sentence."""
    problems = {}
    if settings.mongodb_url is None and not settings.is_local and not settings.allow_local_mongod:
        problems["MONGODB_URL"] = LOCAL_MONGOD
    if settings.is_open and not settings.is_local and not settings.is_insecure:
        problems["SIGN_IN"] = _NOT_LOCAL
    if settings.is_for_any_page and not settings.is_insecure:
        problems["CORS_ORIGINS"] = _ANY_PAGE
    if not settings.is_open and settings.secret_key is None:
        problems["SECRET_KEY"] = _NO_SECRET
    return problems


def refuse_unsafe(settings: Settings) -> None:
    """Raise WrongSettings unless the service may start with these settings."""
    if problems := problems_of(settings):
        raise WrongSettings(problems, settings)


def described(settings: Settings) -> str:
    """Return the mode as text."""
    if settings.is_insecure and not settings.is_local:
        return "OFF, AND OTHER MACHINES REACH IT: every client is the owner (SIGN_IN=off, ALLOW_INSECURE=1)"
    if settings.is_insecure and settings.is_for_any_page:
        return "OFF, FOR EVERY WEB PAGE: each page that is opened here is the owner (CORS_ORIGINS=*, ALLOW_INSECURE=1)"
    return "open: only this machine reaches it" if settings.is_open else "signed in"


def warn_of(settings: Settings) -> None:
    """Log a warning at each start for settings that are unsafe or probably unintended."""
    if settings.is_insecure and not settings.is_local:
        logger.critical(
            "SIGN-IN IS OFF and ALLOW_INSECURE=1: every client of %s is the owner. Unset both, and set SECRET_KEY.",
            _reached_at(settings),
        )
    if settings.answers_loopback_names_alone:
        logger.warning(
            "HOST is %s, but PUBLIC_BASE_URL is %s: requests to another name or address than loopback get a 400 "
            "wrong_host. Set PUBLIC_BASE_URL to the address that clients use, for example http://192.168.1.20:%d.",
            settings.host,
            settings.public_base_url,
            settings.port,
        )
    if settings.is_insecure and settings.is_for_any_page:
        logger.critical(
            "SIGN-IN IS OFF, CORS_ORIGINS=* and ALLOW_INSECURE=1: every web page that a user opens on a machine which "
            "reaches the service is the owner. Name the origins of your own pages."
        )


def _reached_at(settings: Settings) -> str:
    """Return the address at which others reach the service: PUBLIC_BASE_URL, or the address that it listens on."""
    if settings.public_host not in LOOPBACK:
        return settings.public_base_url
    return f"{settings.host}, port {settings.port},"
