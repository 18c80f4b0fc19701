"""One deadline for each request, over all its steps: sign-in, limits, reading, writing."""

import asyncio

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import on_refusal
from repositories.deadlines import REQUEST_SECONDS, Deadline, current


class Deadlines:
    """Answers each HTTP request in time, with a 503 where it is not done by then.

    What a client takes to send is not counted, and bounded elsewhere; an answer that has begun may go on.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._seconds = REQUEST_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = asyncio.timeout(self._seconds)
        deadline = Deadline(limit)
        current.set(deadline)
        is_whole = False

        async def paused_receive() -> Message:
            nonlocal is_whole
            if is_whole:
                return await receive()
            with deadline.paused():
                message = await receive()
            is_whole = not message.get("more_body", False)
            return message

        async def lifting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                deadline.lift()
            await send(message)

        try:
            async with limit:
                await self.app(scope, paused_receive, lifting_send)
        except TimeoutError as error:
            if not limit.expired():
                raise
            response = await on_refusal(HTTPConnection(scope), deadline.true_of(error))
            await response(scope, receive, send)
