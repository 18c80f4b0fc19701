"""URLs without their credentials, safe to show. Pure.

Where a password is not percent-encoded, no rule can tell where it ends: in `mongodb://shop:a@b/c@host/` the driver
reads `b` as the host. So parts of a URL are shown only where it is unambiguous.
"""

import re
from typing import Final
from urllib.parse import unquote, unquote_plus

_USER_INFO: Final = r"(?P<user>(?:[^/?@:%]|%[0-9A-Fa-f]{2})+)(?::(?P<password>(?:[^/?@:%]|%[0-9A-Fa-f]{2})*))?@"
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_PORT: Final = r"(?::[0-9]{1,5})?"
_HOST: Final = rf"(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]{{2,45}}\]){_PORT}"
_SOCKET: Final = r"%2[Ff][A-Za-z0-9%._~+-]{1,300}\.sock"
#: Without the characters that MongoDB forbids in database names.
_DATABASE: Final = r'[^/?@\\\s"$*<>:|#]{1,64}'
_MONGODB: Final = re.compile(
    rf"(?P<scheme>mongodb(?:\+srv)?)://(?:{_USER_INFO})?(?:(?:{_HOST}|{_SOCKET}),)*(?P<host>{_HOST}|{_SOCKET})"
    rf"(?:/(?P<database>{_DATABASE})?)?(?:\?[^@]*)?",
    re.ASCII,
)
_WEB: Final = re.compile(
    rf"(?P<scheme>https?|wss?)://(?:{_USER_INFO})?(?P<host>{_HOST})(?:[/?#][^@]*)?", re.ASCII | re.IGNORECASE
)
_SCHEMES: Final = ("mongodb://", "mongodb+srv://")
PERCENT_ENCODE: Final = (
    "in the user name and the password, each of the characters : / ? # [ ] @ % has to be percent-encoded, as %40 for @"
)


def mongodb_url_error(url: str) -> str | None:
    """Return why a text is no unambiguous MongoDB URL, as part of a sentence that does not quote it; None if it is."""
    if not url.startswith(_SCHEMES):
        return "must be a valid MongoDB address: it begins with mongodb:// or mongodb+srv://."
    if _MONGODB.fullmatch(url) is None:
        return f"must be a valid MongoDB address, as mongodb://user:password@host/shop; {PERCENT_ENCODE}."
    return None


def safe_address(url: str) -> str:
    """Return the scheme, the last host and MongoDB's database of a URL; a placeholder where the URL is ambiguous."""
    match = _MONGODB.fullmatch(url) or _WEB.fullmatch(url)
    if match is None:
        return "(an address that is not shown)"
    database = match.groupdict().get("database")
    return f"{match['scheme']}://{match['host']}" + (f"/{database}" if database else "")


def is_web_address(url: str) -> bool:
    """Return whether a text is an unambiguous HTTP or WebSocket URL."""
    return _WEB.fullmatch(url) is not None


def redact_driver_text(words: str, url: str) -> str:
    """Return a driver's message without its quotations; a fixed sentence where it repeats the URL's password."""
    match = _MONGODB.fullmatch(url)
    password = (match["password"] or "") if match else url
    if any(form and form in words for form in (password, unquote(password), unquote_plus(password))):
        return "what the driver says repeats a part of the address"
    return re.sub(r"""(["']).*\1""", "***", words)
