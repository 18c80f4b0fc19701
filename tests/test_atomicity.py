"""Killed between any two steps: a change exists if and only if its event does, and the shop goes on within seconds."""

import asyncio
import sys
from contextlib import suppress
from zoneinfo import ZoneInfo

from app.application import utc_now
from repositories.commands import Create
from repositories.indexes import prepare
from repositories.journal import Journal
from repositories.verification import verify
from schemas.documents import EstimateBody, draft
from schemas.events import CONVERT
from schemas.rollups import ESTIMATES
from tests.faults import failing
from tests.payloads import estimate_body
from tests.shop import DATABASE, Shop
from tests.test_server import ROOT, environment

KOLKATA = ZoneInfo("Asia/Kolkata")
STEPS = ("find", "insert", "update", "commitTransaction")
MOST_STEPS = 20
# A command is held up for longer than it takes to see that nothing comes, and to kill.
WAIT_MS, BLOCK_MS = 350, 1_000

# A process that converts one estimate through a journal of its own, and is killed on the way.
CONVERTER = """
import asyncio, sys
from zoneinfo import ZoneInfo
from app.application import utc_now
from repositories.commands import Convert
from repositories.database import connect, ping
from repositories.journal import Journal

async def main(url, database, store):
    client = connect(url)
    await ping(client)
    journal = Journal(client[database], store=store, zone=ZoneInfo("Asia/Kolkata"), clock=utc_now)
    print("begins", flush=True)
    sys.stdin.readline()
    await journal.submit(Convert("EST-" + store, "ORDER-" + store, "Cash"))
    print("done", flush=True)
    await asyncio.sleep(60)

asyncio.run(main(*sys.argv[1:]))
"""


async def killed_before(shop: Shop, mongodb_url: str, store: str, step: int) -> bool:
    """Kills a process while its conversion waits at its step-th command. False: it has no so many, and was done."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CONVERTER, mongodb_url, DATABASE, store),
        cwd=ROOT,
        env=environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert await process.stdout.readline() == b"begins\n"
    is_done = False
    async with failing(shop.database, *STEPS, skip=step, blockConnection=True, blockTimeMS=BLOCK_MS):
        process.stdin.write(b"\n")
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_MS / 1_000):
                is_done = await process.stdout.readline() == b"done\n"
        process.kill()
        await process.wait()
    return not is_done


async def test_killed_before_any_step_it_is_all_or_nothing_and_the_shop_goes_on(shop: Shop, mongodb_url: str) -> None:
    database = shop.database
    stores = []
    for step in range(MOST_STEPS):
        store = f"{shop.store}-{step}"
        stores.append(store)
        await prepare(database, store, KOLKATA, 90)
        journal = Journal(database, store=store, zone=KOLKATA, clock=utc_now)
        await journal.submit(Create(ESTIMATES, f"EST-{store}", draft(EstimateBody().load(estimate_body()))))
        if not await killed_before(shop, mongodb_url, store, step):
            break
    assert 8 <= len(stores) < MOST_STEPS, "a conversion reads and writes several collections"

    async def judge(store: str) -> bool:
        # The last command may still be on its way through the database.
        await asyncio.sleep(BLOCK_MS / 1_000)
        journal = Journal(database, store=store, zone=KOLKATA, clock=utc_now)
        await journal.submit(Create(ESTIMATES, f"EST2-{store}", draft(EstimateBody().load(estimate_body()))))
        order = await database.orders.find_one({"store": store})
        event = await database.events.find_one({"store": store, "action": CONVERT})
        assert (order is None) == (event is None), store
        assert await verify(database, store) == [], store
        return order is not None

    happened = await asyncio.gather(*(judge(store) for store in stores))
    assert False in happened
    assert happened[-1] is True
