"""The two protocols of `/ws`: plain, and the subprotocol `pos.v1`."""

from collections.abc import Sequence
from typing import Final, Protocol

from endpoints.live.frames import RenderedEvent, TextFrame
from schemas.live import protocol as live
from schemas.live.protocol import BadFrame, InvalidSubscription, Ping, SubscribeRequest


class Dialect(Protocol):
    """A protocol.

    :ivar sends_control_frames: whether the client receives more than events.
    """

    sends_control_frames: bool

    def frames_for(self, events: Sequence[RenderedEvent]) -> Sequence[TextFrame]:
        """Return the messages that carry the events."""
        ...

    def parse(self, data: str | bytes) -> TextFrame | SubscribeRequest | None:
        """Return the response to a message, or the subscription that it requests.

        :raises BadFrame: the message is invalid.
        """
        ...


class Plain:
    """The protocol without a subprotocol: one message for each event, `pong` for `ping`; other messages are ignored."""

    sends_control_frames = False
    _PONG: Final = TextFrame(b"pong")

    def frames_for(self, events: Sequence[RenderedEvent]) -> Sequence[TextFrame]:
        return [event.text for event in events]

    def parse(self, data: str | bytes) -> TextFrame | SubscribeRequest | None:
        return self._PONG if data == "ping" else None


class V1:
    """The subprotocol `pos.v1`: see `schemas.live`.

    All sessions share one instance. Most of them are sent the same events in turn, so the last frames are cached.
    """

    sends_control_frames = True

    def __init__(self) -> None:
        self._last: Sequence[RenderedEvent] = ()
        self._frames: Sequence[TextFrame] = ()

    def frames_for(self, events: Sequence[RenderedEvent]) -> Sequence[TextFrame]:
        if events != self._last:
            texts = [event.text.json for event in events]
            message = live.event(*texts) if len(texts) == 1 else live.events(texts)
            self._last, self._frames = events, [TextFrame(message)]
        return self._frames

    def parse(self, data: str | bytes) -> TextFrame | SubscribeRequest | None:
        if isinstance(data, bytes):
            raise BadFrame("not a text")
        try:
            message = live.read_message(data)
        except InvalidSubscription as refusal:
            return TextFrame(live.error(refusal.members["id"], refusal.code, refusal.detail))
        return TextFrame(live.pong(message.id)) if isinstance(message, Ping) else message
