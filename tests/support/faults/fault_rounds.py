"""Runs a fault while tills sell, and checks that no acknowledged write is lost or doubled.

The tills record their requests (`oracle/recording_clients.py`); afterwards `oracle/consistency_checker.py` compares the
raw collections with their journals. `--seed` repeats a run.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from tests.conftest import LongRun
from tests.server.test_startup import ROOT
from tests.support.faults.replica_set import ReplicaSet, replica_set
from tests.support.faults.soak_report import Report, reporting
from tests.support.oracle.consistency_checker import Verdict
from tests.support.oracle.recording_clients import Crew, working
from tests.support.processes import Service, services
from tests.support.shop import DATABASE

STORE = "faults"
#: Seconds after which a service on a shared machine counts as not recovered.
_HANGS = 30.0


class Recovery(NamedTuple):
    """The moment (monotonic) from which the recovery is measured, and the server that must recover; None for any."""

    since: float
    url: str | None = None


#: Causes a fault in a round, and removes it, while the crew sells.
Fault = Callable[[int, Crew], Awaitable[Recovery]]


async def check_books(url: str, folder: Path | None, store: str = STORE) -> Verdict:
    """Return the verdict of the consistency checker, run as a process; without `folder` it checks the books alone."""
    folders = () if folder is None else (str(folder),)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.oracle.consistency_checker", url, DATABASE, store, *folders),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return Verdict(**json.loads(output))


async def run_fault(
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
    besides: Callable[[Crew], list[str]] = lambda _: [],
) -> Crew:
    """Cause a fault repeatedly while tills sell, and assert that the books are right.

    :param rounds: in an ordinary run, and in a long one.
    :param back_within: the most seconds until the first success after the fault; checked in a long run, which has the
        machine for itself.
    :param besides: returns more lines for the report.
    """
    with reporting(name, long_run) as report:
        async with working([server.url for server in servers], folder, seed=long_run.seed) as crew:
            for number in long_run.rounds(*rounds):
                await asyncio.sleep(calm)
                await _once(fault, number, crew, report)
        verdict = await check_books(database_url, folder)
        report.judge(verdict)
        report.add(crew)
        report.besides += besides(crew)
        assert verdict.is_clean, verdict
        assert crew.unexpected == []
        assert verdict.acknowledged == verdict.operations > 10
        assert max(report.back) < (back_within if long_run.is_long else _HANGS), report.back
    return crew


async def _once(fault: Fault, number: int, crew: Crew, report: Report) -> None:
    back = await fault(number, crew)
    report.back.append(await crew.first_success_after(back.since, back.url))
    report.rounds += 1


@asynccontextmanager
async def one_node(
    count: int = 1, *options: str, folder: Path | None = None
) -> AsyncIterator[tuple[ReplicaSet, list[Service]]]:
    """Run a database of one node, and servers on it."""
    async with replica_set(1, *options, folder=folder) as nodes, services(nodes.url, STORE, count) as servers:
        yield nodes, servers
