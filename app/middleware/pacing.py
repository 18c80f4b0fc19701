"""Flow control and a memory limit for large responses.

If a server receives a response whole, it keeps all of it until the client has read it. So a large response is passed
on piece by piece, and all responses that are being sent have a common limit. A body that several responses share,
such as a cached one, is in memory once and counts once.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.host_guard import refuse
from endpoints.transfer.concurrency_limits import SETTLED_SECONDS, TAKING_SECONDS, Busy, owner_of
from endpoints.transfer.disconnect import cut_of

#: Bytes of one piece; smaller responses are not counted.
PIECE: Final = 64 * 1024
#: Bytes of responses that are being sent: to one credential, or one address without a credential; and to all.
BYTES_EACH: Final = 32 * 2**20
BYTES: Final = 64 * 2**20


class Pacing:
    """Send large responses as fast as their clients read, and refuse a response beyond the limit."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._load = _Load()

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or scope["method"] != "GET":
            return self.app(scope, receive, send)
        return self._pace(scope, receive, send)

    async def _pace(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(self._load, scope, receive, send)
        try:
            await self.app(scope, receive, answer)
        finally:
            answer.leave()


class _Load:
    """The bodies that are being sent, by identity, each with its users and its first owner."""

    def __init__(self) -> None:
        self._users: Counter[int] = Counter()
        self._owners: dict[int, str] = {}
        self._bytes: Counter[str] = Counter()
        #: The counted responses, the oldest first.
        self.answers: list[_Answer] = []

    def take(self, body: bytes, owner: str) -> bool:
        """Add one more user of a body, unless the limit would be exceeded."""
        if id(body) not in self._owners:
            if self._bytes[owner] + len(body) > BYTES_EACH or self._bytes.total() + len(body) > BYTES:
                return False
            self._owners[id(body)] = owner
            self._bytes[owner] += len(body)
        self._users[id(body)] += 1
        return True

    def make_room(self, owner: str, size: int) -> None:
        """Cut the oldest response of the owner with the most bytes, if the new owner would still have less."""
        for other, most in self._bytes.most_common(1):
            oldest = next((each for each in self.answers if each.owner == other), None)
            if oldest is not None and most >= self._bytes[owner] + 2 * size and oldest.is_settled:
                self.answers.remove(oldest)
                oldest.cut()

    def leave(self, body: bytes) -> None:
        """End one use of a body."""
        self._users[id(body)] -= 1
        if not self._users[id(body)]:
            del self._users[id(body)]
            owner = self._owners.pop(id(body))
            self._bytes[owner] -= len(body)
            if not self._bytes[owner]:
                del self._bytes[owner]


class _Answer:
    """The sending side of one response."""

    __slots__ = ("_body", "_is_refused", "_load", "_receive", "_scope", "_send", "_since", "_start", "_timer")

    def __init__(self, load: _Load, scope: Scope, receive: Receive, send: Send) -> None:
        self._load, self._scope, self._receive, self._send = load, scope, receive, send
        # The start, until the body shows whether there is room; and the body, while it is counted.
        self._start: Message | None = None
        self._body: bytes | None = None
        self._is_refused = False
        # The time of the begin, and the timer that cuts a response that the client does not read.
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def owner(self) -> str:
        return owner_of(self._scope)

    @property
    def is_settled(self) -> bool:
        return asyncio.get_running_loop().time() >= self._since + SETTLED_SECONDS

    def cut(self) -> None:
        """End the response, since the client does not read it."""
        cut = cut_of(self._scope)
        if cut is not None:
            cut()

    def __call__(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            if _length(message) <= PIECE:
                return self._send(message)
            self._start = message
            return _nothing()
        if self._start is None and len(message.get("body", b"")) <= PIECE and not self._is_refused:
            return self._send(message)
        return self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if self._start is not None:
            start, self._start = self._start, None
            await self._begin(start, message.get("body", b""))
        if self._is_refused:
            return
        body, is_more = message.get("body", b""), message.get("more_body", False)
        for place in range(0, len(body), PIECE):
            piece = body[place : place + PIECE]
            more = is_more or place + PIECE < len(body)
            await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    async def _begin(self, start: Message, body: bytes) -> None:
        if self._load.take(body, self.owner):
            self._body = body
            loop = asyncio.get_running_loop()
            self._since, self._timer = loop.time(), loop.call_later(TAKING_SECONDS, self.cut)
            self._load.answers.append(self)
            await self._send(start)
        else:
            self._load.make_room(self.owner, len(body))
            self._is_refused = True
            await refuse(Busy(), self._scope, self._receive, self._send)

    def leave(self) -> None:
        """End the use of the body, at the end of the response or of the connection."""
        if self._body is not None:
            self._load.leave(self._body)
            self._body = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self in self._load.answers:
            self._load.answers.remove(self)


async def _nothing() -> None:
    """Send nothing, while the start of a response waits."""


def _length(start: Message) -> int:
    """Return the announced length of a response; 0 if it is unknown."""
    for name, value in start["headers"]:
        if name == b"content-length":
            return int(value)
    return 0
