"""A shop for tests: the real application behind a real uvicorn on a free port, with clients."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import httpx
import uvicorn
import websockets
from starlette.applications import Starlette

from app.application import create_app
from app.clock import utc_now
from app.config.settings import Settings
from app.middleware.observation import Observer
from app.observability.line_writer import LineWriter
from app.server.uvicorn_options import FLAGS
from endpoints.live.ring_buffer import CAPACITY
from repositories.database.client import Client, Database, connect
from schemas.core.collections import USERS
from schemas.core.principals import OWNER, SERVICE_ACTOR
from services.messaging.provider import Provider
from tests.support.payloads import estimate_body, sale_body

DATABASE = "pos_tests"


@dataclass
class Shop:
    """An open shop.

    :ivar http: a client of its server.
    :ivar database: its raw collections.
    :ivar store: its id in each of them.
    :ivar state: the state of its lifespan, as handlers see it.
    """

    http: httpx.AsyncClient
    database: Database
    store: str
    port: int
    app: Starlette
    state: dict[str, Any]

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def listen(self, **options: Any) -> websockets.connect:
        """Open a WebSocket: `async with shop.listen() as socket:`."""
        return websockets.connect(self.ws_url, **options)

    async def estimate(self, **changes: Any) -> Any:
        """Create an estimate, and return its receipt (`data`)."""
        return await self.ok("POST", "/api/estimates/create", json=estimate_body(**changes))

    async def sale(self, **changes: Any) -> Any:
        """Create a sale, and return its receipt (`data`)."""
        return await self.ok("POST", "/api/orders/create-sale", json=sale_body(**changes))

    async def convert(self, estimate_id: str, **body: Any) -> Any:
        return await self.ok("POST", f"/api/estimates/{estimate_id}/convert-to-order", json=body)

    async def ok(self, method: str, path: str, **options: Any) -> Any:
        """Send a request that must succeed, and return its `data`, or the whole answer without `data`."""
        response = await self.http.request(method, path, **options)
        assert response.status_code in (200, 201), response.text
        content = response.json()
        return content.get("data", content) if isinstance(content, dict) else content

    async def get(self, path: str, **parameters: Any) -> Any:
        return await self.ok("GET", path, params=parameters or None)

    async def expire(self, seq: int) -> None:
        """Delete the events up to one, which ends a document of the log, as retention does."""
        up_to = {"$gt": {"store": self.store, "last": 0}, "$lte": {"store": self.store, "last": seq}}
        await self.database.log.delete_many({"_id": up_to})
        assert await self.database.log.find_one({"_id.store": self.store, "first": {"$lte": seq}}) is None
        expired = {"expired": utc_now() + timedelta(seconds=1)}
        await self.database.counters.update_one({"_id": self.store}, {"$set": expired})


class OpenShop(Protocol):
    def __call__(
        self,
        *,
        clock: Callable[[], datetime] = ...,
        timezone: ZoneInfo = ...,
        store_id: str = ...,
        **settings: Any,
    ) -> Awaitable[Shop]: ...


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which belong to pytest here.

    has_started: set when the server accepts connections.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def opened(
    mongodb_url: str,
    *,
    clock: Callable[[], datetime] = utc_now,
    ring_capacity: int = CAPACITY,
    server_flags: Mapping[str, Any] | None = None,
    database_name: str = DATABASE,
    access_log: Observer | None = None,
    socket_log: LineWriter | None = None,
    provider: Provider | None = None,
    is_set_up: bool = True,
    client: Client | None = None,
    **settings: Any,
) -> AsyncIterator[Shop]:
    """Open a shop, and close it at the end.

    :param server_flags: of uvicorn, if they differ from those of production.
    :param is_claimed: whether the shop is set up, with sign-in.
    :param client: the database client of the test, if it has one.
    """
    chosen = Settings(mongodb_url=mongodb_url, database_name=database_name, **settings)
    observers: dict[str, Any] = {"access_log": access_log, "socket_log": socket_log}
    app = create_app(chosen, clock=clock, ring_capacity=ring_capacity, provider=provider, **observers)
    raw = client or connect(mongodb_url)
    database: Database = raw[database_name]
    if is_set_up and not chosen.is_open:
        await mark_set_up(database)
    async with serving(app, **(server_flags or {})) as (port, state), _http_client(port) as http:
        yield Shop(http, database, chosen.store_id, port, app, state)
    if client is None:
        await asyncio.to_thread(raw.close)


async def mark_set_up(database: Database) -> None:
    """Record that the shop had an owner: it is set up, but has no users besides those of the test."""
    account = {"login": "gone", "name": "Gone", "role": OWNER, "belongs_to": None, "password": None, "pin": None}
    now, actor = utc_now(), SERVICE_ACTOR.signature
    stamps = {"created_at": now, "created_by": actor, "updated_at": now, "version": 1}
    gone = {"store": "gone", **account, **stamps, "voided_at": now}
    await database[USERS].update_one({"_id": "USER-GONE"}, {"$setOnInsert": gone}, upsert=True)


def _http_client(port: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        timeout=30,
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=200),
        # Without TLS, since loading certificates takes longer than most tests.
        verify=False,  # noqa: S501
    )


@asynccontextmanager
async def serving(app: Any, **changed: Any) -> AsyncIterator[tuple[int, dict[str, Any]]]:
    """Serve an ASGI application with the flags of production, and yield the port and the state of the lifespan."""
    # asyncio disables Nagle's algorithm only if the protocol is named; otherwise each answer waits 40 ms.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        flags = {**FLAGS, "timeout_graceful_shutdown": 1, "log_config": None, **changed}
        server = _Server(uvicorn.Config(app, **flags))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        started = asyncio.create_task(server.has_started.wait())
        await asyncio.wait((started, serving), return_when=asyncio.FIRST_COMPLETED)
        assert started.done(), "the server did not start"
        try:
            yield listener.getsockname()[1], server.lifespan.state
        finally:
            server.should_exit = True
            await serving
