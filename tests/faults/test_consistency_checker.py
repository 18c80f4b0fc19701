"""The consistency checker detects changed books, and a service that answers before a sale is durable."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import LongRun
from tests.support.faults.fault_rounds import STORE, check_books, one_node
from tests.support.faults.replica_set import ReplicaSet, replica_set
from tests.support.faults.soak_report import reporting
from tests.support.oracle.consistency_checker import Verdict
from tests.support.oracle.recording_clients import working
from tests.support.processes import Service
from tests.support.shop import DATABASE

pytestmark = pytest.mark.soak

# `pos`, but it answers a sale before it is on disk.
NOT_DURABLE = """
from pymongo import WriteConcern
from repositories.journal import transaction
transaction._DURABLE = WriteConcern(w=1, j=False)
from app.cli import main
main()
"""


class NonDurableService(Service):
    program = ("-c", NOT_DURABLE)


async def test_the_checker_finds_lost_and_doubled_sales(tmp_path: Path) -> None:
    async with one_node() as (nodes, servers):
        async with working([servers[0].url], tmp_path) as crew, asyncio.timeout(60):
            while crew.operations < 100:
                await asyncio.sleep(0.05)
        client = nodes.client()
        for collection in ("orders", "estimates"):
            assert (await check_books(nodes.url, tmp_path)).is_clean
            documents = client[DATABASE][collection]
            # The timestamp of this sale only, which identifies its operation.
            victim: Any = await documents.find_one({"estimate_id": None, "voided_at": None, "converted": {"$ne": True}})
            await documents.delete_one({"_id": victim["_id"]})
            verdict = await check_books(nodes.url, tmp_path)
            assert any(victim["customer_name"] in each for each in verdict.lost)
            assert any("I4" in each for each in verdict.wrong)
            doubled = {**victim, "_id": victim["_id"] + "X", "number": 10_000}
            await documents.insert_many([victim, doubled])
            verdict = await check_books(nodes.url, tmp_path)
            assert any(victim["customer_name"] in each for each in verdict.doubled)
            assert any("I2" in each for each in verdict.wrong)
            await documents.delete_one({"_id": doubled["_id"]})
        client.close()


async def test_a1_control_sales_answered_before_they_were_on_disk_are_found_missing(
    tmp_path: Path, long_run: LongRun
) -> None:
    """Lose the writes of the last 0.5 s, which a killed mongod has not journaled yet.

    With the unchanged service the same kill loses nothing (a1 in `test_database_faults.py`).
    """
    detected = 0
    with reporting("A1 control: w:1, j:false", long_run) as report:
        for number in long_run.rounds(3, 20):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with replica_set(1, "--journalCommitInterval", "500") as nodes:
                verdict = await kill_database_of_non_durable_service(nodes, folder, long_run.seed + number)
            detected += bool(verdict.lost)
            report.judge(verdict)
            report.rounds += 1
            report.operations += verdict.operations
            if detected and not long_run.is_long:
                break
        report.besides.append(f"a loss was detected in {detected} of {report.rounds} rounds, as expected")
        assert detected > 0


async def kill_database_of_non_durable_service(nodes: ReplicaSet, folder: Path, seed: int) -> Verdict:
    server = NonDurableService(nodes.url, STORE)
    try:
        await server.start()
        async with working([server.url], folder, seed=seed) as crew:
            await asyncio.sleep(1.3)
            await nodes.kill(nodes.ports[0])
            # Only answers from before the kill are judged, so no client sends again.
            await crew.cancel()
        await server.kill()
        await nodes.start_member(nodes.ports[0])
        await nodes.primary()
        return await check_books(nodes.url, folder)
    finally:
        await server.kill()
