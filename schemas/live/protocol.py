"""The conversation of the subprotocol `pos.v1`: what a screen may say, and what it is told. JSON objects both ways.

`docs` of each message: `schemas/live/asyncapi.py`. A place in the log is a `seq`, or `<epoch>.<seq>`, where the
epoch names
the log itself, so that a place in another database is noticed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from schemas.core.collections import ESTIMATES, MESSAGES, ORDERS
from schemas.core.errors import ShopError

SUBPROTOCOL: Final = "pos.v1"
MAX_TOPICS: Final = 100
ALL_TOPICS: Final = "*"
_MAX_ID: Final = 100

SINCE: Final = re.compile(r"(?:([0-9a-f]{1,32})\.)?([0-9]{1,15})", re.ASCII)
TOPIC: Final = re.compile(rf"(?:{ESTIMATES}|{ORDERS}|{MESSAGES})(?:/[0-9A-Za-z-]{{1,64}})?", re.ASCII)

Json = dict[str, Any]


class InvalidSubscription(ShopError):
    """Topics or a place in the log that are none."""

    status, code, title = 422, "invalid_subscription", "The subscription is wrong"


class BadFrame(ValueError):
    """What came is no message of the subprotocol at all."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A place in an event log: after the event `seq`. epoch: of which log, None where the client does not say."""

    seq: int
    epoch: str | None = None

    def __str__(self) -> str:
        return str(self.seq) if self.epoch is None else f"{self.epoch}.{self.seq}"


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """What a screen wants. topics: None for everything. since: None for from now on. id: the client's own."""

    topics: frozenset[str] | None = None
    since: LogPosition | None = None
    id: Any = None


@dataclass(frozen=True, slots=True)
class Ping:
    id: Any = None


def read_since(value: Any) -> LogPosition | None:
    """`813`, `"813"` and `"9f2c01ab.813"` as a place; None as none.

    :raises InvalidSubscription: it is no such thing.
    """
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    match = SINCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidSubscription("since: must be the seq of an event, or the position that the service named.")
    return LogPosition(int(match[2]), match[1])


def read_topics(value: Any) -> frozenset[str] | None:
    """A list of topics, or a text of them separated by commas, as a set; None and `*` as everything.

    :raises InvalidSubscription: there is no such topic, or there are too many.
    """
    if value is None:
        return None
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    if not isinstance(names, list) or not 1 <= len(names) <= MAX_TOPICS:
        raise InvalidSubscription(f"topics: must be 1 to {MAX_TOPICS} topics.")
    for name in names:
        if name != ALL_TOPICS and not (isinstance(name, str) and TOPIC.fullmatch(name)):
            raise InvalidSubscription(
                f"topics: must be {ESTIMATES}, {ORDERS} or {MESSAGES}, one of them as {ORDERS}/<id>, or {ALL_TOPICS}."
            )
    return None if ALL_TOPICS in names else frozenset(names)


def read_message(text: str) -> SubscribeRequest | Ping:
    """What a screen said.

    :raises BadFrame: no JSON object with a type.
    :raises InvalidSubscription: a message with a wrong member, or of an unknown type; `members["id"]` is its id.
    """
    try:
        message = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadFrame("not JSON") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BadFrame("not an object with a type")
    own_id = message.get("id")
    if not _is_own_id(own_id):
        raise BadFrame("the id is neither a short text nor an integer")
    if message["type"] == "ping":
        return Ping(own_id)
    if message["type"] != "subscribe":
        raise InvalidSubscription("type: must be subscribe or ping.", id=own_id)
    try:
        return SubscribeRequest(read_topics(message.get("topics")), read_since(message.get("since")), own_id)
    except InvalidSubscription as refusal:
        refusal.members["id"] = own_id
        raise


def _is_own_id(value: Any) -> bool:
    """Whether a value is something that a client may number its messages with."""
    return not isinstance(value, bool) and isinstance(value, int | str | None) and len(str(value)) <= _MAX_ID


def welcome(connection: str, epoch: str, head: int, low: int, ping: float, largest: int) -> bytes:
    """The first frame. head, low: the seqs of the newest event and of the oldest that is kept. ping: seconds between
    the server's own pings. largest: bytes that a message to the server may have."""
    return _frame("welcome", conn=connection, epoch=epoch, head=head, low=low, ping=ping, max=largest)


def subscribed(own_id: Any, seq: int, *, recovered: bool) -> bytes:
    """From `seq` on all is live. recovered: whether everything since the place that was asked for was replayed."""
    return _frame("subscribed", id=own_id, seq=seq, recovered=recovered)


def event(frame: bytes) -> bytes:
    return b'{"type":"event","event":' + frame + b"}"


def events(frames: Sequence[bytes]) -> bytes:
    return b'{"type":"events","events":[' + b",".join(frames) + b"]}"


def progress(seq: int) -> bytes:
    """Events up to `seq` have passed that were not asked for."""
    return _frame("progress", seq=seq)


def reset(reason: str, epoch: str, head: int) -> bytes:
    """What was asked for cannot be replayed whole, so none of it is; load anew, then go on from `head`."""
    return _frame("reset", reason=reason, epoch=epoch, head=head)


def pong(own_id: Any) -> bytes:
    return _frame("pong", id=own_id)


def error(own_id: Any, code: str, message: str) -> bytes:
    return _frame("error", id=own_id, code=code, message=message)


def _frame(kind: str, **members: Any) -> bytes:
    return orjson.dumps({"type": kind, **members})
