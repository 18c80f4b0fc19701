"""One sale, however often it is sent: what identifies a request, and the keys under which its answer is remembered.

The rules, which docs/api.md states for clients:

1. An `Idempotency-Key` header identifies: that key alone, for the same path and the same meaning. The meaning is the
   body after loading, not its text: defaults filled in, numbers exact (`50`, `50.0` and `5e1` are one), null as left
   out, unknown members and the order of members without effect, and the query members that have a meaning.
2. Without it, a `created_at` with a fraction of a second identifies, together with path and meaning: the existing app
   stamps each sale once and resends that body on a time-out. Anything coarser (empty, a day, a minute, a whole second,
   a fraction of zeros) is what two customers may share, and identifies nothing.
3. Without a header, cart lines that all carry epoch-millisecond ids identify for ten minutes, with customer and total,
   even under a new `created_at`: the app's Retry stamps the sale anew but keeps the lines. The payment must then be the
   one that is booked; another one is a conflict that names the first sale, since answering as if it had been taken
   would lose it.
4. A conversion is identified by its estimate, and is the same where mode, amount and seller are those that are booked.
5. A message without a header is the same for two minutes.

Entries that versions before these rules wrote are found too. A header's is compared by the digest of the text, as they
did, so the very same text is answered and another text refused. Those without a header have names of their own
(`body:`, `cart:`, `convert:`), which are looked up while a store has any, at most for the 30 days that they are kept;
a message's is not, so the same message within two minutes of the upgrade is sent again.
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
#: How the names of keys began that versions before today's rules gave without a header.
LEGACY_PREFIXES: Final = ("body:", "cart:", "convert:")
_HEADER: Final = "header:"
_LINES: Final = "lines:"
# Epoch milliseconds between 2001 and 2286 have thirteen digits; smaller numbers are counters, which repeat.
_STAMPS: Final = range(10**12, 10**13)


class InvalidKey(ShopError):
    status, code, title = 422, "invalid_idempotency_key", "The Idempotency-Key is wrong"


class RepeatedKey(ShopError):
    """It is not known which of the keys was meant."""

    status, code, title = 400, "repeated_idempotency_key", "More than one Idempotency-Key"


class KeyReused(ShopError):
    status, code, title = 422, "idempotency_key_reused", "The Idempotency-Key was used for another request"


class SoldOtherwise(ShopError):
    """The cart is booked with another payment."""

    status, code, title = 409, "sold_otherwise", "This cart is booked already, with another payment"
    extra: ClassVar[Mapping[str, Any]] = {
        "order_id": {"type": "string"},
        "sale_number": {"type": "string"},
        "payment_mode": {"type": "string"},
        "amount_paid": {"type": "number"},
    }

    @classmethod
    def by(cls, sale: Mapping[str, Any]) -> "SoldOtherwise":
        """Return the refusal that names the sale which is booked."""
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
    """A request as it came. header: its Idempotency-Key. looks_back: whether keys of earlier versions matter."""

    header: str | None
    path: str
    body: Mapping[str, Any]
    looks_back: bool = False


class RequestKey(NamedTuple):
    """A key and what must be the same for it to mean the same request.

    window: how long the key holds, where that is shorter than the store keeps it.
    reopens: whether the key is freed where what came of it is taken back (a document is voided, a message not sent),
    since the same request may then be meant anew.
    payment: what must be booked, for the answer to be this request's.
    earlier, earlier_fingerprint: the name and fingerprint that versions before today's rules gave the same text.
    """

    key: str
    fingerprint: str
    window: timedelta | None = None
    reopens: bool = False
    payment: Payment | None = None
    earlier: str | None = None
    earlier_fingerprint: str | None = None


def creation_keys(sent: IncomingRequest, draft: Mapping[str, Any]) -> tuple[RequestKey, ...]:
    """Return the keys of a POST that creates an estimate, a sale or a customer, the most certain first.

    :param draft: what is to be stored, as the loaded body makes it.
    """
    if sent.header is not None:
        return (_of_header(sent, _digest(sent.path, draft)),)
    keys = []
    stamp = _fine_stamp(sent.body.get("created_at"))
    if stamp is not None:
        same = _digest(sent.path, draft, stamp)
        keys.append(_looking_back(RequestKey(f"stamp:{same}", same), sent, "body:", sent.body))
    lines = draft.get("items")
    if lines and all(_is_stamped(line["id"]) for line in lines):
        keys.append(_of_lines(sent, draft))
    return tuple(keys)


def conversion_keys(sent: IncomingRequest, payment: Payment) -> tuple[RequestKey, ...]:
    """Return the key of a POST that converts the estimate which its path names."""
    same = _digest(sent.path)
    if sent.header is not None:
        return (_of_header(sent, same)._replace(payment=payment),)
    key = RequestKey(f"conversion:{same}", same, reopens=True, payment=payment)
    return (_looking_back(key, sent, "convert:", sent.body),)


def message_keys(sent: IncomingRequest, *meant: Any) -> tuple[RequestKey, ...]:
    """Return the key of a POST that has something sent: without a header, the very same is sent once within two
    minutes, in which an app tries it again by itself; after that it is meant anew.

    :param meant: what the loaded body says, and what it leaves to the document that is sent.
    """
    same = _digest(sent.path, *meant)
    if sent.header is not None:
        return (_of_header(sent, same),)
    return (RequestKey(f"message:{same}", same, window=MESSAGE_WINDOW, reopens=True),)


def deletion_keys(sent: IncomingRequest, *meant: Any) -> tuple[RequestKey, ...]:
    """Return the key of a DELETE, where it has one: then the same request is answered as the first time, not by a 404.

    :param meant: what the loaded query says.
    """
    return () if sent.header is None else (RequestKey(f"{_HEADER}{sent.header}", _digest("DELETE", sent.path, *meant)),)


def repeated_answer(key: RequestKey, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the answer that is remembered under a key, if it answers this request too.

    :raises KeyReused: the Idempotency-Key was given to another request.
    :raises SoldOtherwise: the cart is booked with another payment.
    """
    answer: dict[str, Any] = known["answer"]
    is_same = known["fingerprint"] in (key.fingerprint, key.earlier_fingerprint)
    if is_same and (key.payment is None or key.payment.matches(answer)):
        return answer
    if key.key.startswith(_HEADER):
        raise KeyReused("This Idempotency-Key was already used for another request.")
    if key.key.startswith(_LINES):
        raise SoldOtherwise.by(answer)
    return None


