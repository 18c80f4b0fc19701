"""Idempotency: the keys that identify a request, under which its answer is stored for repetitions.

The rules, which docs/api.md states for clients:

1. An `Idempotency-Key` header identifies a request, with its path and its meaning. The meaning is the loaded body, not
   its text: with defaults, with exact numbers (`50`, `50.0` and `5e1` are equal), null as left out, without unknown
   members and without the order of members; and the query members that the operation reads.
2. Without the header, a `created_at` with a fraction of a second identifies it, with path and meaning: the existing app
   stamps each sale once and resends the same body after a time-out. Two customers may share a coarser time (empty, a
   day, a minute, a whole second, a fraction of zeros), so it identifies nothing.
3. Without the header, cart lines that all have epoch-millisecond ids identify it for ten minutes, with customer and
   total, also under a new `created_at`: the app's Retry sets a new time but keeps the lines. The payment must be the
   recorded one. Another payment is a conflict that names the first sale; to answer it as accepted would lose it.
4. The estimate identifies a conversion, if mode, amount and seller are the recorded ones.
5. The same message without a header is a repetition for two minutes.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, ClassVar, Final, NamedTuple

import orjson

from schemas.core.document_numbers import format_number
from schemas.core.errors import ShopError
from schemas.core.money import to_json
from schemas.sales.conversions import Payment

MAX_KEY: Final = 255
RETRY_WINDOW: Final = timedelta(minutes=10)
MESSAGE_WINDOW: Final = timedelta(minutes=2)
_HEADER: Final = "header:"
_LINES: Final = "lines:"
# Epoch milliseconds between 2001 and 2286 have thirteen digits; smaller numbers are counters, which repeat.
_STAMPS: Final = range(10**12, 10**13)


class InvalidKey(ShopError):
    status, code, title = 422, "invalid_idempotency_key", "The Idempotency-Key is wrong"


class RepeatedKey(ShopError):
    """The request has several keys, so it is ambiguous."""

    status, code, title = 400, "repeated_idempotency_key", "More than one Idempotency-Key"


class KeyReused(ShopError):
    status, code, title = 422, "idempotency_key_reused", "The Idempotency-Key was used for another request"


class SoldOtherwise(ShopError):
    """The cart is recorded with another payment."""

    status, code, title = 409, "sold_otherwise", "This cart is booked already, with another payment"
    extra: ClassVar[Mapping[str, Any]] = {
        "order_id": {"type": "string"},
        "sale_number": {"type": "string"},
        "payment_mode": {"type": "string"},
        "amount_paid": {"type": "number"},
    }

    @classmethod
    def by(cls, sale: Mapping[str, Any]) -> "SoldOtherwise":
        """Return the error that names the recorded sale."""
        number, paid = format_number(sale["number"]), to_json(sale["amount_paid"])
        return cls(
            f"This cart is booked already as sale {number}, {paid:.2f} paid by {sale['payment_mode']}. This payment "
            f"was not booked. To change how it was paid, cancel sale {number} and book the cart again.",
            order_id=sale["_id"],
            sale_number=number,
            payment_mode=sale["payment_mode"],
            amount_paid=paid,
        )


class IncomingRequest(NamedTuple):
    """A request as the client sent it.

    :ivar header: its Idempotency-Key.
    """

    header: str | None
    path: str
    body: Mapping[str, Any]


class RequestKey(NamedTuple):
    """A key, and what must be equal for a request with it to be a repetition.

    :ivar window: how long the key is valid, where that is shorter than its storage.
    :ivar reopens: whether the key is released when the result is undone (a document is voided, a message not sent),
        since the same request may then be a new one.
    :ivar payment: the recorded payment that the request must have.
    """

    key: str
    fingerprint: str
    window: timedelta | None = None
    reopens: bool = False
    payment: Payment | None = None


def creation_keys(sent: IncomingRequest, draft: Mapping[str, Any]) -> tuple[RequestKey, ...]:
    """Return the keys of a POST that creates an estimate, a sale or a customer, the most certain first.

    :param draft: the document to store, made of the loaded body.
    """
    if sent.header is not None:
        return (_of_header(sent, _digest(sent.path, draft)),)
    keys = []
    stamp = _fine_stamp(sent.body.get("created_at"))
    if stamp is not None:
        same = _digest(sent.path, draft, stamp)
        keys.append(RequestKey(f"stamp:{same}", same))
    lines = draft.get("items")
    if lines and all(_is_stamped(line["id"]) for line in lines):
        keys.append(_of_lines(sent, draft))
    return tuple(keys)


def conversion_keys(sent: IncomingRequest, payment: Payment) -> tuple[RequestKey, ...]:
    """Return the key of a POST that converts the estimate which its path names."""
    same = _digest(sent.path)
    if sent.header is not None:
        return (_of_header(sent, same)._replace(payment=payment),)
    return (RequestKey(f"conversion:{same}", same, reopens=True, payment=payment),)


def message_keys(sent: IncomingRequest, *meant: Any) -> tuple[RequestKey, ...]:
    """Return the key of a POST that sends a message. Without a header, the same message within two minutes is an
    automatic retry of the app; later it is a new one.

    :param meant: the loaded body, and the defaults that come from the document.
    """
    same = _digest(sent.path, *meant)
    if sent.header is not None:
        return (_of_header(sent, same),)
    return (RequestKey(f"message:{same}", same, window=MESSAGE_WINDOW, reopens=True),)


def deletion_keys(sent: IncomingRequest, *meant: Any) -> tuple[RequestKey, ...]:
    """Return the key of a DELETE, if it has one: a repetition is then answered as the first request, not by a 404.

    :param meant: the loaded query.
    """
    return () if sent.header is None else (RequestKey(f"{_HEADER}{sent.header}", _digest("DELETE", sent.path, *meant)),)


def repeated_answer(key: RequestKey, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the stored answer of a key, if this request is a repetition.

    :raises KeyReused: another request had the Idempotency-Key.
    :raises SoldOtherwise: the cart is recorded with another payment.
    """
    answer: dict[str, Any] = known["answer"]
    if known["fingerprint"] == key.fingerprint and (key.payment is None or key.payment.matches(answer)):
        return answer
    if key.key.startswith(_HEADER):
        raise KeyReused("This Idempotency-Key was already used for another request.")
    if key.key.startswith(_LINES):
        raise SoldOtherwise.by(answer)
    return None


