"""Freed memory is returned to the operating system."""

import asyncio
import multiprocessing

from app.server import memory


def test_freed_memory_is_returned_after_growth() -> None:
    # In a new process: objects would fill memory that earlier tests have freed, and it would not grow.
    process = multiprocessing.get_context("spawn").Process(target=_grow_and_shrink)
    process.start()
    process.join(60)
    assert process.exitcode == 0


def _grow_and_shrink() -> None:
    memory.LOOK_SECONDS = 0.02  # type: ignore[misc]
    memory.WORTH_BYTES = 8 * 2**20  # type: ignore[misc]
    asyncio.run(_run())


async def _run() -> None:
    watched = memory.Memory()
    watched.start()
    # Small objects, which malloc keeps, in cycles, which wait for the garbage collector.
    held = [[bytes(2_000)] for _ in range(40_000)]
    for each in held:
        each.append(each)  # type: ignore[arg-type]
    full = memory.taken()
    del held, each
    async with asyncio.timeout(20):
        while memory.taken() > full - 40 * 2**20:
            await asyncio.sleep(0.02)
    await watched.stop()
