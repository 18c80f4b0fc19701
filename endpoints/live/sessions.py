"""The client sessions of one store in one process. A client that does not read is disconnected when it has fallen too
far behind; it can reconnect and resume.
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
    """The sessions of one hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._plain, self._v1 = Plain(), V1()
        self._sessions: set[ClientSession] = set()
        self._watching = SupervisedTask("The session monitor", self._watch)

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[ClientSession]:
        return iter(tuple(self._sessions))

    def start(self) -> None:
        self._watching.start()

    async def stop(self) -> None:
        """Detach all sessions and stop the monitor."""
        for session in self:
            session.detach()
        await self._watching.stop()

    def add(self, sink: FrameSink, requested: SubscribeRequest | None, *, speaks_v1: bool) -> ClientSession:
        """Add a session that receives events from now on, or from the requested position."""
        dialect: Dialect = self._v1 if speaks_v1 else self._plain
        session = ClientSession(self._hub, sink, dialect, requested)
        self._sessions.add(session)
        if dialect.sends_control_frames:
            status = self._hub.status
            welcome = live.welcome(
                secrets.token_hex(8), status.epoch, status.head, status.oldest_seq, PING_SECONDS, MAX_MESSAGE
            )
            session.send(TextFrame(welcome))
        return session

    def remove(self, session: ClientSession) -> None:
        self._sessions.discard(session)
        session.detach()

    def disconnect(self, session: ClientSession, code: int) -> None:
        self._sessions.discard(session)
        session.close(code)

    async def _watch(self) -> None:
        """Disconnect clients that do not read, and send the position to the others."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._tick(time.monotonic())

    def _tick(self, now: float) -> None:
        # Apart from `_watch`, whose variables would keep the last session in memory while it sleeps.
        for session in self:
            if session.is_too_slow(now):
                logger.info("A client does not read and is disconnected.")
                self.disconnect(session, TOO_SLOW)
            else:
                session.tick()
