"""Servers that do nothing but tell screens of events: the hub, and what it is measured against.

    python -m benchmarks.broadcasters hub|plain-hub|broadcast|loop PORT

For each line `N pace CLIENTS` on its input a server waits until it knows so many clients, writes the moment at which it
begins, and publishes N events. pace: `burst`
(as fast as it can), or `each` (the next one when the one before has been handed to every connection).

hub: ours, with an event log in memory. plain-hub: the same through ASGI's own messages. broadcast:
`websockets.broadcast`. loop: a Starlette endpoint under uvicorn's own WebSocket protocol, and a loop of sends.
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
    """publish: tells every client of an event. clients: how many there are. flushed: waits until all were handed it."""

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
    """An event log without a database behind it."""

    async def head(self) -> Head:
        return Head("bench", 0)

    async def low(self) -> int | None:
        return None

    async def after(self, seq: int, limit: int = 0) -> list[Any]:
        return []

    async def rings(self) -> AsyncIterator[int | None]:
        await asyncio.sleep(3600)
        yield None


async def main(name: str, port: int) -> None:
    servers = {"hub": hub, "plain-hub": hub, "broadcast": broadcasting, "loop": looping}
    async with servers[name](port, name) as broadcaster:
        print("ready", flush=True)
        await obey(broadcaster)


async def obey(broadcaster: Broadcaster) -> None:
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
    screens = ClientSessions(hub)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        await hub.start()
        screens.start()
        yield {
            "authenticator": Authenticator(None),
            "connections": Connections(None, utc_now),
            "hub": hub,
            "client_sessions": screens,
            "origins": Origins(),
            "shutdown": Shutdown(),
            "store": "main",
            "stores": SimpleNamespace(is_full=False),
        }

    async def publish(event: dict[str, Any]) -> None:
        hub.notify([event])

    async def flushed() -> None:
        # As many turns of the loop as the hub needs to wake them all; only then is it worth asking each.
        for _ in range(hub.readers // WAKE_AT_ONCE + 2):
            await asyncio.sleep(0)
        while any(feed.cursor < hub.head for feed in hub.subscriptions):
            await asyncio.sleep(0)

    app = Starlette(routes=[WebSocketRoute("/ws", LiveUpdates)], lifespan=lifespan)
    flags = FLAGS if name == "hub" else {**FLAGS, "ws": "websockets-sansio"}
    async with under_uvicorn(app, port, flags):
        yield Broadcaster(publish, lambda: hub.readers, flushed)


@asynccontextmanager
async def looping(port: int, _: str) -> AsyncIterator[Broadcaster]:
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
        yield Broadcaster(publish, lambda: len(sockets), nothing)


@asynccontextmanager
async def broadcasting(port: int, _: str) -> AsyncIterator[Broadcaster]:
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()

    async def publish(event: dict[str, Any]) -> None:
        broadcast(connections, render_event(event, KOLKATA).decode())

    async with serve(handler, "127.0.0.1", port, compression=None, backlog=2048):
        yield Broadcaster(publish, lambda: len(connections), nothing)


async def nothing() -> None:
    """Everything has been handed over already."""


@asynccontextmanager
async def under_uvicorn(app: Any, port: int, flags: dict[str, Any]) -> AsyncIterator[None]:
    # As libraries log by themselves: nothing of each connection.
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
