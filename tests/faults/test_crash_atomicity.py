"""A process killed between any two steps: a change exists if and only if its event does, and sales go on soon."""

import asyncio
import secrets
import time
from typing import Any

import pytest

from repositories.database.client import Database, connect
from tests.conftest import LongRun
from tests.support.faults.failpoints import failing
from tests.support.faults.killable_writer import CHANGES, estimate, journal_of, prepare_store, worker
from tests.support.faults.soak_report import Report, reporting
from tests.support.oracle.consistency_checker import judge
from tests.support.shop import DATABASE

pytestmark = pytest.mark.soak

STEPS = ("find", "insert", "update", "delete", "commitTransaction")
MOST_STEPS = 25
# How long the database blocks a command: longer than the test needs to see it and to kill the process.
BLOCK_MS = 150


async def kill_before(database: Database, url: str, store: str, kind: str, step: int) -> bool:
    """Kill a process while the database blocks its step-th command. Return False if it finished with fewer commands."""
    async with (
        failing(database, *STEPS, skip=step, is_alone=True, blockConnection=True, blockTimeMS=BLOCK_MS) as is_reached,
        worker(url, store, kind) as change,
        asyncio.timeout(30),
    ):
        change.begin()
        while not change.is_done:
            if await is_reached():
                return True
    return False


async def is_changed(database: Database, store: str, kind: str) -> bool:
    """Return whether the change exists; its document and its event must agree."""
    changed: dict[str, Any]
    action: dict[str, Any]
    if kind == "void":
        changed, action = {"voided_at": {"$ne": None}}, {"action": "delete", "type": "order"}
    else:
        changed, action = {}, {"$or": [{"action": "convert_to_order"}, {"action": "create", "type": "order"}]}
    documents = await database.orders.count_documents({"store": store, **changed})
    events = await database.log.count_documents({"_id.store": store, "events": {"$elemMatch": action}})
    assert documents == events <= 1, store
    return documents == 1


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_process_killed_before_any_step_leaves_all_or_nothing(
    mongodb_url: str, closing: set[asyncio.Task[None]], long_run: LongRun, kind: str
) -> None:
    # Commands of other processes must not be blocked or counted.
    await asyncio.gather(*closing)
    client = connect(mongodb_url)
    database: Database = client[DATABASE]
    stores: list[str] = []
    with reporting(f"A3 kill -9 at each command of a {kind}", long_run) as report:
        for step in range(MOST_STEPS):
            stores.append(f"step-{secrets.token_hex(4)}")
            await prepare_store(database, stores[-1], kind)
            if not await kill_before(database, mongodb_url, stores[-1], kind, step):
                break
        assert 6 <= len(stores) < MOST_STEPS, "a change reads and writes several collections"
        # The last command may still be on its way through the database.
        await asyncio.sleep(BLOCK_MS / 1_000)
        outcomes = await asyncio.gather(*(_judge(report, database, mongodb_url, store, kind) for store in stores))
        assert False in outcomes
        assert outcomes[-1] is True
        assert max(report.back) < 3
    client.close()


async def _judge(report: Report, database: Database, url: str, store: str, kind: str) -> bool:
    """Sell again, and check the result of the change."""
    began = time.monotonic()
    journal = journal_of(database, store)
    await journal.submit(estimate(f"{store}-2"))
    report.back.append(time.monotonic() - began)
    await journal.close()
    report.rounds += 1
    report.operations += 1
    verdict = await asyncio.to_thread(judge, url, DATABASE, store, None)
    report.judge(verdict)
    assert verdict.is_clean, verdict
    return await is_changed(database, store, kind)
