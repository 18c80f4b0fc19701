"""One deadline for each request, over all its steps: sign-in, limits, reading, writing."""

import asyncio
import math
from collections.abc import Awaitable
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.errors import on_refusal
from repositories.database.deadlines import REQUEST_SECONDS, Deadline, current_deadline

#: The precision of a deadline, in seconds. One timer for all requests costs almost nothing.
_TICK_SECONDS: Final = 0.05


class Deadlines:
    """Answer each HTTP request with a 503 if it has no response by its deadline.

    The time in which the client sends the request does not count; the server limits it. A response that has begun may
    continue.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._seconds = REQUEST_SECONDS
        self._open: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            await self.app(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        deadline = Deadline(task, clock() + self._seconds)
        token = current_deadline.set(deadline)
        is_whole = False

        async def counted_receive() -> Message:
            nonlocal is_whole
            if is_whole:
                return await receive()
            with deadline.paused():
                message = await receive()
            is_whole = not message.get("more_body", False)
            return message

        def lifting_send(message: Message) -> Awaitable[None]:
            deadline.due = math.inf
            return send(message)

        self._open.add(deadline)
        if self._timer is None:
            self._tick()
        try:
            await self.app(scope, counted_receive, lifting_send)
        except asyncio.CancelledError as error:
            # The server may have cancelled the request too, when it stops.
            if not deadline.has_passed or task.uncancel():
                raise
            response = await on_refusal(HTTPConnection(scope), deadline.error_for(error))
            await response(scope, receive, send)
        finally:
            self._open.discard(deadline)
            # Break the reference cycle of task, context and deadline.
            current_deadline.reset(token)

    def _tick(self) -> None:
        """Cancel the requests whose time is over, and look again soon while any are open."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in [each for each in self._open if each.due <= now]:
            deadline.end()
        self._timer = loop.call_later(_TICK_SECONDS, self._tick) if self._open else None
