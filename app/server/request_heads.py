"""Facts about a request head: its size, whether a body follows, and the same head without an upgrade."""

from collections.abc import Iterable
from typing import Final

Lines = Iterable[tuple[bytes, bytes]]

# Bytes of a line on the wire beside its name and value.
_LINE_BYTES: Final = len(": \r\n")
_OF_UPGRADES: Final = frozenset({b"upgrade", b"http2-settings"})


def size_of(url: bytes, headers: Lines) -> int:
    """Return about how many bytes a head had on the wire."""
    return len(url) + sum([len(name) + len(value) + _LINE_BYTES for name, value in headers])


def is_chunked(headers: Lines) -> bool:
    """Return whether the body comes in chunks."""
    return any(name == b"transfer-encoding" for name, _ in headers)


def has_body(headers: Lines) -> bool:
    """Return whether a non-empty body follows."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0")) for name, value in headers
    )


def without_upgrade(method: bytes, url: bytes, version: str, headers: Lines) -> bytes:
    """Return a head as the client would send it without an upgrade (RFC 9110, 7.8)."""
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    for name, value in headers:
        tokens = [token.strip() for token in value.split(b",")] if name == b"connection" else [value]
        kept = b", ".join(token for token in tokens if name != b"connection" or token.lower() not in _OF_UPGRADES)
        if name not in _OF_UPGRADES and (kept or name != b"connection"):
            lines.append(b"%s: %s" % (name, kept))
    return b"\r\n".join([*lines, b"", b""])
