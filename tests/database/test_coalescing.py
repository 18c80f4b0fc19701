"""One question for all who ask at the same time."""

import asyncio
import gc
from typing import Any

import pytest

from repositories.database.coalescing import CoalescedRead
from repositories.database.errors import Unavailable, read_deadline


async def test_those_who_ask_while_it_waits_share_an_answer_and_later_ones_do_not() -> None:
    asked = 0
    put = asyncio.Event()

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await put.wait()
        return asked

    together = CoalescedRead(ask)
    first = [asyncio.ensure_future(together()) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    later = [asyncio.ensure_future(together()) for _ in range(3)]
    put.set()
    assert await asyncio.gather(*first, *later) == [1, 1, 1, 2, 2, 2]


async def test_a_failure_that_nobody_waits_for_any_more_is_not_complained_about() -> None:
    """As when the database says nothing for longer than those who ask have patience."""
    complaints: list[dict[str, Any]] = []

    async def ask() -> int:
        await asyncio.sleep(0.01)
        raise LookupError

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, complaint: complaints.append(complaint))
    try:
        asking = asyncio.ensure_future(CoalescedRead(ask)())
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0.05)
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert complaints == []


async def test_a_dear_question_rests_between_two_times() -> None:
    loop = asyncio.get_running_loop()
    began: list[float] = []
    ended: list[float] = []

    async def ask() -> int:
        began.append(loop.time())
        await asyncio.sleep(0.02)
        ended.append(loop.time())
        return len(ended)

    together = CoalescedRead(ask, share=0.25)
    assert await asyncio.gather(*(together() for _ in range(5))) == [1] * 5
    assert await asyncio.gather(*(together() for _ in range(5))) == [2] * 5
    assert began[1] - ended[0] >= 3 * (ended[0] - began[0]) - 0.001


async def test_whoever_waits_behind_a_reading_that_hangs_waits_no_longer_than_one_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    most = 0.5
    monkeypatch.setattr("repositories.database.coalescing.read_deadline", lambda: read_deadline(most))
    hangs = True

    async def ask() -> int:
        if hangs:
            await asyncio.Event().wait()
        return 1

    together = CoalescedRead(ask)
    first = asyncio.ensure_future(together())
    await asyncio.sleep(most / 10)
    waiting = asyncio.gather(*(together() for _ in range(3)), return_exceptions=True)
    # Between the time that one reading may take, and the end of the second if it had all of it for itself.
    too_long = asyncio.ensure_future(asyncio.sleep(1.7 * most))
    assert [type(each) for each in await waiting] == [Unavailable] * 3
    assert not too_long.done()
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], Unavailable)
    hangs = False
    assert await together() == 1
    await too_long


async def test_those_who_wait_hear_that_a_reading_failed_or_was_broken_off() -> None:
    async def ask() -> int:
        await asyncio.sleep(0.01)
        raise LookupError

    together = CoalescedRead(ask)
    failed = await asyncio.gather(*(together() for _ in range(2)), return_exceptions=True)
    assert [type(each) for each in failed] == [LookupError] * 2

    before = asyncio.all_tasks()
    together = CoalescedRead(ask)
    waiting = [together(), together()]
    (reading,) = asyncio.all_tasks() - before
    waiting[0].cancel()
    reading.cancel()
    broken_off = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in broken_off] == [asyncio.CancelledError] * 2
