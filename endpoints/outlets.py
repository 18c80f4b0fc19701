"""Ways to a screen: whole frames straight to the transport where the server offers that, else ASGI's messages."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from endpoints.ring import Text

#: The ASGI extension by which `app.protocol.SocketProtocol` offers itself.
EXTENSION: Final = "pos.frames"
_CLOSE_SECONDS: Final = 5.0


class Gone(Exception):
    """The screen has gone away."""


class Outlet(Protocol):
    """The way to one screen."""

    async def send(self, texts: Sequence[Text]) -> None:
        """Sends some messages; returns when there is room for more.

        :raises Gone: nobody is there.
        """
        ...

    async def close(self, code: int, reason: str) -> None:
        """Says goodbye, to a screen that may never listen."""
        ...


class FrameTransport(Protocol):
    """A WebSocket that takes whole frames. See `app.protocol.SocketProtocol`."""

    def write_frames(self, frames: bytes) -> None:
        """Hands frames to the transport, which never waits.

        :raises ConnectionError: it is closed, or closing.
        """
        ...

    async def drained(self) -> None: ...

    def close_for(self, code: int, reason: str) -> None: ...


class FrameOutlet:
    """Each message is framed once, for all screens; several go out in one write."""

    def __init__(self, transport: FrameTransport) -> None:
        self._transport = transport

    async def send(self, texts: Sequence[Text]) -> None:
        try:
            self._transport.write_frames(texts[0].wire if len(texts) == 1 else b"".join([text.wire for text in texts]))
        except ConnectionError as error:
            raise Gone from error
        await self._transport.drained()

    async def close(self, code: int, reason: str) -> None:
        self._transport.close_for(code, reason)


class AsgiOutlet:
    """The plain way, for any ASGI server."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def send(self, texts: Sequence[Text]) -> None:
        try:
            for text in texts:
                await self._websocket.send_text(text.json.decode())
        except (WebSocketDisconnect, RuntimeError, OSError) as error:
            raise Gone from error

    async def close(self, code: int, reason: str) -> None:
        # A screen that has stopped reading cannot be told so in this way.
        with suppress(WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._websocket.close(code, reason)


def outlet_of(websocket: WebSocket) -> Outlet:
    transport: FrameTransport | None = websocket.scope.get("extensions", {}).get(EXTENSION)
    return AsgiOutlet(websocket) if transport is None else FrameOutlet(transport)
