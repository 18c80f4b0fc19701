"""Killed between any two steps: a change exists if and only if its event does, and the shop goes on at once."""

import asyncio
import sys
import time

import pytest

from tests.faults import failing
from tests.shop import DATABASE, Shop
from tests.test_server import ROOT, environment

# A process that converts one estimate through a journal of its own, and is killed on the way.
CONVERTER = """
import asyncio, sys
from zoneinfo import ZoneInfo
from app.application import utc_now
from repositories.commands import Convert
from repositories.database import connect
from repositories.journal import Journal

async def main(url, database, store, estimate):
    client = connect(url)
    journal = Journal(client[database], store=store, zone=ZoneInfo("Asia/Kolkata"), clock=utc_now)
    print("begins", flush=True)
    await journal.submit(Convert(estimate, "ORDER-" + estimate, "Cash"))
    print("done", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""
STEPS = ("find", "insert", "update", "commitTransaction")


async def killed_before(shop: Shop, mongodb_url: str, estimate: str, step: int) -> bool:
    """Kills a process while its conversion waits before its step-th command. False: it has no so many steps."""
    async with failing(shop.database, *STEPS, skip=step, blockConnection=True, blockTimeMS=1_500, appName="pos"):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CONVERTER, mongodb_url, DATABASE, shop.store, estimate),
            cwd=ROOT,
            env=environment(),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"begins\n"
        try:
            async with asyncio.timeout(1):
                is_done = await process.stdout.readline() == b"done\n"
        except TimeoutError:
            is_done = False
        process.kill()
        await process.wait()
    return not is_done