def releasable_keys(keys: Iterable[RequestKey]) -> list[str]:
    """Return those that are freed where what came of them is taken back."""
    return [key.key for key in keys if key.reopens]


def check_key(header: str) -> str:
    """Return an `Idempotency-Key` as it was given.

    :raises InvalidKey: it is too long, empty, or not to be read.
    """
    if not 1 <= len(header) <= MAX_KEY or not header.isprintable():
        raise InvalidKey(f"The Idempotency-Key header must have 1 to {MAX_KEY} printable characters.")
    return header


def _of_header(sent: IncomingRequest, fingerprint: str) -> RequestKey:
    return RequestKey(f"{_HEADER}{sent.header}", fingerprint, earlier_fingerprint=_digest(sent.path, sent.body))


def _of_lines(sent: IncomingRequest, draft: Mapping[str, Any]) -> RequestKey:
    names = ("items", "customer_name", "customer_phone", "total")
    same = _digest(sent.path, [draft[name] for name in names])
    is_sale = "payment_mode" in draft
    payment = Payment(draft["payment_mode"], draft["amount_paid"]) if is_sale else None
    key = RequestKey(f"{_LINES}{same}", same, window=RETRY_WINDOW, reopens=True, payment=payment)
    return _looking_back(key, sent, "cart:", [sent.body.get(name) for name in names])


def _looking_back(key: RequestKey, sent: IncomingRequest, prefix: str, text: Any) -> RequestKey:
    """Return the key with the name that earlier versions gave, where that matters. text: what they digested."""
    if not sent.looks_back:
        return key
    earlier = _digest(sent.path, text)
    return key._replace(earlier=prefix + earlier, earlier_fingerprint=earlier)


def _fine_stamp(created_at: Any) -> str | None:
    """Return the instant that a `created_at` names, where it has a fraction of a second; None where it is coarser."""
    if not isinstance(created_at, str):
        return None
    try:
        stamp = datetime.fromisoformat(created_at)
        # Written with an offset, it is the same instant however it is written.
        instant = stamp if stamp.tzinfo is None else stamp.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant.isoformat() if instant.microsecond else None


def _is_stamped(line_id: Any) -> bool:
    return isinstance(line_id, int) and line_id in _STAMPS


def _digest(name: str, *values: Any) -> str:
    """Return a digest of a path, or of another digest, and of JSON values; object members may stand in any order."""
    said = [orjson.dumps(value, option=orjson.OPT_SORT_KEYS) for value in values]
    return blake2b(b"\n".join([name.encode(), *said]), digest_size=20).hexdigest()
