"""The messages of the subprotocol `pos.v1`, JSON objects in both directions; described in `schemas/live/asyncapi.py`.

A position in the log is a `seq`, or `<epoch>.<seq>`. The epoch identifies the log, so that a position in the log of
another database is noticed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from schemas.core.collections import ORDERS, TOPICS
from schemas.core.errors import ShopError

SUBPROTOCOL: Final = "pos.v1"
MAX_TOPICS: Final = 100
ALL_TOPICS: Final = "*"
_MAX_ID: Final = 100

SINCE: Final = re.compile(r"(?:([0-9a-f]{1,32})\.)?([0-9]{1,15})", re.ASCII)
TOPIC: Final = re.compile(rf"(?:{'|'.join(TOPICS)})(?:/[0-9A-Za-z-]{{1,64}})?", re.ASCII)

Json = dict[str, Any]


class InvalidSubscription(ShopError):
    """Topics or a position in the log that are invalid."""

    status, code, title = 422, "invalid_subscription", "The subscription is wrong"


class BadFrame(ValueError):
    """A frame is no message of the subprotocol."""


@dataclass(frozen=True, slots=True)
class LogPosition:
    """A position in an event log: after the event `seq`.

    :ivar epoch: identifies the log; None where the client does not send it.
    """

    seq: int
    epoch: str | None = None

    def __str__(self) -> str:
        return str(self.seq) if self.epoch is None else f"{self.epoch}.{self.seq}"


@dataclass(frozen=True, slots=True)
class SubscribeRequest:
    """A subscription.

    :ivar topics: None for all topics.
    :ivar since: the position after which to replay; None for new events only.
    :ivar id: the client's own id of the message.
    """

    topics: frozenset[str] | None = None
    since: LogPosition | None = None
    id: Any = None


@dataclass(frozen=True, slots=True)
class Ping:
    id: Any = None


def read_since(value: Any) -> LogPosition | None:
    """Return the position of `813`, `"813"` or `"9f2c01ab.813"`, None for None; raise InvalidSubscription else."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    match = SINCE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidSubscription("since: must be the seq of an event, or the position that the service named.")
    return LogPosition(int(match[2]), match[1])


def read_topics(value: Any) -> frozenset[str] | None:
    """Return a list of topics, or a text of them separated by commas, as a set; None for None and `*` (all topics).

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
                f"topics: must be {', '.join(TOPICS[:-1])} or {TOPICS[-1]}, one of them as {ORDERS}/<id>, or "
                f"{ALL_TOPICS}."
            )
    return None if ALL_TOPICS in names else frozenset(names)


def read_message(text: str) -> SubscribeRequest | Ping:
    """Return a client's message.

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
    """Return whether a value may be the client's own id of a message."""
    return not isinstance(value, bool) and isinstance(value, int | str | None) and len(str(value)) <= _MAX_ID


def welcome(connection: str, epoch: str, head: int, low: int, ping: float, largest: int) -> bytes:
    """Return the first frame.

    :param head: the seq of the newest event.
    :param low: the seq of the oldest stored event.
    :param ping: seconds between the server's pings.
    :param largest: the most bytes of a message to the server.
    """
    return _frame("welcome", conn=connection, epoch=epoch, head=head, low=low, ping=ping, max=largest)


def subscribed(own_id: Any, seq: int, *, recovered: bool) -> bytes:
    """Return the frame that confirms a subscription; events after `seq` are live.

    :param recovered: whether all events since the requested position were replayed.
    """
    return _frame("subscribed", id=own_id, seq=seq, recovered=recovered)


def event(frame: bytes) -> bytes:
    return b'{"type":"event","event":' + frame + b"}"


def events(frames: Sequence[bytes]) -> bytes:
    return b'{"type":"events","events":[' + b",".join(frames) + b"]}"


def progress(seq: int) -> bytes:
    """Return the frame that says that events up to `seq` have passed which the client did not subscribe to."""
    return _frame("progress", seq=seq)


def reset(reason: str, epoch: str, head: int) -> bytes:
    """Return the frame that asks the client to reload and to go on from `head`, since a full replay is not possible."""
    return _frame("reset", reason=reason, epoch=epoch, head=head)


def pong(own_id: Any) -> bytes:
    return _frame("pong", id=own_id)


def error(own_id: Any, code: str, message: str) -> bytes:
    return _frame("error", id=own_id, code=code, message=message)


def _frame(kind: str, **members: Any) -> bytes:
    return orjson.dumps({"type": kind, **members})
