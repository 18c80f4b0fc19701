"""The hub: from a committed event to every screen, in order, each once; and `/ws`, the screens' door.

Two sources feed one door. The endpoint that committed an event hands it over at once; the doorbell (a change stream,
and a poll for when it is silent) tells of events of other processes, which are then read from the log. The door opens
strictly in `seq` order: what comes early waits, what came already is dropped.

A connection is a cursor into a ring of the newest frames and one task that sends from it. Publishing never waits for
a socket: a screen that does not read only falls behind, and is closed when the ring has passed it by.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from starlette.endpoints import WebSocketEndpoint
from starlette.exceptions import HTTPException
from starlette.websockets import WebSocket, WebSocketDisconnect

from repositories.errors import Unavailable
from repositories.events import EventLog
from schemas.events import Event

RING: Final = 10_000
POLL_SECONDS: Final = 1.0
_REOPEN_SECONDS: Final = 0.5

TOO_SLOW: Final = 4430

logger = logging.getLogger("pos.hub")


@dataclass(slots=True)
class _Entry:
    """An event in the ring; its frame is made once, for the first screen that is sent it."""

    event: Event
    frame: str | None = None


class Screen(Protocol):
    """What the hub needs of a WebSocket."""

    async def send_text(self, data: str) -> None: ...

    async def close(self, code: int = ..., reason: str | None = ...) -> None: ...


class Connection:
    """One screen: how far it has been sent, and how to send it more."""

    def __init__(self, screen: Screen, cursor: int) -> None:
        self.screen = screen
        self.cursor = cursor
        self.more = asyncio.Event()
        self.writer: asyncio.Task[None] | None = None


class Hub:
    """The hub of one process.

    :param frame: turns an event into the text that is sent.
    """

    def __init__(self, log: EventLog, frame: Callable[[Event], str]) -> None:
        self._log = log
        self._frame = frame
        self._epoch = ""
        self._seq = 0
        self._early: dict[int, Event] = {}
        self._ring: deque[_Entry] = deque(maxlen=RING)
        self._connections: set[Connection] = set()
        self._bell = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def connected_clients(self) -> int:
        return len(self._connections)

    async def start(self) -> None:
        """Takes its place at the head of the log; from here on it misses nothing.

        :raises Unavailable: the database is away.
        """
        self._epoch, self._seq = await self._log.head()
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._follow())]

    async def stop(self) -> None:
        """Ends the hub's own tasks and those of the connections that are left."""
        writers = [connection.writer for connection in self._connections if connection.writer]
        for task in (*self._tasks, *writers):
            task.cancel()
        await asyncio.gather(*self._tasks, *writers, return_exceptions=True)

    def notify(self, events: Sequence[Event]) -> None:
        """Events that this process has committed. Never waits."""
        for event in events:
            self._early[event["seq"]] = event
        self._open_door()
        if self._early:
            self._bell.set()

    def join(self, screen: Screen) -> Connection:
        """A screen that gets every event from now on."""
        connection = Connection(screen, self._seq)
        connection.writer = asyncio.create_task(self._write(connection))
        self._connections.add(connection)
        return connection

    def leave(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection.writer is not None:
            connection.writer.cancel()

    def _open_door(self) -> None:
        """Publishes what is next in order, as far as it goes."""
        published = False
        while (event := self._early.pop(self._seq + 1, None)) is not None:
            self._seq += 1
            self._ring.append(_Entry(event))
            published = True
        if self._early and min(self._early) <= self._seq:
            self._early = {seq: event for seq, event in self._early.items() if seq > self._seq}
        if published:
            for connection in self._connections:
                connection.more.set()

    async def _write(self, connection: Connection) -> None:
        """Sends a connection what the ring holds beyond its cursor, for as long as it lasts."""
        try:
            while True:
                while connection.cursor < self._seq:
                    place = len(self._ring) - (self._seq - connection.cursor)
                    if place < 0:
                        await connection.screen.close(TOO_SLOW, "too slow")
                        return
                    entry = self._ring[place]
                    if entry.frame is None:
                        entry.frame = self._frame(entry.event)
                    connection.cursor += 1
                    await connection.screen.send_text(entry.frame)
                connection.more.clear()
                await connection.more.wait()
        except (WebSocketDisconnect, RuntimeError, OSError):
            # The screen has gone; its endpoint hears of it too, and leaves.
            self._connections.discard(connection)

    async def _listen(self) -> None:
        """Rings the bell when the log grows beyond what was published here."""
        while True:
            try:
                async for head in self._log.rings():
                    if head > self._seq:
                        self._bell.set()
            except Unavailable:
                logger.warning("The doorbell fell silent; opening it again.")
            self._bell.set()
            await asyncio.sleep(_REOPEN_SECONDS)

    async def _follow(self) -> None:
        """Reads what the bell announced; looks by itself where the bell was silent for a while."""
        while True:
            try:
                rung = await _within(POLL_SECONDS, self._bell.wait())
                self._bell.clear()
                if rung or await self._has_grown():
                    await self._catch_up()
            except Unavailable:
                await asyncio.sleep(_REOPEN_SECONDS)

    async def _has_grown(self) -> bool:
        epoch, head = await self._log.head()
        if epoch != self._epoch:
            logger.warning("The event log is another one than before; following it from its head.")
            self._epoch, self._seq = epoch, head
            self._early.clear()
            self._ring.clear()
            for connection in self._connections:
                connection.cursor = head
        return head > self._seq

    async def _catch_up(self) -> None:
        while events := await self._log.after(self._seq):
            if events[0]["seq"] > self._seq + 1:
                # Only retention removes events, and only long after everyone has seen them.
                logger.warning("Events %d to %d are gone.", self._seq + 1, events[0]["seq"] - 1)
                self._seq = events[0]["seq"] - 1
            for event in events:
                self._early[event["seq"]] = event
            self._open_door()


class LiveUpdates(WebSocketEndpoint):
    """`/ws`. A client that just opens it gets every event from now on, and `pong` for `ping`; all else is ignored."""

    connection: Connection | None = None

    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self.connection = websocket.state.hub.join(websocket)

    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        if data == "ping":
            await websocket.send_text("pong")

    async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
        if self.connection is not None:
            websocket.state.hub.leave(self.connection)


async def no_such_socket(_: WebSocket) -> None:
    """Any other address: refused before the handshake, with a 404 like that of a page."""
    raise HTTPException(404)


async def _within(seconds: float, awaited: Awaitable[Any]) -> bool:
    try:
        await asyncio.wait_for(awaited, seconds)
    except TimeoutError:
        return False
    return True
