"""Servers that only send events to clients: the hub, and servers to compare it with.

    python -m benchmarks.broadcasters hub|plain-hub|broadcast|loop PORT

For each input line `N pace CLIENTS`, a server waits for the number of clients, prints the current time, and publishes N
events. pace: `burst` (as fast as possible) or `each` (the next one after the previous one is written to all clients).

hub: our hub, with an event log in memory. plain-hub: the same with the standard ASGI messages. broadcast:
`websockets.broadcast`. loop: a Starlette endpoint with uvicorn's own WebSocket protocol, which sends in a loop.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.server import ServerConnection, broadcast, serve

from app.clock import utc_now
from app.server.shutdown import Shutdown
from app.server.uvicorn_options import FLAGS
from endpoints.accounts.authentication import Authenticator
from endpoints.live.connections import Connections
from endpoints.live.hub import Hub
from endpoints.live.origins import Origins
from endpoints.live.sessions import ClientSessions
from endpoints.live.subscriptions import WAKE_AT_ONCE
from endpoints.live.websocket import LiveUpdates
from repositories.event_log.event_log import Head
from schemas.journal.events import render_event

KOLKATA = ZoneInfo("Asia/Kolkata")
Publish = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Broadcaster:
    """A server.

    :ivar publish: sends an event to all clients.
    :ivar clients: returns the number of clients.
    :ivar flushed: waits until the event is written to all clients.
    """

    publish: Publish
    clients: Callable[[], int]
    flushed: Callable[[], Awaitable[None]]


def an_event(seq: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    names = {"customer_name": "Asha Patil", "sale_by": "Ravi", "status": "Completed", "payment_mode": "Cash"}
    data = {"_id": "ORDER-01M84XTT68HTG3928W9X5R73X7", "number": seq, "total": 175005, "amount_paid": 175005}
    data |= {"created_at": now, "version": 1, "estimate_id": None, "estimate_number": None, **names}
    return {"type": "order", "action": "create", "id": data["_id"], "data": data, "seq": seq, "at": now}


class Log:
    """An empty event log without a database."""

    async def head(self) -> Head:
        return Head("bench", 0)

    async def oldest_seq(self) -> int | None:
        return None

    async def after(self, seq: int, limit: int = 0) -> list[Any]:
        return []

    async def notifications(self) -> AsyncIterator[int | None]:
        await asyncio.sleep(3600)
        yield None


async def main(name: str, port: int) -> None:
    servers = {"hub": hub, "plain-hub": hub, "broadcast": serve_broadcast, "loop": serve_loop}
    async with servers[name](port, name) as broadcaster:
        print("ready", flush=True)
        await run_commands(broadcaster)


async def run_commands(broadcaster: Broadcaster) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    seq = 0
    while line := (await lines.readline()).decode().split():
        while broadcaster.clients() < int(line[2]):
            await asyncio.sleep(0.01)
        print(json.dumps(time.monotonic()), flush=True)
        for _ in range(int(line[0])):
            seq += 1
            await broadcaster.publish(an_event(seq))
            if line[1] == "each":
                await broadcaster.flushed()
            await asyncio.sleep(0)


@asynccontextmanager
async def hub(port: int, name: str) -> AsyncIterator[Broadcaster]:
    hub = Hub(Log(), KOLKATA)  # type: ignore[arg-type]
    sessions = ClientSessions(hub)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        await hub.start()
        sessions.start()
        yield {
            "authenticator": Authenticator(None),
            "connections": Connections(None, utc_now),
            "hub": hub,
            "client_sessions": sessions,
            "origins": Origins(),
            "shutdown": Shutdown(),
            "store": "main",
            "stores": SimpleNamespace(is_full=False),
        }

    async def publish(event: dict[str, Any]) -> None:
        hub.notify([event])

    async def flushed() -> None:
        # Enough iterations of the event loop to wake all clients; before that, checking each is useless.
        for _ in range(hub.readers // WAKE_AT_ONCE + 2):
            await asyncio.sleep(0)
        while any(feed.cursor < hub.head for feed in hub.subscriptions):
            await asyncio.sleep(0)

    app = Starlette(routes=[WebSocketRoute("/ws", LiveUpdates)], lifespan=lifespan)
    flags = FLAGS if name == "hub" else {**FLAGS, "ws": "websockets-sansio"}
    async with under_uvicorn(app, port, flags):
        yield Broadcaster(publish, lambda: hub.readers, flushed)


@asynccontextmanager
async def serve_loop(port: int, _: str) -> AsyncIterator[Broadcaster]:
    sockets: set[WebSocket] = set()

    class Endpoint(WebSocketEndpoint):
        async def on_connect(self, websocket: WebSocket) -> None:
            await websocket.accept()
            sockets.add(websocket)

        async def on_disconnect(self, websocket: WebSocket, close_code: int) -> None:
            sockets.discard(websocket)

    async def publish(event: dict[str, Any]) -> None:
        text = render_event(event, KOLKATA).decode()
        for socket in tuple(sockets):
            await socket.send_text(text)

    app = Starlette(routes=[WebSocketRoute("/ws", Endpoint)])
    async with under_uvicorn(app, port, {**FLAGS, "ws": "websockets-sansio", "lifespan": "off"}):
        yield Broadcaster(publish, lambda: len(sockets), no_wait)


@asynccontextmanager
async def serve_broadcast(port: int, _: str) -> AsyncIterator[Broadcaster]:
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()

    async def publish(event: dict[str, Any]) -> None:
        broadcast(connections, render_event(event, KOLKATA).decode())

    async with serve(handler, "127.0.0.1", port, compression=None, backlog=2048):
        yield Broadcaster(publish, lambda: len(connections), no_wait)


async def no_wait() -> None:
    """Return at once, since `publish` has already written the event."""


@asynccontextmanager
async def under_uvicorn(app: Any, port: int, flags: dict[str, Any]) -> AsyncIterator[None]:
    # Log as a library does: nothing for each connection.
    flags = {**flags, "log_config": None}
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", **flags))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
