"""Faults of the database: killed, stepped down, suspended, disk full. No acknowledged write is lost or doubled."""

import asyncio
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import LongRun
from tests.support.faults.fault_rounds import STORE, Recovery, one_node, run_fault
from tests.support.faults.full_disk import small_disk
from tests.support.faults.replica_set import replica_set
from tests.support.oracle.recording_clients import Crew
from tests.support.processes import Service, services

pytestmark = pytest.mark.soak


async def test_a1_the_database_is_killed(tmp_path: Path, long_run: LongRun) -> None:
    async with one_node() as (nodes, servers):

        async def fault(_: int, __: Crew) -> Recovery:
            await nodes.kill(nodes.ports[0])
            await asyncio.sleep(0.1)
            return Recovery(await nodes.start_member(nodes.ports[0]))

        await run_fault(
            "A1 kill -9 of the database, one node",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(3, 300),
            back_within=3,
        )


async def test_a2_the_primary_of_three_is_killed_or_steps_down(tmp_path: Path, long_run: LongRun) -> None:
    async with replica_set() as nodes, services(nodes.url, STORE, 1) as servers:

        async def fault(number: int, _: Crew) -> Recovery:
            return Recovery(await (nodes.step_down() if number % 2 else nodes.kill_primary()))

        await run_fault(
            "A2 kill -9 or step-down of the primary, three nodes",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(2, 100),
            back_within=15,
        )


class Requester:
    """Requests everything from a server while its database is suspended.

    :ivar growth: of the server's memory, in megabytes.
    """

    def __init__(self, server: Service, http: httpx.AsyncClient) -> None:
        self._server = server
        self._http = http
        self.answers: list[tuple[str, int, float]] = []
        self.growth = 0.0

    async def request_until(self, moment: float) -> None:
        before = self._server.megabytes
        while time.monotonic() < moment:
            paths = ("/livez", "/readyz", "/api/reports/today", "/api/orders/number/1", "/api/orders/orders-only")
            await asyncio.gather(*(self._request(path) for path in paths))
        self.growth = max(self.growth, self._server.megabytes - before)

    async def _request(self, path: str) -> None:
        began = time.monotonic()
        response = await self._http.get(self._server.url + path)
        assert path == "/livez" or isinstance(response.json()["detail"], str)
        self.answers.append((path, response.status_code, time.monotonic() - began))

    @property
    def longest(self) -> float:
        return max(seconds for _, _, seconds in self.answers)


@pytest.mark.alone
async def test_a4_the_database_is_suspended_and_resumed(tmp_path: Path, long_run: LongRun) -> None:
    """Use two servers, a leader and a follower."""
    seconds = (10, 20, 30) if long_run.is_long else (5.5,)
    async with one_node(2) as (nodes, servers), httpx.AsyncClient(timeout=10) as http:
        requesters = [Requester(server, http) for server in servers]

        async def fault(number: int, _: Crew) -> Recovery:
            nodes.send(nodes.ports[0], signal.SIGSTOP)
            try:
                until = time.monotonic() + seconds[number % len(seconds)]
                await asyncio.sleep(0.2)
                await asyncio.gather(*(requester.request_until(until) for requester in requesters))
            finally:
                nodes.send(nodes.ports[0], signal.SIGCONT)
            return Recovery(time.monotonic())

        crew = await run_fault(
            "A4 SIGSTOP of the database",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(1, 50),
            back_within=2,
            besides=lambda crew: [
                f"slowest response {max(crew.longest_answer, *(requester.longest for requester in requesters)):.2f} s",
                f"memory at most +{max(requester.growth for requester in requesters):.1f} MB meanwhile",
            ],
        )
    for requester in requesters:
        assert {status for path, status, _ in requester.answers if path == "/livez"} == {200}
        assert {status for path, status, _ in requester.answers if path != "/livez"} == {503}
        assert requester.longest <= 5
        assert requester.growth < 20
    assert crew.longest_answer <= 5


async def test_a5_the_disk_is_full_and_has_room_again(tmp_path: Path, long_run: LongRun) -> None:
    place, journals = tmp_path / "disk", tmp_path / "journals"
    place.mkdir()
    journals.mkdir()
    deaths = 0
    async with small_disk(600, place) as disk, one_node(folder=disk.folder) as (nodes, servers):
        (port,) = nodes.ports

        async def fault(_: int, crew: Crew) -> Recovery:
            nonlocal deaths
            filled = time.monotonic()
            disk.fill()
            try:
                async with asyncio.timeout(30):
                    while not crew.was_unavailable_after(filled):
                        await asyncio.sleep(0.02)
                await asyncio.sleep(0.5)
            finally:
                disk.make_room()
            # mongod exits at a write without space, so the operator must restart it.
            if nodes.is_running(port):
                return Recovery(time.monotonic())
            deaths += 1
            return Recovery(await nodes.start_member(port))

        await run_fault(
            "A5 full disk of the database",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=journals,
            long_run=long_run,
            rounds=(1, 20),
            back_within=3,
            besides=lambda _: [f"the database stopped {deaths} times and was restarted"],
        )
