"""Whoever sells goes first: real processes, as the system sees them."""

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


def ignored(_: float) -> None:
    pass


def is_held(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


async def until(process: Process, *, held: bool) -> None:
    """A signal takes effect when its process is scheduled, not at once."""
    async with asyncio.timeout(30):
        while is_held(process.pid) != held:
            await asyncio.sleep(0.001)


async def test_one_is_held_while_somebody_waits_and_never_for_long() -> None:
    way = Preemption()
    held: list[float] = []
    async with busy_process() as process:
        with way.preemptible(process, held.append):
            assert not is_held(process.pid)
            way.set_busy(True)
            for _ in range(3):
                await until(process, held=True)
                await until(process, held=False)
            way.set_busy(False)
            await until(process, held=False)
            await asyncio.sleep(0.2)
            assert not is_held(process.pid)
    assert len(held) >= 3
    assert sum(held) >= 2 * MAX_PAUSE_SECONDS


async def test_one_is_let_go_as_nobody_waits_any_more() -> None:
    way = Preemption()
    async with busy_process() as process:
        with way.preemptible(process, ignored):
            way.set_busy(True)
            way.set_busy(True)
            way.set_busy(False)
            await until(process, held=True)
            way.set_busy(False)
            await until(process, held=False)


async def test_one_that_comes_while_others_are_held_is_held_too_and_goes_on_when_it_is_done() -> None:
    way = Preemption()
    async with busy_process() as first, busy_process() as second:
        with way.preemptible(first, ignored):
            way.set_busy(True)
            await until(first, held=True)
            with way.preemptible(second, ignored):
                await until(second, held=True)
            await until(second, held=False)
            way.set_busy(True)
            await until(first, held=True)
            assert not is_held(second.pid)


async def test_one_that_died_stands_in_nobodys_way() -> None:
    way = Preemption()
    async with busy_process() as dead, busy_process() as alive:
        with way.preemptible(dead, ignored), way.preemptible(alive, ignored):
            dead.kill()
            await dead.wait()
            way.set_busy(True)
            await until(alive, held=True)
            way.set_busy(False)
            await until(alive, held=False)


async def test_a_journal_says_when_somebody_waits(shop: Shop) -> None:
    told: list[bool] = []
    journal = journal_of(shop)
    journal.on_busy = told.append
    await asyncio.gather(*(journal.submit(sale()) for _ in range(10)))
    there = f"{shop.database.name}.log"
    async with failing(shop.database, "insert", times=1, namespace=there, closeConnection=True):
        await journal.submit(sale())
    with pytest.raises(NotFound):
        await journal.submit(RemoveCustomer("CUST-NOBODY"))
    assert told == [True, False] * 3


async def test_whoever_went_away_before_the_group_began_is_waited_for_by_nobody(shop: Shop) -> None:
    told: list[bool] = []
    journal = journal_of(shop)
    journal.on_busy = told.append
    journal.enqueue(sale()).cancel()
    await journal.close()
    assert told == [True, False]


async def test_one_who_hands_over_says_so_too(open_shop: OpenShop) -> None:
    keeper = await open_shop()
    guest = await open_shop(store_id=keeper.store)
    told: tuple[list[bool], list[bool]] = [], []
    for shop, what in zip((keeper, guest), told, strict=True):
        shared_journal_of(shop)._journal.on_busy = what.append
    await guest.sale()
    assert told == ([True, False], [True, False])


async def test_paper_comes_out_however_much_is_sold() -> None:
    way = Preemption()
    workers = RenderPool(way)
    way.set_busy(True)
    sheets = await asyncio.gather(*(workers.render(job(order(item(f"Silk {number}")))) for number in range(5)))
    assert len(set(sheets)) == 5
    assert not any(is_held(pid) for pid in workers.pids)
    await workers.stop()
