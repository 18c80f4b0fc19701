"""A15: all faults at random for hours, checked at intervals; and the memory of a server that is never restarted."""

import asyncio
import random
import signal
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from endpoints.live.ring_buffer import CAPACITY, MAX_BYTES
from tests.conftest import LongRun
from tests.live.test_resume import ReconnectingClient, check_received, connected_clients
from tests.server.test_slow_senders import KINDS, send_slowly
from tests.support.clients.raw_websocket import frame, open_websocket, stalled_clients
from tests.support.faults.fault_rounds import STORE, check_books
from tests.support.faults.replica_set import ReplicaSet, replica_set
from tests.support.faults.soak_report import Report, reporting
from tests.support.faults.tcp_proxy import TcpProxy, proxy_to
from tests.support.oracle.recording_clients import Crew, working
from tests.support.payloads import estimate_body
from tests.support.processes import Service, services
from tests.support.shop import DATABASE

pytestmark = pytest.mark.soak

MINUTES = 120
BACK_WITHIN = 8.0
#: Faults between two checks of the books.
FAULTS_A_CHECKPOINT = 12
#: The growth of a server besides its events: these take about 0.95 KB each, up to the capacity of the ring.
MOST_MEGABYTES = 24
KILOBYTES_AN_EVENT = 1.0


@dataclass
class Faults:
    """All faults.

    :param servers: the first is never stopped, so that its memory can be measured.
    """

    nodes: ReplicaSet
    to_database: TcpProxy
    to_clients: TcpProxy
    servers: list[Service]
    chance: random.Random

    @property
    def kinds(self) -> list[Callable[[], Awaitable[Any]]]:
        return [
            *(self.database_killed, self.database_stopped, self.server_killed, self.server_stopped),
            *(self.line_cut_after_commit, self.line_slow, self.line_dropping, self.line_half_closed),
            *(self.clients_cut, self.clients_stalled, self.clients_slow, self.bodies_malformed, self.sockets_flooded),
        ]

    async def database_killed(self) -> None:
        (port,) = self.nodes.ports
        await self.nodes.kill(port)
        await asyncio.sleep(self.chance.random())
        await self.nodes.start_member(port)

    async def database_stopped(self) -> None:
        (port,) = self.nodes.ports
        self.nodes.send(port, signal.SIGSTOP)
        try:
            await asyncio.sleep(self.chance.uniform(1, 8))
        finally:
            self.nodes.send(port, signal.SIGCONT)

    async def server_killed(self) -> None:
        await self.servers[1].kill()
        await self.servers[1].start()

    async def server_stopped(self) -> None:
        await self.servers[1].stop()
        await self.servers[1].start()

    async def line_cut_after_commit(self) -> None:
        before = self.to_database.cut
        self.to_database.cuts_after = lambda piece: self.to_database.cut == before and b"commitTransaction" in piece
        async with asyncio.timeout(30):
            while self.to_database.cut == before:
                await asyncio.sleep(0.01)

    async def line_slow(self) -> None:
        self.to_database.delay = 0.03
        await asyncio.sleep(2)
        self.to_database.delay = 0.0

    async def line_dropping(self) -> None:
        self.to_database.drops = True
        await asyncio.sleep(2)
        self.to_database.drops = False
        self.to_database.cut_all()

    async def line_half_closed(self) -> None:
        await self.to_database.half_close()

    async def clients_cut(self) -> None:
        for _ in range(20):
            self.to_clients.cut_one(self.chance)
            await asyncio.sleep(self.chance.random() * 0.05)

    async def clients_stalled(self) -> None:
        async with stalled_clients(self.servers[0].port, 20):
            await asyncio.sleep(5)

    async def clients_slow(self) -> None:
        await asyncio.gather(*(send_slowly(self.servers[0].port, *KINDS[number % 3]) for number in range(30)))

    async def bodies_malformed(self) -> None:
        bodies = [b"{", b"[" * 100_000, b'{"total": NaN}', b"\xff", str(estimate_body()).encode(), b" " * 300_000]
        async with httpx.AsyncClient(timeout=10, verify=False) as http:  # noqa: S501
            for body in bodies:
                response = await http.post(self.servers[0].url + "/api/orders/create-sale", content=body)
                assert response.status_code in (400, 413), response.text

    async def sockets_flooded(self) -> None:
        clients = await asyncio.gather(*(open_websocket(self.servers[0].port) for _ in range(10)))
        loop = asyncio.get_running_loop()
        for client in clients:
            await loop.sock_sendall(client, frame(b"ping") * 2_000)
            client.close()


