"""Two parts of uvicorn's WebSocket connection: the refusal of a handshake, and the queue of messages."""

import asyncio
from typing import Any, Final
from uuid import uuid4

from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import StatusLike

from app.problem_details import PROBLEM_JSON, SECURITY_HEADERS, problem_bytes

_NO_HANDSHAKE: Final = "The request is not a WebSocket handshake."


class JsonServerProtocol(ServerProtocol):
    """Refuse a handshake with a problem document instead of plain text."""

    def reject(self, status: StatusLike, text: str) -> Response:
        response = super().reject(status, text)
        request_id = uuid4().hex
        code = response.reason_phrase.lower().replace(" ", "_")
        response.body = problem_bytes(
            response.status_code, code, response.reason_phrase, text.strip() or _NO_HANDSHAKE, request_id
        )
        # Assignment would add a second header of that name.
        for name in ("Content-Type", "Content-Length"):
            del response.headers[name]
        response.headers["Content-Type"] = PROBLEM_JSON
        response.headers["Content-Length"] = str(len(response.body))
        response.headers["X-Request-ID"] = request_id
        response.headers.update(SECURITY_HEADERS)
        return response


class Inbox:
    """The part of `asyncio.Queue` that uvicorn uses, at a tenth of its size: most clients send nothing."""

    __slots__ = ("_messages", "_waiter")

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._waiter: asyncio.Future[None] | None = None

    def put_nowait(self, message: Any) -> None:
        self._messages.append(message)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def get(self) -> Any:
        while not self._messages:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
            self._waiter = None
        return self._messages.pop(0)

    def empty(self) -> bool:
        return not self._messages
