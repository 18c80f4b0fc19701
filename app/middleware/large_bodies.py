"""Large requests in turn: a few at a time are read and worked on, however many come, so that small ones get through."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from repositories.database.errors import Unavailable

#: A body that is larger takes milliseconds to read, to load, to store and to show.
LARGE_BYTES: Final = 32 * 1024
#: How many of those are read or worked on at a time.
AT_ONCE: Final = 4
#: A body that takes longer to arrive is read on without a place, so that a slow sender holds none.
READING_SECONDS: Final = 0.25
#: A request that has no place by then is refused, which leaves time to take in the rest of its body first: a client
#: that is still sending does not read an answer.
WAITING_SECONDS: Final = 3.0
REST_SECONDS: Final = 1.0

_BUSY: Final = "Many large requests are being worked on just now. Please try again in a moment."


class LargeBodies:
    """Lets a request with a large body go on when it is its turn.

    Until then what it sends is left to the connection, which takes little of it. The wait counts for the deadline of
    the request, and nothing was done before. The place is given up as the answer begins.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._places = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        announced = _announced(scope)
        if announced is not None and announced <= LARGE_BYTES:
            await self.app(scope, receive, send)
            return
        turn = _Turn(self._places, receive, is_large=announced is not None)

        async def leaving(message: Message) -> None:
            if message["type"] == "http.response.start":
                turn.leave()
            await send(message)

        try:
            await self.app(scope, turn.receive, leaving)
        finally:
            turn.leave()


class _Turn:
    """That of one request. is_large: whether it is known to be, before the body has come."""

    def __init__(self, places: asyncio.Semaphore, receive: Receive, *, is_large: bool) -> None:
        self._places = places
        self._receive = receive
        self._is_large = is_large
        self._is_whole = False
        self._size = 0
        self._has_place = False
        self._patience: asyncio.TimerHandle | None = None

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()
        if self._is_large and not self._size:
            await self._enter()
            self._patience = asyncio.get_running_loop().call_later(READING_SECONDS, self._step_back)
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self._is_whole:
            self._end_patience()
            if self._size > LARGE_BYTES:
                await self._enter()
        return message

    def leave(self) -> None:
        self._end_patience()
        self._step_back()

    async def _enter(self) -> None:
        if self._has_place:
            return
        try:
            async with asyncio.timeout(WAITING_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            await self._pass_over_the_rest()
            raise Unavailable(_BUSY) from None
        self._has_place = True

    async def _pass_over_the_rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(REST_SECONDS):
                while not self._is_whole:
                    self._is_whole = not (await self._receive()).get("more_body", False)

    def _step_back(self) -> None:
        if self._has_place:
            self._has_place = False
            self._places.release()

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()


def _announced(scope: Scope) -> int | None:
    """Return how many bytes of a body are announced; None where it is not said."""
    if scope["type"] != "http":
        return 0
    announced = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            # Of more digits than any body may have it is as large as it looks, and refused unread.
            announced = int(value[:10])
        elif name == b"transfer-encoding":
            return None
    return announced
