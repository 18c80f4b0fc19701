"""Work that goes on as long as the process does goes on after any one failure, and ends when it is told to."""

import asyncio

import pytest

from repositories.concurrency.supervised_task import SupervisedTask


async def test_work_that_fails_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    began = 0
    is_at_work = asyncio.Event()

    async def work() -> None:
        nonlocal began
        began += 1
        if began < 3:
            raise KeyError("once more")
        is_at_work.set()
        await asyncio.Event().wait()

    lasting = SupervisedTask("The work", work, pause=0.0)
    lasting.start()
    async with asyncio.timeout(30):
        await is_at_work.wait()
    await lasting.stop()
    assert began == 3
    assert [record.message for record in caplog.records] == ["The work has failed, and begins again."] * 2


async def test_work_that_never_began_is_stopped_all_the_same() -> None:
    await SupervisedTask("The work", asyncio.Event().wait).stop()  # type: ignore[arg-type]


async def test_what_is_stopped_is_over() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    lasting = SupervisedTask("The work", work)
    lasting.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await lasting.stop()
    assert ended.is_set()
