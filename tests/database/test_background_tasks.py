"""A supervised task restarts after a failure, and ends when it is stopped."""

import asyncio

import pytest

from repositories.concurrency.supervised_task import SupervisedTask


async def test_failed_work_is_restarted(caplog: pytest.LogCaptureFixture) -> None:
    began = 0
    is_at_work = asyncio.Event()

    async def work() -> None:
        nonlocal began
        began += 1
        if began < 3:
            raise KeyError("once more")
        is_at_work.set()
        await asyncio.Event().wait()

    task = SupervisedTask("The work", work, pause=0.0)
    task.start()
    async with asyncio.timeout(30):
        await is_at_work.wait()
    await task.stop()
    assert began == 3
    assert [record.message for record in caplog.records] == ["The work has failed, and begins again."] * 2


async def test_a_task_that_was_never_started_can_be_stopped() -> None:
    await SupervisedTask("The work", asyncio.Event().wait).stop()  # type: ignore[arg-type]


async def test_stop_waits_until_the_work_has_ended() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = SupervisedTask("The work", work)
    task.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await task.stop()
    assert ended.is_set()