@asynccontextmanager
async def deployment(chance: random.Random) -> AsyncIterator[Faults]:
    async with (
        replica_set(1) as nodes,
        proxy_to(nodes.ports[0]) as to_database,
        services(to_database.url, STORE, 2) as servers,
        proxy_to(servers[0].port) as to_clients,
    ):
        yield Faults(nodes, to_database, to_clients, servers, chance)


async def checkpoint(faults: Faults, crews: list[Crew], report: Report, folder: Path) -> None:
    """Check the books against all recorded requests."""
    verdict = await check_books(faults.nodes.url, folder)
    report.judge(verdict)
    report.add(crews[-1])
    assert verdict.is_clean, verdict
    assert crews[-1].unexpected == []
    assert verdict.acknowledged == verdict.operations


async def cause_faults(faults: Faults, crew: Crew, report: Report, until: float) -> None:
    for _ in range(FAULTS_A_CHECKPOINT):
        if time.monotonic() > until:
            return
        await asyncio.sleep(0.3)
        await faults.chance.choice(faults.kinds)()
        report.back.append(await crew.first_success_after(time.monotonic()))
        report.rounds += 1


async def test_a15_random_faults_for_hours(tmp_path: Path, long_run: LongRun) -> None:
    """Run for seconds in an ordinary run, with `--soak` for two hours or for `--soak-minutes`."""
    chance = random.Random(long_run.seed)
    crews: list[Crew] = []
    began = time.monotonic()
    with reporting("A15 all faults at random", long_run) as report:
        async with deployment(chance) as faults:
            urls = [f"ws://127.0.0.1:{faults.to_clients.own_port}/ws"]
            memory: list[tuple[int, float]] = []
            async with connected_clients(urls, 10) as clients:
                for seconds_left in long_run.minutes_of(0.1, MINUTES):
                    until = time.monotonic() + seconds_left
                    seed = long_run.seed + 1_000_000 * len(crews)
                    async with working([server.url for server in faults.servers], tmp_path, seed=seed) as crew:
                        crews.append(crew)
                        await cause_faults(faults, crew, report, until)
                    await checkpoint(faults, crews, report, tmp_path)
                    memory.append((await head_of(faults.servers[0]), faults.servers[0].megabytes))
                await check_events(faults, clients, report)
        (head, first), (last_head, _) = memory[0], memory[-1]
        last = statistics.median(megabytes for _, megabytes in memory[-3:])
        events = min(last_head, CAPACITY) - min(head, CAPACITY)
        kept = min(events * KILOBYTES_AN_EVENT / 1_024, MAX_BYTES / 1_048_576)
        unexplained = last - first - kept
        report.besides = [
            f"{(time.monotonic() - began) / 60:.0f} minutes",
            f"{len(crews)} checkpoints",
            f"{len(clients)} clients received every event once",
            f"memory {first:.0f} MB at the first checkpoint, {last - first:+.1f} MB at the last",
            f"{kept:.1f} MB of it for {last_head - head:,} more events, of which it keeps {CAPACITY:,}",
        ]
        assert max(report.back) < BACK_WITHIN
        assert unexplained < MOST_MEGABYTES, memory


async def head_of(server: Service) -> int:
    async with httpx.AsyncClient(timeout=10, verify=False) as http:  # noqa: S501
        return int((await http.get(server.url + "/api/websocket/status")).json()["head"])


async def check_events(faults: Faults, clients: list[ReconnectingClient], report: Report) -> None:
    """Check the events that the clients received, in a report of its own."""
    received = Report(report.fault, report.seed)
    client = faults.nodes.client()
    await check_received(client[DATABASE], STORE, clients, received)
    client.close()
    report.lost = (report.lost or 0) + (received.lost or 0)
    report.doubled = (report.doubled or 0) + (received.doubled or 0)
