"""Preemption: PDF workers are paused while sales wait. The tests use real processes."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from repositories.customers.commands import RemoveCustomer
from repositories.database.errors import NotFound
from services.printing.preemption import MAX_PAUSE_SECONDS, Preemption
from services.printing.worker_pool import RenderPool
from tests.journal.test_group_commit import journal_of, sale
from tests.journal.test_shared_journal import journal_of as shared_journal_of
from tests.support.faults.failpoints import failing
from tests.support.printed_documents import item, job, order
from tests.support.shop import OpenShop, Shop

Process = asyncio.subprocess.Process


@asynccontextmanager
async def busy_process() -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "while True: pass")
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def ignore(_: float) -> None:
    pass


def is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def wait_until(process: Process, *, is_paused: bool) -> None:
    """Wait for the state, since a signal takes effect when its process is scheduled, not at once."""
    async with asyncio.timeout(30):
        while is_stopped(process.pid) != is_paused:
            await asyncio.sleep(0.001)


async def test_a_process_is_paused_briefly_while_commands_wait() -> None:
    preemption = Preemption()
    pauses: list[float] = []
    async with busy_process() as process:
        with preemption.preemptible(process, pauses.append):
            assert not is_stopped(process.pid)
            preemption.set_busy(True)
            for _ in range(3):
                await wait_until(process, is_paused=True)
                await wait_until(process, is_paused=False)
            preemption.set_busy(False)
            await wait_until(process, is_paused=False)
            await asyncio.sleep(0.2)
            assert not is_stopped(process.pid)
    assert len(pauses) >= 3
    assert sum(pauses) >= 2 * MAX_PAUSE_SECONDS


async def test_a_process_is_resumed_when_no_command_waits() -> None:
    preemption = Preemption()
    async with busy_process() as process:
        with preemption.preemptible(process, ignore):
            preemption.set_busy(True)
            preemption.set_busy(True)
            preemption.set_busy(False)
            await wait_until(process, is_paused=True)
            preemption.set_busy(False)
            await wait_until(process, is_paused=False)


async def test_a_process_added_during_a_pause_is_paused_until_it_is_removed() -> None:
    preemption = Preemption()
    async with busy_process() as first, busy_process() as second:
        with preemption.preemptible(first, ignore):
            preemption.set_busy(True)
            await wait_until(first, is_paused=True)
            with preemption.preemptible(second, ignore):
                await wait_until(second, is_paused=True)
            await wait_until(second, is_paused=False)
            preemption.set_busy(True)
            await wait_until(first, is_paused=True)
            assert not is_stopped(second.pid)


async def test_a_dead_process_does_not_block_others() -> None:
    preemption = Preemption()
    async with busy_process() as dead, busy_process() as alive:
        with preemption.preemptible(dead, ignore), preemption.preemptible(alive, ignore):
            dead.kill()
            await dead.wait()
            preemption.set_busy(True)
            await wait_until(alive, is_paused=True)
            preemption.set_busy(False)
            await wait_until(alive, is_paused=False)


async def test_the_journal_reports_when_commands_wait(shop: Shop) -> None:
    states: list[bool] = []
    journal = journal_of(shop)
    journal.on_busy = states.append
    await asyncio.gather(*(journal.submit(sale()) for _ in range(10)))
    namespace = f"{shop.database.name}.log"
    async with failing(shop.database, "insert", times=1, namespace=namespace, closeConnection=True):
        await journal.submit(sale())
    with pytest.raises(NotFound):
        await journal.submit(RemoveCustomer("CUST-NONE"))
    assert states == [True, False] * 3


async def test_a_cancelled_command_does_not_keep_the_journal_busy(shop: Shop) -> None:
    states: list[bool] = []
    journal = journal_of(shop)
    journal.on_busy = states.append
    journal.enqueue(sale()).cancel()
    await journal.close()
    assert states == [True, False]


async def test_a_follower_reports_busy_for_forwarded_commands(open_shop: OpenShop) -> None:
    leader = await open_shop()
    follower = await open_shop(store_id=leader.store)
    states: tuple[list[bool], list[bool]] = [], []
    for shop, calls in zip((leader, follower), states, strict=True):
        shared_journal_of(shop)._journal.on_busy = calls.append
    await follower.sale()
    assert states == ([True, False], [True, False])


async def test_pdfs_are_rendered_during_continuous_sales() -> None:
    preemption = Preemption()
    pool = RenderPool(preemption)
    preemption.set_busy(True)
    contents = await asyncio.gather(*(pool.render(job(order(item(f"Silk {number}")))) for number in range(5)))
    assert len(set(contents)) == 5
    assert not any(is_stopped(pid) for pid in pool.pids)
    await pool.stop()
