"""How screens speak: plainly, or the subprotocol `pos.v1`."""

from collections.abc import Sequence
from typing import Final, Protocol

from endpoints.live.frames import RenderedEvent, TextFrame
from schemas.live import protocol as live
from schemas.live.protocol import BadFrame, InvalidSubscription, Ping, SubscribeRequest


class Dialect(Protocol):
    """How a screen speaks. is_talkative: whether it is told more than events."""

    sends_control_frames: bool

    def of_entries(self, entries: Sequence[RenderedEvent]) -> Sequence[TextFrame]:
        """The messages that carry some events."""
        ...

    def hear(self, data: str | bytes) -> TextFrame | SubscribeRequest | None:
        """What is to be answered to a message, or what it asks for.

        :raises BadFrame: it is no message.
        """
        ...


class Plain:
    """What a client that just opens `/ws` speaks: events as they are, and `pong` to `ping`; all else is ignored."""

    sends_control_frames = False
    _PONG: Final = TextFrame(b"pong")

    def of_entries(self, entries: Sequence[RenderedEvent]) -> Sequence[TextFrame]:
        return [entry.text for entry in entries]

    def hear(self, data: str | bytes) -> TextFrame | SubscribeRequest | None:
        return self._PONG if data == "ping" else None


class V1:
    """The subprotocol `pos.v1`: see `schemas.live`.

    One for all who speak it: most are told the same one after the other, so what was said last is kept.
    """

    sends_control_frames = True

    def __init__(self) -> None:
        self._last: Sequence[RenderedEvent] = ()
        self._said: Sequence[TextFrame] = ()

    def of_entries(self, entries: Sequence[RenderedEvent]) -> Sequence[TextFrame]:
        if entries != self._last:
            texts = [entry.text.json for entry in entries]
            self._last, self._said = entries, [TextFrame(live.event(*texts) if len(texts) == 1 else live.events(texts))]
        return self._said

    def hear(self, data: str | bytes) -> TextFrame | SubscribeRequest | None:
        if isinstance(data, bytes):
            raise BadFrame("not a text")
        try:
            message = live.read_message(data)
        except InvalidSubscription as refusal:
            return TextFrame(live.error(refusal.members["id"], refusal.code, refusal.detail))
        return TextFrame(live.pong(message.id)) if isinstance(message, Ping) else message
