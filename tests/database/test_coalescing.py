"""One read for all concurrent callers."""

import asyncio
import gc
from typing import Any

import pytest

from repositories.database.coalescing import CoalescedRead
from repositories.database.errors import Unavailable, read_deadline


async def test_callers_before_a_read_share_it_and_later_ones_do_not() -> None:
    reads = 0
    may_finish = asyncio.Event()

    async def read() -> int:
        nonlocal reads
        reads += 1
        await may_finish.wait()
        return reads

    coalesced = CoalescedRead(read)
    first = [asyncio.ensure_future(coalesced()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.ensure_future(coalesced()) for _ in range(3)]
    may_finish.set()
    assert await asyncio.gather(*first, *later) == [1, 1, 1, 2, 2, 2]


async def test_a_failure_without_callers_is_not_logged() -> None:
    """Cancel the callers before the database answers."""
    logged: list[dict[str, Any]] = []

    async def read() -> int:
        await asyncio.sleep(0.01)
        raise LookupError

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: logged.append(context))
    try:
        caller = asyncio.ensure_future(CoalescedRead(read)())
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await asyncio.sleep(0.05)
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert logged == []


async def test_an_expensive_read_pauses_before_the_next_one() -> None:
    loop = asyncio.get_running_loop()
    began: list[float] = []
    ended: list[float] = []

    async def read() -> int:
        began.append(loop.time())
        await asyncio.sleep(0.02)
        ended.append(loop.time())
        return len(ended)

    coalesced = CoalescedRead(read, share=0.25)
    assert await asyncio.gather(*(coalesced() for _ in range(5))) == [1] * 5
    assert await asyncio.gather(*(coalesced() for _ in range(5))) == [2] * 5
    assert began[1] - ended[0] >= 3 * (ended[0] - began[0]) - 0.001


async def test_a_caller_behind_a_hanging_read_waits_for_one_deadline_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = 0.5
    monkeypatch.setattr("repositories.database.coalescing.read_deadline", lambda: read_deadline(limit))
    hangs = True

    async def read() -> int:
        if hangs:
            await asyncio.Event().wait()
        return 1

    coalesced = CoalescedRead(read)
    first = asyncio.ensure_future(coalesced())
    await asyncio.sleep(limit / 10)
    waiting = asyncio.gather(*(coalesced() for _ in range(3)), return_exceptions=True)
    # Between one deadline, and the end of the second read if it had a deadline of its own.
    too_long = asyncio.ensure_future(asyncio.sleep(1.7 * limit))
    assert [type(each) for each in await waiting] == [Unavailable] * 3
    assert not too_long.done()
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], Unavailable)
    hangs = False
    assert await coalesced() == 1
    await too_long


async def test_each_caller_gets_the_failure_or_the_cancellation_of_its_read() -> None:
    async def read() -> int:
        await asyncio.sleep(0.01)
        raise LookupError

    coalesced = CoalescedRead(read)
    failed = await asyncio.gather(*(coalesced() for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in failed] == [LookupError] * 2

    before = asyncio.all_tasks()
    coalesced = CoalescedRead(read)
    waiting = [coalesced(), coalesced()]
    (reading,) = asyncio.all_tasks() - before
    waiting[0].cancel()
    reading.cancel()
    cancelled = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in cancelled] == [asyncio.CancelledError] * 2
