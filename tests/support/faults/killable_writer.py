"""A process that makes one change through its own journal, and can be killed meanwhile."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from zoneinfo import ZoneInfo

from app.clock import utc_now
from repositories.database.client import Database, connect
from repositories.journal.command import Command
from repositories.journal.journal import Journal
from repositories.migrations.indexes import prepare
from repositories.sales.commands import ConvertEstimate, CreateDocument
from repositories.sales.void_commands import VoidOrder
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.journal.idempotency import RequestKey
from schemas.sales.bodies import EstimateBody, SaleBody
from schemas.sales.documents import draft, draft_sale
from tests.support.payloads import estimate_body, sale_body
from tests.support.shop import DATABASE

KOLKATA = ZoneInfo("Asia/Kolkata")
# Forks of a process that has imported everything already, since there are many of them.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


def key_of(store: str) -> tuple[RequestKey, ...]:
    return (RequestKey(f"header:{store}", "the same", reopens=True),)


def estimate(name: str) -> CreateDocument:
    return CreateDocument(ESTIMATES, f"EST-{name}", draft(EstimateBody().load(estimate_body())))


CHANGES: dict[str, Callable[[str], Command]] = {
    "create": lambda store: CreateDocument(
        ORDERS, f"SALE-{store}", draft_sale(SaleBody().load(sale_body())), keys=key_of(store)
    ),
    "convert": lambda store: ConvertEstimate(f"EST-{store}", f"ORDER-{store}", "Cash", keys=key_of(store)),
    "void": lambda store: VoidOrder(f"SOLD-{store}", f"EST-{store}"),
}


def journal_of(database: Database, store: str) -> Journal:
    return Journal(database, store=store, zone=KOLKATA, clock=utc_now)


async def prepare_store(database: Database, store: str, kind: str) -> None:
    """Create what the change needs: an estimate, or an order to void."""
    await prepare(database, store, KOLKATA, 90)
    journal = journal_of(database, store)
    await journal.submit(estimate(store))
    if kind == "void":
        await journal.submit(ConvertEstimate(f"EST-{store}", f"SOLD-{store}", "Cash", keys=key_of(store)))
    await journal.close()


def _work(url: str, store: str, kind: str, wire: Connection) -> None:
    async def change() -> None:
        client = connect(url)
        await client.admin.command("ping")
        journal = journal_of(client[DATABASE], store)
        wire.send("ready")
        await asyncio.to_thread(wire.recv)
        await journal.submit(CHANGES[kind](store))
        wire.send("done")
        await asyncio.sleep(60)

    asyncio.run(change())


class Worker:
    """The process, which waits for `begin`."""

    def __init__(self, wire: Connection) -> None:
        self._wire = wire

    def begin(self) -> None:
        self._wire.send("begin")

    @property
    def is_done(self) -> bool:
        return self._wire.poll()


@asynccontextmanager
async def worker(url: str, store: str, kind: str) -> AsyncIterator[Worker]:
    """Start the process, and kill it at the end of the block."""
    ours, theirs = _PROCESSES.Pipe()
    process = _PROCESSES.Process(target=_work, args=(url, store, kind, theirs), daemon=True)
    await asyncio.to_thread(process.start)
    try:
        assert await asyncio.to_thread(ours.poll, 20)
        assert ours.recv() == "ready"
        yield Worker(ours)
    finally:
        process.kill()
        await asyncio.to_thread(process.join)
