"""Faults under load, judged from the raw collections: nothing acknowledged is lost, nothing is doubled.

Tills work all the time and write down what they do (`oracle/tills.py`); when all is quiet `oracle/judge.py` holds the
books against their journals. `--seed` replays a run.
"""

import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import LongRun
from tests.oracle.judge import Verdict
from tests.oracle.tills import Crew, working
from tests.processes import Service, services
from tests.replica_set import ReplicaSet, replica_set
from tests.report import Report
from tests.shop import DATABASE
from tests.tcp_proxy import line_to
from tests.test_server import ROOT

STORE = "faults"

Fault = Callable[[int], Awaitable[None]]


async def judged(url: str, folder: Path) -> Verdict:
    """The verdict of the judge, who is a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.oracle.judge", url, DATABASE, STORE, str(folder)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return Verdict(**json.loads(output))


async def strike(
    name: str,
    fault: Fault,
    *,
    servers: list[Service],
    database_url: str,
    folder: Path,
    long_run: LongRun,
    rounds: tuple[int, int],
    back_within: float,
    calm: float = 0.3,
) -> Crew:
    """Lets a fault happen again and again while tills work, and asserts what must hold.

    :param fault: makes it happen, and undoes it; what comes after it has returned counts as coming back.
    :param rounds: in every run of the tests, and in a long one.
    :param back_within: seconds until the first success after the fault, at most.
    """
    report = Report(name, long_run.seed)
    back: list[float] = []
    async with working([server.url for server in servers], folder, seed=long_run.seed) as crew:
        for number in long_run.rounds(*rounds):
            await asyncio.sleep(calm)
            await fault(number)
            back.append(await crew.first_success_after(time.monotonic()))
            report.rounds += 1
    verdict = await judged(database_url, folder)
    report.add(crew, verdict, back, 0)
    print(f"\n{report}")  # noqa: T201
    if long_run.is_long:
        report.save()
    assert verdict.is_clean, verdict
    assert crew.unexpected == []
    assert verdict.acknowledged == verdict.operations > 10
    assert max(back) < back_within, back
    return crew


@asynccontextmanager
async def one_node(
    count: int = 1, *options: str, folder: Path | None = None
) -> AsyncIterator[tuple[ReplicaSet, list[Service]]]:
    """A database of one node, and servers on it."""
    async with replica_set(1, *options, folder=folder) as nodes, services(nodes.url, STORE, count) as servers:
        yield nodes, servers


async def test_a1_the_database_is_killed(tmp_path: Path, long_run: LongRun) -> None:
    async with one_node() as (nodes, servers):

        async def fault(_: int) -> None:
            await nodes.kill(nodes.ports[0])
            await asyncio.sleep(0.1)
            # Comes back when its port is open.
            await nodes.start_member(nodes.ports[0])

        await strike(
            "A1 kill -9 of the database, one node",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(3, 300),
            back_within=8,
        )


async def test_a2_the_primary_of_three_is_killed_or_steps_down(tmp_path: Path, long_run: LongRun) -> None:
    async with replica_set() as nodes, services(nodes.url, STORE, 1) as servers:

        async def fault(number: int) -> None:
            if number % 2:
                await nodes.step_down()
            else:
                await nodes.kill_primary()

        await strike(
            "A2 kill -9 or step-down of the primary, three nodes",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(2, 100),
            back_within=15,
        )


async def test_a3_servers_are_killed_at_random(tmp_path: Path, mongodb_url: str, long_run: LongRun) -> None:
    """That a change is whole at each of its steps is shown one by one in `test_atomicity.py`."""
    async with one_node(2) as (nodes, servers):
        chance = random.Random(long_run.seed)

        async def fault(_: int) -> None:
            victim = chance.choice(servers)
            await asyncio.sleep(chance.random() * 0.3)
            await victim.kill()
            await victim.start()

        await strike(
            "A3 kill -9 of a server",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(3, 300),
            back_within=3,
        )


async def test_a4_the_database_is_stopped_and_goes_on(tmp_path: Path, long_run: LongRun) -> None:
    seconds = (10, 20, 30) if long_run.is_long else (7,)
    async with one_node() as (nodes, servers), httpx.AsyncClient(timeout=10) as http:
        answers: list[tuple[str, int, float]] = []

        async def ask(path: str) -> None:
            began = time.monotonic()
            response = await http.get(servers[0].url + path)
            assert path == "/livez" or isinstance(response.json()["detail"], str)
            answers.append((path, response.status_code, time.monotonic() - began))

        async def fault(number: int) -> None:
            nodes.send(nodes.ports[0], signal.SIGSTOP)
            try:
                until = time.monotonic() + seconds[number % len(seconds)]
                await asyncio.sleep(1.5)
                while time.monotonic() < until:
                    paths = ("/livez", "/readyz", "/api/reports/today", "/api/orders/number/1")
                    await asyncio.gather(*(ask(path) for path in paths))
            finally:
                nodes.send(nodes.ports[0], signal.SIGCONT)

        await strike(
            "A4 SIGSTOP of the database",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(1, 50),
            back_within=4,
        )
    assert {status for path, status, _ in answers if path == "/livez"} == {200}
    assert {status for path, status, _ in answers if path != "/livez"} == {503}
    assert max(seconds for _, _, seconds in answers) < 5.5


async def test_a12_the_line_breaks_after_the_commit_was_sent(tmp_path: Path, long_run: LongRun) -> None:
    async with replica_set(1) as nodes, line_to(nodes.ports[0]) as line, services(line.url, STORE, 1) as servers:

        async def fault(_: int) -> None:
            before = line.cut
            line.cuts_after = lambda piece: line.cut == before and b"commitTransaction" in piece
            async with asyncio.timeout(10):
                while line.cut == before:
                    await asyncio.sleep(0.005)

        await strike(
            "A12 the line breaks after the commit",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(20, 300),
            back_within=6,
            calm=0.05,
        )


async def test_a12_the_line_is_slow_swallows_everything_or_is_half_closed(tmp_path: Path, long_run: LongRun) -> None:
    async with replica_set(1) as nodes, line_to(nodes.ports[0]) as line, services(line.url, STORE, 1) as servers:

        async def slow() -> None:
            line.delay = 0.05
            await asyncio.sleep(1)
            line.delay = 0.0

        async def swallowing() -> None:
            line.swallows = True
            await asyncio.sleep(2)
            line.swallows = False
            # What was swallowed is never answered: the line is as good as cut.
            line.cut_all()

        async def half_closed() -> None:
            await line.half_close()

        faults: list[Callable[[], Awaitable[Any]]] = [slow, swallowing, half_closed]

        async def fault(number: int) -> None:
            await faults[number % len(faults)]()

        await strike(
            "A12 the line is slow, swallows, is half closed",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(3, 90),
            back_within=8,
        )


async def test_a14_servers_are_told_to_end_under_load(tmp_path: Path, long_run: LongRun) -> None:
    """No request that was taken is dropped, and the server is gone in time."""
    took: list[float] = []
    async with one_node(2) as (nodes, servers):

        async def fault(number: int) -> None:
            victim = servers[number % 2]
            began = time.monotonic()
            await victim.stop()
            took.append(time.monotonic() - began)
            await victim.start()

        await strike(
            "A14 SIGTERM of a server under load",
            fault,
            servers=servers,
            database_url=nodes.url,
            folder=tmp_path,
            long_run=long_run,
            rounds=(3, 50),
            back_within=3,
        )
    assert max(took) < 10


@pytest.mark.parametrize("kind", ["sale", "estimate"])
async def test_the_judge_finds_what_is_lost_and_what_is_doubled(tmp_path: Path, kind: str) -> None:
    """The oracle itself: books that were tampered with do not pass."""
    collection = {"sale": "orders", "estimate": "estimates"}[kind]
    async with one_node() as (nodes, servers):
        async with working([servers[0].url], tmp_path) as crew:
            await asyncio.sleep(1.5)
        assert (await judged(nodes.url, tmp_path)).is_clean
        assert crew.operations > 10
        client = nodes.client()
        documents = client[DATABASE][collection]
        # Of a sale of its own, so that it is the marker of its operation.
        victim: Any = await documents.find_one({"estimate_id": None, "voided_at": None, "converted": {"$ne": True}})
        await documents.delete_one({"_id": victim["_id"]})
        verdict = await judged(nodes.url, tmp_path)
        assert any(victim["customer_name"] in each for each in verdict.lost)
        assert any("I4" in each for each in verdict.wrong)
        await documents.insert_many([victim, {**victim, "_id": victim["_id"] + "X", "number": 10_000}])
        verdict = await judged(nodes.url, tmp_path)
        assert any(victim["customer_name"] in each for each in verdict.doubled)
        assert any("I2" in each for each in verdict.wrong)
        client.close()
