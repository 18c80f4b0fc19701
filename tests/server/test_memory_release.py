"""What was taken of the system's memory is given back when it is free."""

import asyncio
import ctypes
import gc

import pytest

from app.server.memory import Memory, taken


async def test_what_was_freed_is_given_back_after_a_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.server.memory.LOOK_SECONDS", 0.02)
    monkeypatch.setattr("app.server.memory.WORTH_BYTES", 8 * 2**20)
    # What earlier tests have freed is returned first: new objects would fill it, and the process would not grow.
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    memory = Memory()
    memory.start()
    # Small pieces, which malloc keeps, and cycles, which wait for the collector.
    held = [[bytes(2_000)] for _ in range(40_000)]
    for each in held:
        each.append(each)  # type: ignore[arg-type]
    full = taken()
    del held, each
    async with asyncio.timeout(20):
        while taken() > full - 40 * 2**20:
            await asyncio.sleep(0.02)
    await memory.stop()