def releasable_keys(keys: Iterable[RequestKey]) -> list[str]:
    """Return the keys that are released when the result is undone."""
    return [key.key for key in keys if key.reopens]


def check_key(header: str) -> str:
    """Return a valid `Idempotency-Key`; raise InvalidKey if it is too long, empty or not printable."""
    if not 1 <= len(header) <= MAX_KEY or not header.isprintable():
        raise InvalidKey(f"The Idempotency-Key header must have 1 to {MAX_KEY} printable characters.")
    return header


def _of_header(sent: IncomingRequest, fingerprint: str) -> RequestKey:
    return RequestKey(f"{_HEADER}{sent.header}", fingerprint)


def _of_lines(sent: IncomingRequest, draft: Mapping[str, Any]) -> RequestKey:
    names = ("items", "customer_name", "customer_phone", "total")
    same = _digest(sent.path, [draft[name] for name in names])
    is_sale = "payment_mode" in draft
    payment = Payment(draft["payment_mode"], draft["amount_paid"]) if is_sale else None
    return RequestKey(f"{_LINES}{same}", same, window=RETRY_WINDOW, reopens=True, payment=payment)


def _fine_stamp(created_at: Any) -> str | None:
    """Return the instant of a `created_at` with a fraction of a second; None where it is coarser."""
    if not isinstance(created_at, str):
        return None
    try:
        stamp = datetime.fromisoformat(created_at)
        # The same instant has several spellings with offsets.
        instant = stamp if stamp.tzinfo is None else stamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant.isoformat() if instant.microsecond else None


def _is_stamped(line_id: Any) -> bool:
    return isinstance(line_id, int) and line_id in _STAMPS


def _digest(name: str, *values: Any) -> str:
    """Return a hash of a path, or of another hash, and of JSON values, independent of the order of object members."""
    parts = [orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in values]
    return blake2b(b"\n".join([name.encode(), *parts]), digest_size=20).hexdigest()
