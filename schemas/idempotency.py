"""One sale, however often it is sent: the keys under which the answer to a POST is remembered.

1. An `Idempotency-Key` header: that key alone, for the same path and body.
2. Without it, a `created_at` in the body: path and body together (the existing app stamps each sale once and resends
   that same body on a time-out). A conversion needs no stamp: one path, one estimate.
3. Without a header, cart lines that all carry epoch-millisecond ids: the same lines, customer and total within ten
   minutes, even under a new `created_at` (the app's Retry button stamps the sale anew but keeps the lines).
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import orjson

from schemas.errors import ShopError

MAX_KEY: Final = 255
RETRY_WINDOW: Final = timedelta(minutes=10)
MESSAGE_WINDOW: Final = timedelta(minutes=2)
# Epoch milliseconds between 2001 and 2286 have thirteen digits; smaller numbers are counters, which repeat.
_STAMPS: Final = range(10**12, 10**13)


class InvalidKey(ShopError):
    status, code, title = 422, "invalid_idempotency_key", "The Idempotency-Key is wrong"


class RepeatedKey(ShopError):
    """Which of the keys was meant, nobody knows."""

    status, code, title = 400, "repeated_idempotency_key", "More than one Idempotency-Key"


class RequestKey(NamedTuple):
    """A key and what must be the same for it to mean the same request.

    window: how long the key holds, where that is shorter than the store keeps it.
    reopens: whether the key is freed where what came of it is taken back (a document is voided, a message not sent),
    since the same request may then be meant anew.
    """

    key: str
    fingerprint: str
    window: timedelta | None = None
    reopens: bool = False


def keys_of_creation(header: str | None, path: str, body: Mapping[str, Any]) -> tuple[RequestKey, ...]:
    """The keys of a POST that creates an estimate or a sale, the most certain first."""
    if header is not None:
        return (_of_header(header, path, body),)
    keys = []
    if isinstance(body.get("created_at"), str):
        same = _digest(path, body)
        keys.append(RequestKey(f"body:{same}", same))
    lines = body.get("items")
    if isinstance(lines, list) and lines and all(_is_stamped(line) for line in lines):
        cart = _digest(path, [lines, body.get("customer_name"), body.get("customer_phone"), body.get("total")])
        keys.append(RequestKey(f"cart:{cart}", cart, window=RETRY_WINDOW, reopens=True))
    return tuple(keys)


def keys_of_conversion(header: str | None, path: str, body: Mapping[str, Any]) -> tuple[RequestKey, ...]:
    """The key of a POST that converts an estimate."""
    if header is not None:
        return (_of_header(header, path, body),)
    same = _digest(path, body)
    return (RequestKey(f"convert:{same}", same, reopens=True),)


def keys_of_message(header: str | None, path: str, body: Mapping[str, Any], *meant: Any) -> tuple[RequestKey, ...]:
    """The key of a POST that has something sent: without a header, the very same is sent once within two minutes, in
    which an app tries it again by itself; after that somebody means it.

    :param meant: what the body leaves to the document that is sent, and what is another message when it changes.
    """
    if header is not None:
        return (_of_header(header, path, body),)
    same = _digest(path, [body, *meant])
    return (RequestKey(f"message:{same}", same, window=MESSAGE_WINDOW, reopens=True),)


def reopening(keys: Iterable[RequestKey]) -> list[str]:
    """Those that are freed where what came of them is taken back."""
    return [key.key for key in keys if key.reopens]


def readable_key(header: str) -> str:
    """An `Idempotency-Key` as it was given.

    :raises InvalidKey: it is too long, empty, or not to be read.
    """
    if not 1 <= len(header) <= MAX_KEY or not header.isprintable():
        raise InvalidKey(f"The Idempotency-Key header must have 1 to {MAX_KEY} printable characters.")
    return header


def _of_header(header: str, path: str, body: Mapping[str, Any]) -> RequestKey:
    return RequestKey(f"header:{readable_key(header)}", _digest(path, body))


def _is_stamped(line: Any) -> bool:
    return isinstance(line, dict) and isinstance(line.get("id"), int) and line["id"] in _STAMPS


def _digest(path: str, value: Any) -> str:
    return blake2b(path.encode() + b"\n" + orjson.dumps(value, option=orjson.OPT_SORT_KEYS), digest_size=20).hexdigest()
