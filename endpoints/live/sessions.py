"""All the screens of one store in one process: they come, are watched, and go. One that does not read is closed when
it has fallen too far behind; it may come back and resume.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from typing import Final

from endpoints.live.dialects import V1, Dialect, Plain
from endpoints.live.frames import TextFrame
from endpoints.live.hub import Hub
from endpoints.live.session import ClientSession
from endpoints.live.transports import FrameSink
from repositories.concurrency.supervised_task import SupervisedTask
from schemas.live import protocol as live
from schemas.live.close_codes import TOO_SLOW
from schemas.live.protocol import SubscribeRequest

MAX_MESSAGE: Final = 65_536
PING_SECONDS: Final = 20.0
_TICK_SECONDS: Final = 1.0

logger = logging.getLogger("pos.hub")


class ClientSessions:
    """All screens of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._plain, self._v1 = Plain(), V1()
        self._screens: set[ClientSession] = set()
        self._watching = SupervisedTask("The watch over screens", self._watch)

    def __len__(self) -> int:
        return len(self._screens)

    def __iter__(self) -> Iterator[ClientSession]:
        return iter(tuple(self._screens))

    def start(self) -> None:
        self._watching.start()

    async def stop(self) -> None:
        """Ends the watch, and leaves those that are left."""
        for screen in self:
            screen.leave()
        await self._watching.stop()

    def join(self, outlet: FrameSink, wanted: SubscribeRequest | None, *, speaks_v1: bool) -> ClientSession:
        """A screen that is sent what it wants, from now on or from an earlier place."""
        dialect: Dialect = self._v1 if speaks_v1 else self._plain
        screen = ClientSession(self._hub, outlet, dialect, wanted)
        self._screens.add(screen)
        if dialect.sends_control_frames:
            status = self._hub.status
            welcome = live.welcome(
                secrets.token_hex(8), status.epoch, status.head, status.low, PING_SECONDS, MAX_MESSAGE
            )
            screen.greet(TextFrame(welcome))
        return screen

    def leave(self, screen: ClientSession) -> None:
        self._screens.discard(screen)
        screen.leave()

    def dismiss(self, screen: ClientSession, code: int) -> None:
        self._screens.discard(screen)
        screen.close(code)

    async def _watch(self) -> None:
        """Closes those that do not read, and tells the others of what has passed them by."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = time.monotonic()
            for screen in self:
                if screen.is_too_slow(now):
                    logger.info("A screen does not read, and is closed.")
                    self.dismiss(screen, TOO_SLOW)
                else:
                    screen.tick()
