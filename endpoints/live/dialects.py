"""How screens speak: plainly, or the subprotocol `pos.v1`."""

from collections.abc import Sequence
from typing import Final, Protocol

from endpoints.live.frames import Entry, Text
from schemas.live import protocol as live
from schemas.live.protocol import BadFrame, InvalidSubscription, Ping, Subscription


class Dialect(Protocol):
    """How a screen speaks. is_talkative: whether it is told more than events."""

    is_talkative: bool

    def of_entries(self, entries: Sequence[Entry]) -> Sequence[Text]:
        """The messages that carry some events."""
        ...

    def hear(self, data: str | bytes) -> Text | Subscription | None:
        """What is to be answered to a message, or what it asks for.

        :raises BadFrame: it is no message.
        """
        ...


class Plain:
    """What a client that just opens `/ws` speaks: events as they are, and `pong` to `ping`; all else is ignored."""

    is_talkative = False
    _PONG: Final = Text(b"pong")

    def of_entries(self, entries: Sequence[Entry]) -> Sequence[Text]:
        return [entry.text for entry in entries]

    def hear(self, data: str | bytes) -> Text | Subscription | None:
        return self._PONG if data == "ping" else None


class V1:
    """The subprotocol `pos.v1`: see `schemas.live`.

    One for all who speak it: most are told the same one after the other, so what was said last is kept.
    """

    is_talkative = True

    def __init__(self) -> None:
        self._last: Sequence[Entry] = ()
        self._said: Sequence[Text] = ()

    def of_entries(self, entries: Sequence[Entry]) -> Sequence[Text]:
        if entries != self._last:
            texts = [entry.text.json for entry in entries]
            self._last, self._said = entries, [Text(live.event(*texts) if len(texts) == 1 else live.events(texts))]
        return self._said

    def hear(self, data: str | bytes) -> Text | Subscription | None:
        if isinstance(data, bytes):
            raise BadFrame("not a text")
        try:
            message = live.read_message(data)
        except InvalidSubscription as refusal:
            return Text(live.error(refusal.members["id"], refusal.code, refusal.detail))
        return Text(live.pong(message.id)) if isinstance(message, Ping) else message
