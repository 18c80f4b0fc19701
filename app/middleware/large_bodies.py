"""A limit for large requests: a few at a time are read and processed, so that small ones are not delayed."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from repositories.database.errors import Unavailable

#: A larger body takes milliseconds to read, parse, store and serialize.
LARGE_BYTES: Final = 32 * 1024
#: How many of them are read or processed at a time.
AT_ONCE: Final = 4
#: Seconds after which a slow body continues without a place, so that a slow client occupies none.
READING_SECONDS: Final = 0.25
#: Seconds after which a request without a place is refused. Time is left to read the rest of its body first, since a
#: client that is still sending does not read the response.
WAITING_SECONDS: Final = 3.0
REST_SECONDS: Final = 1.0

_BUSY: Final = "The service is processing many large requests. Please try again in a moment."


class LargeBodies:
    """Let a request with a large body continue when it has a place.

    Until then, its data wait in the connection, which holds little of them. The wait counts for the deadline of the
    request, and nothing has been done before. The place is released when the response begins.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._places = asyncio.Semaphore(AT_ONCE)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        announced = _announced(scope)
        if announced is not None and announced <= LARGE_BYTES:
            return self.app(scope, receive, send)
        return self._take_turn(scope, receive, send, is_large=announced is not None)

    async def _take_turn(self, scope: Scope, receive: Receive, send: Send, *, is_large: bool) -> None:
        turn = _Turn(self._places, receive, is_large=is_large)

        async def leaving(message: Message) -> None:
            if message["type"] == "http.response.start":
                turn.leave()
            await send(message)

        try:
            await self.app(scope, turn.receive, leaving)
        finally:
            turn.leave()


class _Turn:
    """The place of one request.

    :param is_large: whether the headers already announce a large body.
    """

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
    """Return the announced length of a body; None if there is none."""
    if scope["type"] != "http":
        return 0
    announced = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            # A number with so many digits is too large for any body, which is refused unread.
            announced = int(value[:10])
        elif name == b"transfer-encoding":
            return None
    return announced
