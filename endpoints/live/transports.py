"""Frame sinks: write whole frames to the transport if the server supports it, else send ASGI messages.

A sink never waits: data goes to the buffer of the transport, and the caller checks `has_room` first.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from endpoints.live.frames import TextFrame

#: The ASGI extension with which `app.server.websocket_protocol.SocketProtocol` provides itself.
EXTENSION: Final = "pos.frames"
_CLOSE_SECONDS: Final = 5.0


class ClientGone(Exception):
    """The client has disconnected."""


class FrameSink(Protocol):
    """The output to one client.

    :ivar on_room: called when there is room again.
    """

    on_room: Callable[[], None] | None

    @property
    def has_room(self) -> bool:
        """Whether the buffer has room."""
        ...

    def write(self, texts: Sequence[TextFrame]) -> None:
        """Send messages; raise ClientGone if the client has disconnected."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Close the connection, also if the client does not read."""
        ...


class FrameTransport(Protocol):
    """A WebSocket that accepts whole frames. See `app.server.websocket_protocol.SocketProtocol`."""

    on_room: Callable[[], None] | None

    @property
    def has_room(self) -> bool: ...

    def write_frames(self, frames: bytes) -> None:
        """:raises ConnectionError: the connection is closed, or closing."""
        ...

    def close_for(self, code: int, reason: str) -> None: ...


class TransportSink:
    """Writes frames, which all clients share; several frames are sent in one write."""

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
            raise ClientGone from error

    def close(self, code: int, reason: str) -> None:
        self._transport.close_for(code, reason)


class AsgiSink:
    """Sends messages through ASGI, on any server: one task at a time."""

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
            raise ClientGone
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
        # A client that has stopped reading does not receive the close frame.
        with suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                if sending is not None:
                    await sending
                await self._websocket.close(code, reason)


def sink_for(websocket: WebSocket[Any]) -> FrameSink:
    transport: FrameTransport | None = websocket.scope.get("extensions", {}).get(EXTENSION)
    return AsgiSink(websocket) if transport is None else TransportSink(transport)
