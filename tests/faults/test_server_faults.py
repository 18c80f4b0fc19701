"""Servers are killed or stopped, or lose the database: no acknowledged write is lost or doubled."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LongRun
from tests.support.faults.fault_rounds import STORE, Recovery, one_node, run_fault
from tests.support.faults.replica_set import replica_set
from tests.support.faults.tcp_proxy import proxy_to
from tests.support.oracle.recording_clients import Crew
from tests.support.processes import services

pytestmark = pytest.mark.soak


async def test_a3_servers_are_killed_at_random(tmp_path: Path, long_run: LongRun) -> None:
    """Kill servers at random. `test_crash_atomicity.py` tests each step of a change."""
    async with one_node(2) as (nodes, servers):
        chance = random.Random(long_run.seed)

        async def fault(_: int, __: Crew) -> Recovery:
            victim = chance.choice(servers)
            await asyncio.sleep(chance.random() * 0.3)
            await victim.kill()
            killed = time.monotonic()
            await victim.start()
            return Recovery(killed, victim.url)

        await run_fault(
            "A3 kill -9 of a server",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(2, 300),
            back_within=3,
        )


async def test_a12_the_connection_breaks_after_the_commit_was_sent(tmp_path: Path, long_run: LongRun) -> None:
    async with replica_set(1) as nodes, proxy_to(nodes.ports[0]) as line, services(line.url, STORE, 1) as servers:

        async def fault(_: int, __: Crew) -> Recovery:
            before = line.cut
            line.cuts_after = lambda piece: line.cut == before and b"commitTransaction" in piece
            async with asyncio.timeout(30):
                while line.cut == before:
                    await asyncio.sleep(0.005)
            return Recovery(time.monotonic())

        await run_fault(
            "A12 the connection breaks after the commit",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(8, 300),
            back_within=6,
            calm=0.05,
        )


async def test_a12_the_connection_is_slow_drops_everything_or_is_half_closed(tmp_path: Path, long_run: LongRun) -> None:
    async with replica_set(1) as nodes, proxy_to(nodes.ports[0]) as line, services(line.url, STORE, 1) as servers:

        async def slow() -> None:
            line.delay = 0.05
            await asyncio.sleep(1)
            line.delay = 0.0

        async def dropping() -> None:
            line.drops = True
            await asyncio.sleep(2)
            line.drops = False
            # Dropped requests are never answered, as with a broken connection.
            line.cut_all()

        async def half_closed() -> None:
            await line.half_close()

        faults: list[Callable[[], Awaitable[Any]]] = [slow, dropping, half_closed]

        async def fault(number: int, _: Crew) -> Recovery:
            await faults[number % len(faults)]()
            return Recovery(time.monotonic())

        await run_fault(
            "A12 the connection is slow, drops everything, is half closed",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(3, 90),
            back_within=8,
        )


async def test_a14_servers_are_stopped_under_load(tmp_path: Path, long_run: LongRun) -> None:
    """Check that no accepted request is dropped, and that the server exits in time."""
    shutdown_seconds: list[float] = []
    async with one_node(2) as (nodes, servers):

        async def fault(number: int, _: Crew) -> Recovery:
            victim = servers[number % 2]
            began = time.monotonic()
            await victim.stop()
            shutdown_seconds.append(time.monotonic() - began)
            await victim.start()
            return Recovery(time.monotonic(), victim.url)

        await run_fault(
            "A14 SIGTERM of a server under load",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(2, 50),
            back_within=3,
            besides=lambda _: [f"exit after at most {max(shutdown_seconds):.1f} s"],
        )
    # The machine is shared in an ordinary run; a server that waits for its clients would take even longer.
    assert max(shutdown_seconds) < (10 if long_run.is_long else 25)
