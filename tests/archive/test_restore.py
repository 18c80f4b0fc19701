"""The restore of a store: complete, or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from endpoints.live.log_tailer import POLL_SECONDS
from repositories.archive.restore import Restore, restoring
from repositories.auditing.verification import verify
from repositories.database.client import Database
from repositories.database.errors import BeingRestored, DatabaseRefused
from repositories.database.store_scope import store_filter
from repositories.event_log.event_log import EventLog
from repositories.migrations.indexes import prepare
from schemas.archive.format import ArchiveRefused
from tests.support.archives import SALE, busy_week, contents, read, settings_of, write
from tests.support.clock import Clock
from tests.support.event_log import log_by_its_clock
from tests.support.faults.failpoints import failing
from tests.support.shop import Shop, opened

Json = dict[str, Any]

READY = ({"status": "ready"}, "healthy")


@asynccontextmanager
async def shop_in(mongodb_url: str, database: Database, store: str) -> AsyncIterator[Shop]:
    async with opened(mongodb_url, database_name=database.name, store_id=store) as shop:
        yield shop


async def is_empty(database: Database, store: str) -> bool:
    names = ("estimates", "orders", "log", "totals")
    return not any([await database[name].find_one(store_filter(name, store)) for name in names])


async def begin(database: Database, store: str) -> Restore:
    restoration = Restore(database, store)
    await restoration.begin(datetime.now(UTC), 90)
    return restoration


def order(number: int, store: str = "main") -> Json:
    return {"_id": f"ORDER-{number}", "store": store, "number": number}


@pytest.mark.parametrize("store", ["", "branch"])
async def test_a_restored_store_continues_where_it_was(
    shop: Shop, target: Database, mongodb_url: str, tmp_path: Path, store: str
) -> None:
    """Check documents, numbers, stored responses, reports and the log, in a store of the same or another name."""
    store = store or shop.store
    key = await busy_week(shop)
    first = await write(shop.database, shop.store, tmp_path / "first")
    await read(first, target, store)
    assert contents(await write(target, store, tmp_path / "second")) == contents(first)
    assert await verify(target, store) == []
    old = [await shop.get(path) for path in ("/api/orders/all", "/api/reports/today", "/api/estimates/all")]
    before = await shop.get("/api/events", since=0)
    last = await shop.sale()
    async with shop_in(mongodb_url, target, store) as restored:
        new = [await restored.get(path) for path in ("/api/orders/all", "/api/reports/today", "/api/estimates/all")]
        assert new == old
        assert (await restored.sale())["sale_number"] == last["sale_number"]
        again = await restored.http.post("/api/orders/create-sale", json=SALE, headers={"Idempotency-Key": key})
        assert again.headers["Idempotent-Replayed"] == "true"
        after = await restored.get("/api/events", since=0)
        assert after["events"][:-1] == before["events"]
        assert await verify(target, store) == []


async def test_a_client_with_a_cursor_of_the_old_log_must_load_again(
    shop: Shop, target: Database, mongodb_url: str, tmp_path: Path
) -> None:
    """Sell in the old store after the backup. A client that saw those events must not confuse new events with them."""
    await shop.sale()
    file = await write(shop.database, shop.store, tmp_path / "file")
    await shop.sale()
    old = await EventLog(shop.database, shop.store).head()
    await read(file, target, shop.store)
    async with shop_in(mongodb_url, target, shop.store) as restored:
        for _ in range(2):
            await restored.sale()
        gone = await restored.http.get("/api/events", params={"since": f"{old.epoch}.{old.seq}"})
        assert (gone.status_code, gone.json()["code"]) == (410, "events_gone")
        async with restored.listen(subprotocols=["pos.v1"]) as socket:
            await socket.send(orjson.dumps({"type": "subscribe", "since": f"{old.epoch}.{old.seq}"}).decode())
            frames = [orjson.loads(await socket.recv()) for _ in range(2)]
    assert [frame["type"] for frame in frames] == ["welcome", "reset"]


async def test_a_running_service_waits_for_the_restore_and_continues(
    shop: Shop, target: Database, mongodb_url: str, tmp_path: Path
) -> None:
    await shop.sale()
    file = await write(shop.database, shop.store, tmp_path / "file")
    async with (
        shop_in(mongodb_url, target, shop.store) as running,
        running.listen(subprotocols=["pos.v1"]) as socket,
    ):
        assert await running.get("/api/orders/all") == []
        await socket.send('{"type": "subscribe"}')
        welcome, subscribed = [orjson.loads(await socket.recv()) for _ in range(2)]
        assert subscribed["type"] == "subscribed"
        restoration = await begin(target, shop.store)
        for path, body in (("/api/orders/create-sale", SALE), ("/api/orders/orders-only", None)):
            refused = await running.http.request("POST" if body else "GET", path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (503, "being_restored")
        ready, health = [await running.http.get(path) for path in ("/readyz", "/health")]
        assert (ready.status_code, ready.json()["code"]) == (503, "being_restored")
        assert (health.status_code, health.json()["database"]["status"]) == (503, "restoring")
        assert health.json()["detail"] == ready.json()["detail"] == BeingRestored().detail
        # The hub polls meanwhile, and must not publish restored events.
        group = {"first": 1, "events": [{"seq": 1, "type": "order"}]}
        await restoration.add("log", [{"_id": {"store": shop.store, "last": 1}, **group}])
        async with asyncio.timeout(20):
            while running.state["hub"].status.head_age < POLL_SECONDS * 2:
                await asyncio.sleep(0.02)
        await restoration.discard()
        assert await running.get("/api/orders/all") == []
        await read(file, target, shop.store)
        assert (await running.get("/readyz"), (await running.get("/health"))["status"]) == READY
        reset = orjson.loads(await asyncio.wait_for(socket.recv(), 30))
        assert (reset["type"], reset["head"]) == ("reset", 1)
        assert reset["epoch"] != welcome["epoch"]
        assert len(await running.get("/api/orders/all")) == 1
        assert (await running.sale())["sale_number"] == "#002"
        assert orjson.loads(await asyncio.wait_for(socket.recv(), 30))["event"]["seq"] == 2
    assert await verify(target, shop.store) == []


async def test_a_store_with_documents_is_refused_and_left_alone(shop: Shop, tmp_path: Path) -> None:
    await shop.sale()
    file = await write(shop.database, shop.store, tmp_path / "file")
    with pytest.raises(DatabaseRefused, match="only an empty store can be filled"):
        await read(file, shop.database, shop.store)
    assert (await shop.sale())["sale_number"] == "#002"


async def test_a_database_that_has_the_documents_already_is_refused_and_left_alone(shop: Shop, tmp_path: Path) -> None:
    await busy_week(shop)
    file = await write(shop.database, shop.store, tmp_path / "file")
    branch = f"{shop.store}-branch"
    with pytest.raises(DatabaseRefused, match="of the same ids already, in another store"):
        await read(file, shop.database, branch)
    assert await is_empty(shop.database, branch)
    assert await shop.database.counters.find_one({"_id": branch}) is None
    assert contents(await write(shop.database, shop.store, tmp_path / "again")) == contents(file)


async def test_a_truncated_file_leaves_an_empty_store(shop: Shop, target: Database, tmp_path: Path) -> None:
    await busy_week(shop)
    file = await write(shop.database, shop.store, tmp_path / "file")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-3]))
    settings = settings_of(target, "main")
    await prepare(target, "main", settings.timezone, 90)
    before = await target.counters.find_one({"_id": "main"})
    with pytest.raises(ArchiveRefused, match=f"Line {len(lines) - 2}: the file ends here"):
        await read(file, target, "main")
    assert await is_empty(target, "main")
    assert await target.counters.find_one({"_id": "main"}) == before


async def test_an_incomplete_restore_keeps_the_store_closed_until_it_is_discarded(target: Database) -> None:
    restoration = await begin(target, "main")
    await restoration.add("orders", [order(1)])
    zone = settings_of(target, "main").timezone
    with pytest.raises(DatabaseRefused, match="Store 'main' is being restored since"):
        await prepare(target, "main", zone, 90)
    with pytest.raises(BeingRestored):
        await EventLog(target, "main").head()
    assert await Restore(target, "main").discard() is True
    assert await is_empty(target, "main")
    assert await Restore(target, "main").discard() is False
    await prepare(target, "main", zone, 90)
    assert await verify(target, "main") == []


async def test_a_second_restore_starts_over_and_stops_the_first(target: Database) -> None:
    first = await begin(target, "main")
    await first.add("orders", [order(1)])
    while not await target.orders.count_documents({}):
        await asyncio.sleep(0.01)
    second = await begin(target, "main")
    assert await is_empty(target, "main")
    await first.add("orders", [order(2)])
    with pytest.raises(DatabaseRefused, match="Another restore of this store has begun"):
        await first.add("orders", [order(3)])
    await second.add("orders", [order(4)])
    assert await first.discard(only_mine=True) is False
    await second.finish({"estimates": 0, "orders": 4, "head": 0}, {"orders": 1})
    assert [each["_id"] async for each in target.orders.find()] == ["ORDER-4"]


async def test_an_incomplete_store_does_not_open(target: Database) -> None:
    async def fill() -> None:
        async with restoring(target, "main", datetime.now(UTC), 90) as restoration:
            await restoration.add("orders", [order(1)])
            await restoration.finish({"estimates": 0, "orders": 2, "head": 0}, {"orders": 2})

    with pytest.raises(DatabaseRefused, match="not those of the archive"):
        await fill()
    assert await is_empty(target, "main")


async def test_an_orphaned_transaction_is_aborted(target: Database) -> None:
    """Lock the counters by a transaction of a dead process."""
    await begin(target, "main")
    session = await target.client.start_session()
    session.start_transaction()
    await target.counters.update_one({"_id": "main"}, {"$inc": {"restoring.batches": 1}}, session=session)
    second = await asyncio.wait_for(begin(target, "main"), 30)
    await second.finish({"estimates": 0, "orders": 0, "head": 0}, {})
    await session.end_session()


async def test_a_batch_is_retried_after_a_write_conflict(target: Database) -> None:
    restoration = await begin(target, "main")
    labels = ["TransientTransactionError"]
    there = f"{target.name}.orders"
    async with failing(target, "insert", times=1, namespace=there, errorCode=112, errorLabels=labels):
        await restoration.add("orders", [order(1)])
        await restoration.finish({"estimates": 0, "orders": 1, "head": 0}, {"orders": 1})
    assert await target.orders.count_documents({}) == 1


async def test_a_log_with_an_expired_beginning_is_restored_as_complete(
    own: Any, target: Database, mongodb_url: str, tmp_path: Path
) -> None:
    """Use an archive from a database with a shorter retention of events."""
    clock = Clock.days_ago(40)
    async with opened(mongodb_url, database_name=own.name, clock=clock, event_retention_days=30) as shop:
        log_by_its_clock(shop)
        await shop.sale()
        clock.now = datetime.now(UTC)
        await shop.sale()
        await shop.database.log.delete_one({"first": 1})
        await read(await write(shop.database, shop.store, tmp_path / "archive"), target, "main")
    assert await verify(target, "main") == []
    await target.log.delete_one({"first": 2})
    assert (await verify(target, "main"))[0].startswith("Events 1 to 2 are missing")
