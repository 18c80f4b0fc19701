"""Ways to a screen: whole frames straight to the transport where the server offers that, else ASGI's messages.

Neither ever waits: what is written goes to the transport's own buffer, and whoever writes looks for room first.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from endpoints.live.frames import TextFrame

#: The ASGI extension by which `app.socket_protocol.SocketProtocol` offers itself.
EXTENSION: Final = "pos.frames"
_CLOSE_SECONDS: Final = 5.0


class Gone(Exception):
    """The screen has gone away."""


class FrameSink(Protocol):
    """The way to one screen. on_room: called when there is room again."""

    on_room: Callable[[], None] | None

    @property
    def has_room(self) -> bool:
        """Whether more should be written now."""
        ...

    def write(self, texts: Sequence[TextFrame]) -> None:
        """Sends some messages.

        :raises Gone: nobody is there.
        """
        ...

    def close(self, code: int, reason: str) -> None:
        """Says goodbye, to a screen that may never listen."""
        ...


class FrameTransport(Protocol):
    """A WebSocket that takes whole frames. See `app.server.websocket_protocol.SocketProtocol`."""

    on_room: Callable[[], None] | None

    @property
    def has_room(self) -> bool: ...

    def write_frames(self, frames: bytes) -> None:
        """:raises ConnectionError: the connection is closed, or closing."""
        ...

    def close_for(self, code: int, reason: str) -> None: ...


class FrameOutlet:
    """Each message is framed once, for all screens; several go out in one write."""

    __slots__ = ("_transport",)

    def __init__(self, transport: FrameTransport) -> None:
        self._transport = transport

    @property
    def on_room(self) -> Callable[[], None] | None:
        return self._transport.on_room

    @on_room.setter
    def on_room(self, call: Callable[[], None] | None) -> None:
        self._transport.on_room = call

    @property
    def has_room(self) -> bool:
        return self._transport.has_room

    def write(self, texts: Sequence[TextFrame]) -> None:
        try:
            self._transport.write_frames(texts[0].wire if len(texts) == 1 else b"".join([text.wire for text in texts]))
        except ConnectionError as error:
            raise Gone from error

    def close(self, code: int, reason: str) -> None:
        self._transport.close_for(code, reason)


class AsgiOutlet:
    """The plain way, for any ASGI server: one task at a time, which sends what was written last."""

    def __init__(self, websocket: WebSocket[Any]) -> None:
        self._websocket = websocket
        self._sending: asyncio.Task[None] | None = None
        self._is_gone = False
        self.on_room: Callable[[], None] | None = None

    @property
    def has_room(self) -> bool:
        return self._sending is None

    def write(self, texts: Sequence[TextFrame]) -> None:
        if self._is_gone:
            raise Gone
        self._sending = asyncio.create_task(self._send(texts))

    async def _send(self, texts: Sequence[TextFrame]) -> None:
        try:
            for text in texts:
                await self._websocket.send_text(text.json.decode())
        except (WebSocketDisconnect, RuntimeError, OSError):
            self._is_gone = True
        self._sending = None
        if self.on_room is not None:
            self.on_room()

    def close(self, code: int, reason: str) -> None:
        self._sending = asyncio.create_task(self._close(self._sending, code, reason))

    async def _close(self, sending: asyncio.Task[None] | None, code: int, reason: str) -> None:
        # A screen that has stopped reading cannot be told so in this way.
        with suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                if sending is not None:
                    await sending
                await self._websocket.close(code, reason)


def outlet_of(websocket: WebSocket[Any]) -> FrameSink:
    transport: FrameTransport | None = websocket.scope.get("extensions", {}).get(EXTENSION)
    return AsgiOutlet(websocket) if transport is None else FrameOutlet(transport)
