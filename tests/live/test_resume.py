"""Clients receive each event once and in order, through disconnects, kills and restarts, from several processes."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import websockets

from app.console.event_listener import Listener
from repositories.auditing.verification import verify
from repositories.database.client import Database, connect
from tests.conftest import LongRun
from tests.support.clients.live_client import Live, live, seqs_of
from tests.support.faults.replica_set import replica_set
from tests.support.faults.soak_report import Report, reporting
from tests.support.faults.tcp_proxy import proxy_to
from tests.support.payloads import sale_body
from tests.support.processes import post_until_answered, services
from tests.support.shop import DATABASE, OpenShop, Shop

pytestmark = pytest.mark.soak

SALE = "/api/orders/create-sale"


class ReconnectingClient(Listener):
    """A client that reconnects to a random server after each disconnect."""

    def __init__(self, urls: Sequence[str], **options: Any) -> None:
        super().__init__(urls[0], **options)
        self.urls = urls
        self.seqs: list[int] = []

    async def follow(self) -> None:
        async for event in self.events():
            self.seqs.append(event["seq"])
            self._url = random.choice(self.urls)


@asynccontextmanager
async def connected_clients(urls: Sequence[str], count: int) -> AsyncIterator[list[ReconnectingClient]]:
    clients = [ReconnectingClient([urls[n % len(urls)], *urls], since="0") for n in range(count)]
    tasks = [asyncio.create_task(roamer.follow()) for roamer in clients]
    try:
        yield clients
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def head_of(database: Database, store: str) -> int:
    counters = await database.counters.find_one({"_id": store})
    assert counters is not None
    return int(counters["head"])


async def check_received(database: Database, store: str, clients: Sequence[ReconnectingClient], report: Report) -> None:
    """Check that each client has received the whole log, in order, each event once."""
    head = await head_of(database, store)
    quiet = time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(40):
            while any(len(roamer.seqs) < head for roamer in clients):
                await asyncio.sleep(0.05)
    report.back.append(time.monotonic() - quiet)
    log = list(range(1, head + 1))
    for roamer in clients:
        received = Counter(roamer.seqs)
        report.operations += len(roamer.seqs)
        report.lost = (report.lost or 0) + sum(seq not in received for seq in log)
        report.doubled = (report.doubled or 0) + sum(count - 1 for count in received.values())
        report.wrong += roamer.seqs != sorted(roamer.seqs)
    report.besides = [f"{len(clients)} clients", f"{head:,} events"]
    for roamer in clients:
        assert roamer.seqs == log


@dataclass
class Writers:
    """Tills that sell continuously until they are stopped.

    :ivar sold: the ids of the acknowledged orders.
    """

    urls: list[str]
    sold: list[str] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    pause: float = 0.01

    async def sell(self, till: int) -> None:
        async with httpx.AsyncClient() as client:
            number = 0
            while not self.stopped.is_set():
                number += 1
                urls = random.sample(self.urls, len(self.urls))
                receipt = await post_until_answered(client, urls, SALE, sale_body(), f"till-{till}-{number}")
                self.sold.append(receipt["order_id"])
                await asyncio.sleep(self.pause)

    @asynccontextmanager
    async def selling(self, tills: int) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.sell(till)) for till in range(tills)]
        yield
        self.stopped.set()
        await asyncio.gather(*tasks)


async def check_orders(database: Database, store: str, sold: Sequence[str]) -> None:
    orders = [order["_id"] async for order in database.orders.find({"store": store}, {"_id": 1})]
    assert sorted(orders) == sorted(sold)
    assert await verify(database, store) == []


async def test_a13_all_clients_receive_all_events_if_sockets_are_cut(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    store = f"{shop.store}-cuts"
    chance = random.Random(long_run.seed)
    with reporting("A13 WebSockets broken at random, resumed", long_run) as report:
        async with services(mongodb_url, store, 1) as (server,), proxy_to(server.port) as line:
            writers = Writers([server.url], pause=0.03)
            async with connected_clients([f"ws://127.0.0.1:{line.own_port}/ws"], 20) as clients:
                async with writers.selling(2):
                    for _ in long_run.rounds(100, 1_000):
                        await asyncio.sleep(chance.uniform(0.01, 0.05))
                        while not line.cut_one(chance):
                            await asyncio.sleep(0.01)
                        report.rounds += 1
                await check_received(shop.database, store, clients, report)
        await check_orders(shop.database, store, writers.sold)


async def test_a13_all_clients_receive_all_events_if_processes_are_killed(
    shop: Shop, mongodb_url: str, long_run: LongRun
) -> None:
    store = f"{shop.store}-kills"
    chance = random.Random(long_run.seed)
    with reporting("A13 clients while processes are killed", long_run) as report:
        async with services(mongodb_url, store, 3) as servers:
            writers = Writers([server.url for server in servers])
            async with connected_clients([server.ws_url for server in servers], 50) as clients:
                async with writers.selling(4):
                    for _ in long_run.rounds(2, 60):
                        await asyncio.sleep(chance.uniform(0.3, 1.2))
                        victim = chance.choice(servers)
                        await victim.kill()
                        await asyncio.sleep(chance.uniform(0, 0.5))
                        await victim.start()
                        report.rounds += 1
                await check_received(shop.database, store, clients, report)
        await check_orders(shop.database, store, writers.sold)


async def test_a13_no_event_is_lost_in_a_rolling_restart(shop: Shop, mongodb_url: str, long_run: LongRun) -> None:
    store = f"{shop.store}-rolling"
    with reporting("A13 clients while processes are restarted in turn", long_run) as report:
        async with services(mongodb_url, store, 2) as servers:
            writers = Writers([server.url for server in servers])
            async with connected_clients([server.ws_url for server in servers], 20) as clients:
                async with writers.selling(3):
                    for _ in long_run.rounds(1, 20):
                        for server in servers:
                            assert await server.stop() in (0, -15)
                            await server.start()
                        report.rounds += 1
                await check_received(shop.database, store, clients, report)
        await check_orders(shop.database, store, writers.sold)


async def test_a_restart_closes_connections_with_1012(shop: Shop, mongodb_url: str) -> None:
    async with (
        services(mongodb_url, f"{shop.store}-1012", 1) as (server,),
        websockets.connect(server.ws_url) as plain,
        websockets.connect(server.ws_url + "?since=0") as client,
    ):
        await server.stop()
        for socket in (plain, client):
            await socket.wait_closed()
            assert socket.close_code == 1012


async def test_a13_four_workers_behind_one_port(shop: Shop, mongodb_url: str, long_run: LongRun) -> None:
    store = f"{shop.store}-workers"
    with reporting("A13 clients of four workers behind one port", long_run) as report:
        async with services(mongodb_url, store, 1, "--workers", "4") as (server,):
            writers = Writers([server.url], pause=0)
            async with connected_clients([server.ws_url], 24) as clients:
                async with writers.selling(8):
                    for _ in long_run.rounds(1, 20):
                        await asyncio.sleep(1.5)
                        report.rounds += 1
                await check_received(shop.database, store, clients, report)
        await check_orders(shop.database, store, writers.sold)


async def test_a13_all_clients_receive_all_events_if_the_primary_is_killed(long_run: LongRun) -> None:
    store = "three-nodes"
    with reporting("A13 clients while the primary of three is killed", long_run) as report:
        async with replica_set() as nodes, services(nodes.url, store, 2) as servers:
            writers = Writers([server.url for server in servers])
            async with connected_clients([server.ws_url for server in servers], 10) as clients:
                async with writers.selling(3):
                    for _ in long_run.rounds(1, 10):
                        await asyncio.sleep(0.5)
                        await nodes.kill_primary()
                        await asyncio.sleep(1)
                        report.rounds += 1
                client = connect(nodes.url)
                await check_received(client[DATABASE], store, clients, report)
            await check_orders(client[DATABASE], store, writers.sold)
            client.close()


async def test_a_lagging_process_accepts_the_position_of_another(open_shop: OpenShop) -> None:
    first = await open_shop()
    lagging = await open_shop(store_id=first.store)
    await lagging.state["hub"].stop()
    await first.sale()
    async with live(lagging) as client:
        await client.send("subscribe", since=1)
        assert (await client.until("subscribed"))[1:] == [
            {"type": "subscribed", "id": None, "seq": 1, "recovered": True}
        ]
    assert (await lagging.get("/api/events", since="1"))["next"] == 1


@pytest.mark.parametrize("capacity", [10, 10_000])
async def test_a_client_can_resume_after_a_disconnect_at_any_position(open_shop: OpenShop, capacity: int) -> None:
    """Disconnect after each number of events of a replay, which begins in the log, continues in memory and ends live.
    The events before and after the disconnect together are the log."""
    shop = await open_shop(ring_capacity=capacity)
    await asyncio.gather(*(shop.sale() for _ in range(25)))
    for cut in range(31):
        async with live(shop, "?since=0") as client:
            before = await _receive(client, cut, shop.sale if cut >= 25 else None)
            client.socket.transport.abort()
        since = before[-1] if before else 0
        async with live(shop) as client:
            await client.send("subscribe", since=since)
            after = seqs_of(await client.until("subscribed"))
        assert before + after == list(range(1, shop.state["hub"].head + 1)), cut


async def _receive(client: Live, count: int, act: Callable[[], Any] | None) -> list[int]:
    """Return the first `count` events. `act` creates more of them."""
    seqs: list[int] = []
    while len(seqs) < count:
        if act is not None and len(seqs) >= 25:
            await act()
        seqs += seqs_of([await client.next()])
    return seqs[:count]
