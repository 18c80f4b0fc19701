"""One deadline for each request, over all its steps: sign-in, limits, reading, writing."""

import asyncio
import math
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.errors import on_refusal
from repositories.database.deadlines import REQUEST_SECONDS, Deadline, current

#: How exactly a deadline is kept. One timer for all costs a request next to nothing.
_TICK_SECONDS: Final = 0.05


class Deadlines:
    """Answers each HTTP request in time, with a 503 where it is not done by then.

    What a client takes to send is not counted, and bounded elsewhere; an answer that has begun may go on.
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
        token = current.set(deadline)
        is_whole = False

        async def counted_receive() -> Message:
            nonlocal is_whole
            if is_whole:
                return await receive()
            with deadline.paused():
                message = await receive()
            is_whole = not message.get("more_body", False)
            return message

        async def lifting_send(message: Message) -> None:
            deadline.due = math.inf
            await send(message)

        self._open.add(deadline)
        if self._timer is None:
            self._tick()
        try:
            await self.app(scope, counted_receive, lifting_send)
        except asyncio.CancelledError as error:
            # The server, too, may have ended it, as it does when it stops.
            if not deadline.has_passed or task.uncancel():
                raise
            response = await on_refusal(HTTPConnection(scope), deadline.error_for(error))
            await response(scope, receive, send)
        finally:
            self._open.discard(deadline)
            # Task, context and deadline would refer to each other until the garbage collector finds them.
            current.reset(token)

    def _tick(self) -> None:
        """End those whose time is over, and look again soon, while any are open."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in [each for each in self._open if each.due <= now]:
            deadline.end()
        self._timer = loop.call_later(_TICK_SECONDS, self._tick) if self._open else None
