"""Large answers, handed over as fast as their clients take them, and only so many of them at a time.

A server that is given an answer whole keeps all of it until the client has taken it. So it is given piece by piece,
and what the answers that are under way hold together is bounded. One that several are given, a copy or a file of ours,
is in memory once, and counts once.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.host_guard import refuse
from endpoints.transfer.concurrency_limits import SETTLED_SECONDS, TAKING_SECONDS, Busy, owner_of
from endpoints.transfer.disconnect import cut_of

#: What is handed over at once; smaller answers are not counted.
PIECE: Final = 64 * 1024
#: Bytes of answers that are under way: of one credential, or of one address where nothing is shown, and of all.
BYTES_EACH: Final = 32 * 2**20
BYTES: Final = 64 * 2**20


class Pacing:
    """Answers as large as clients take them, and a refusal where as much is under way as may be."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._load = _Load()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        answer = _Answer(self._load, scope, receive, send)
        try:
            await self.app(scope, receive, answer)
        finally:
            answer.leave()


class _Load:
    """What the answers that are under way hold: bodies by their identity, each with its users and its first owner."""

    def __init__(self) -> None:
        self._users: Counter[int] = Counter()
        self._owners: dict[int, str] = {}
        self._bytes: Counter[str] = Counter()
        #: Those that are counted, the oldest first.
        self.answers: list[_Answer] = []

    def take(self, body: bytes, owner: str) -> bool:
        """Add one more user of a body, unless that would be too much."""
        if id(body) not in self._owners:
            if self._bytes[owner] + len(body) > BYTES_EACH or self._bytes.total() + len(body) > BYTES:
                return False
            self._owners[id(body)] = owner
            self._bytes[owner] += len(body)
        self._users[id(body)] += 1
        return True

    def make_room(self, owner: str, size: int) -> None:
        """Cut the oldest answer of the one who has most, where the owner would still have less."""
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
    """The way out for one answer."""

    __slots__ = ("_body", "_is_refused", "_load", "_receive", "_scope", "_send", "_since", "_start", "_timer")

    def __init__(self, load: _Load, scope: Scope, receive: Receive, send: Send) -> None:
        self._load, self._scope, self._receive, self._send = load, scope, receive, send
        # A start that waits for its body, which says whether there is room; and the body, while it is counted.
        self._start: Message | None = None
        self._body: bytes | None = None
        self._is_refused = False
        # When that began, and what cuts it where it is not taken in time.
        self._since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def owner(self) -> str:
        return owner_of(self._scope)

    @property
    def is_settled(self) -> bool:
        return asyncio.get_running_loop().time() >= self._since + SETTLED_SECONDS

    def cut(self) -> None:
        """End it, since it is not taken."""
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
        """The answer is over, or nobody is there any more."""
        if self._body is not None:
            self._load.leave(self._body)
            self._body = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self in self._load.answers:
            self._load.answers.remove(self)


async def _nothing() -> None:
    """What is sent while a start waits."""


def _length(start: Message) -> int:
    """Return the length that an answer announces; 0 where it is made as it goes."""
    for name, value in start["headers"]:
        if name == b"content-length":
            return int(value)
    return 0
