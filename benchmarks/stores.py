"""Many stores at the same time: the total rate of sales, and the duration of a group, by the number of stores.

No transaction spans two stores and every index leads with the store, so stores only share the machine. The journals of
all of them are driven from one process: a few threads, each time another store's group.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from rich.progress import track

from app.clock import utc_now
from benchmarks.filling import ZONE
from benchmarks.measures import Results, Row, median
from benchmarks.payloads import SALE
from benchmarks.servers import database_name
from repositories.concurrency.backoff import Backoff
from repositories.database.client import Database, connect
from repositories.journal.transaction import GroupTransaction, Outcome
from repositories.migrations.indexes import prepare
from repositories.sales.commands import CreateDocument
from schemas.core.collections import COUNTERS, ORDERS
from schemas.core.public_ids import new_id
from schemas.sales.bodies import SaleBody
from schemas.sales.documents import draft_sale

AT_ONCE = 8
GROUP = 8


def measure(url: str, results: Results, *, most: int, rounds: int, seconds: float) -> None:
    counts = [count for count in (1, 10, 100, 1_000, 10_000) if AT_ONCE <= count <= most]
    rates: dict[int, list[float]] = {count: [] for count in counts}
    waits: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count in counts:
            rate, p50 = asyncio.run(_sell(url, count, seconds))
            rates[count].append(rate)
            waits[count].append(p50)
    fewest, largest = counts[0], counts[-1]
    results.add(
        "Many stores",
        *(
            Row(f"sales in {count:,} stores", median(rates[count]), "/s", f"{fewest} stores", median(rates[fewest]))
            for count in counts[1:-1]
        ),
        Row(
            *(f"sales in {largest:,} stores", median(rates[largest]), "/s"),
            *(f"{fewest} stores", median(rates[fewest]), ">= 0.8"),
        ),
        Row(
            *(f"a group of {GROUP} in {largest:,} stores, p50", median(waits[largest]), "ms"),
            *(f"{fewest} stores", median(waits[fewest])),
        ),
    )
    results.series["Sales a second by number of stores"] = {
        "sales a second": [(count, median(each)) for count, each in rates.items()]
    }


async def _sell(url: str, count: int, seconds: float) -> tuple[float, float]:
    """Return the sales a second and the median milliseconds of a group, in stores that have sold before.

    The first group of a store takes longer, independent of the number of stores.
    """
    client = connect(url)
    database = client[database_name()]
    await _open(database, count)
    written = draft_sale(SaleBody().load(SALE))
    waits: list[float] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        transactions = [
            GroupTransaction(database, f"store-{number}", ZONE, utc_now, threads) for number in range(count)
        ]
        # Each seller has separate stores, in random order, so that no two use the same one and none is warm.
        shares = [transactions[place::AT_ONCE] for place in range(AT_ONCE)]

        async def book(transaction: GroupTransaction) -> None:
            group = [CreateDocument(ORDERS, new_id(ORDERS, utc_now()), written) for _ in range(GROUP)]
            outcomes = await transaction.run(group, Backoff(30))
            assert all(isinstance(outcome, Outcome) for outcome in outcomes)

        async def begin(share: Iterable[GroupTransaction]) -> None:
            for transaction in share:
                await book(transaction)

        async def sell(share: list[GroupTransaction], until: float) -> None:
            random.Random(count).shuffle(share)
            for transaction in itertools.cycle(share):
                began = time.monotonic()
                if began > until:
                    return
                await book(transaction)
                waits.append(1_000 * (time.monotonic() - began))

        watched = track(shares[0], f"{count:,} stores")
        await asyncio.gather(begin(watched), *(begin(share) for share in shares[1:]))
        until = time.monotonic() + seconds
        await asyncio.gather(*(sell(share, until) for share in shares))
    sold = len(waits) * GROUP
    numbered = await database[COUNTERS].aggregate([{"$group": {"_id": None, "sold": {"$sum": "$orders"}}}]).to_list(1)
    assert numbered[0]["sold"] == sold + count * GROUP == await database[ORDERS].count_documents({})
    await client.drop_database(database.name)
    client.close()
    return sold / seconds, median(waits)


async def _open(database: Database, count: int) -> None:
    """Create empty stores."""
    await prepare(database, "store-0", ZONE, 365)
    empty = {"orders": 0, "estimates": 0, "head": 0, "epoch": "0", "timezone": ZONE.key}
    others = [{"_id": f"store-{number}", **empty} for number in range(1, count)]
    if others:
        await database[COUNTERS].insert_many(others)
