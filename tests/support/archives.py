"""Archives of stores, and databases to restore them to."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from app.archive.archive_files import archive, manifest_of, read_archive, write_archive
from app.config.settings import Settings
from repositories.archive.snapshot import open_snapshot
from repositories.database.client import Database, connect
from tests.support.payloads import sale_body
from tests.support.shop import Shop

Json = dict[str, Any]

SALE = sale_body(customer_name="Ravi")


def settings_of(database: Database, store: str) -> Settings:
    return Settings(database_name=database.name, store_id=store, timezone=ZoneInfo("Asia/Kolkata"))


async def write(database: Database, store: str, path: Path) -> Path:
    """Write an archive of a store to a file."""
    async with open_snapshot(database, store) as view:
        manifest = await manifest_of(view, settings_of(database, store), datetime.now(UTC))
        with path.open("wb") as stream:
            await write_archive(view, manifest, stream, lambda _: None)
    return path


async def read(path: Path, database: Database, store: str) -> None:
    """Restore an archive to an empty store."""
    await read_archive(path, database, settings_of(database, store), datetime.now(UTC), lambda _: None)


def contents(path: Path) -> list[tuple[str, Json]]:
    """Return the content of an archive, without the epoch of the log, which differs in each restored store."""
    with archive(path) as reader:
        documents = list(reader.documents())
    (counters,) = [document for collection, document in documents if collection == "counters"]
    del counters["epoch"]
    return documents


@asynccontextmanager
async def empty_database(mongodb_url: str) -> AsyncIterator[Database]:
    """Yield a new database, and drop it afterwards."""
    client = connect(mongodb_url)
    try:
        database = client[f"pos_{secrets.token_hex(4)}"]
        yield database
        await client.drop_database(database.name)
    finally:
        client.close()


async def busy_week(shop: Shop) -> str:
    """Create some documents of each kind, and return the Idempotency-Key of the first sale."""
    estimates = [await shop.estimate() for _ in range(3)]
    await shop.convert(estimates[0]["estimate_id"])
    await shop.ok("DELETE", f"/api/estimates/{estimates[1]['estimate_id']}", params={"reason": "typed twice"})
    await shop.ok("POST", "/api/orders/create-sale", json=SALE, headers={"Idempotency-Key": "first"})
    sales = [await shop.sale(customer_name="आशा", amount_paid=50.0) for _ in range(3)]
    await shop.ok("PUT", f"/api/orders/{sales[0]['order_id']}/status", params={"status": "Refunded"})
    await shop.ok("DELETE", f"/api/orders/{sales[1]['order_id']}")
    return "first"
