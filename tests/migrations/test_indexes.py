"""An index serves each list, lookup, report and write: the commands that reach the database are explained."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import DuplicateKeyError

from app.config.settings import Settings
from repositories.archive.restore import Restore
from repositories.archive.snapshot import open_snapshot
from repositories.auditing.verification import verify
from repositories.database.client import Database, connect
from repositories.database.errors import DatabaseRefused
from repositories.migrations.indexes import index_models, prepare
from tests.support.payloads import line
from tests.support.shop import DATABASE, Shop, opened

Json = dict[str, Any]

# Fields that the driver adds to a command and `explain` does not accept.
_ENVELOPE = {
    "lsid",
    "$clusterTime",
    "$db",
    "txnNumber",
    "autocommit",
    "startTransaction",
    "readConcern",
    "writeConcern",
}


@asynccontextmanager
async def recorded(database: Database) -> AsyncIterator[list[Json]]:
    """Record the commands that reach the database during the block."""
    commands: list[Json] = []
    await database.command("profile", 2)
    try:
        yield commands
    finally:
        await database.command("profile", 0)
        async for entry in database["system.profile"].find({"ns": {"$regex": f"^{DATABASE}\\.(?!system)"}}):
            commands.extend(_explainable(entry))
        await database["system.profile"].drop()


def _explainable(entry: Json) -> Iterator[Json]:
    """Return a profiled operation as a command; of updates and deletes the profiler keeps only the statement."""
    command = entry["command"]
    if entry["op"] in ("update", "remove"):
        name, statements = ("update", "updates") if entry["op"] == "update" else ("delete", "deletes")
        yield {name: entry["ns"].split(".", 1)[1], statements: [command]}
    elif "find" in command or "aggregate" in command:
        yield command


async def explained(database: Database, command: Json) -> Json:
    plain = {name: value for name, value in command.items() if name not in _ENVELOPE}
    explanation: Json = await database.command("explain", plain, verbosity="executionStats")
    return explanation


def stages(explanation: Any) -> Iterator[str]:
    """Return the names of the stages of the winning plans."""
    if isinstance(explanation, dict):
        if "stage" in explanation:
            yield explanation["stage"]
        for name, value in explanation.items():
            if name not in ("rejectedPlans", "command"):
                yield from stages(value)
    elif isinstance(explanation, list):
        for value in explanation:
            yield from stages(value)


@pytest.fixture(scope="module")
async def busy_shop(mongodb_url: str) -> AsyncIterator[Shop]:
    """Open a shop with enough documents that the planner might choose a wrong plan."""
    async with opened(mongodb_url, store_id="test-busy") as shop:
        await asyncio.gather(*(_trade(shop, n) for n in range(60)))
        yield shop


async def _trade(shop: Shop, n: int) -> None:
    staff, phone = f"Staff {n % 3}", f"98765{n % 5:05d}"
    estimate = await shop.estimate(sale_by=staff, customer_phone=phone, items=[line(price=10.0 + n)])
    if n % 2:
        await shop.convert(estimate["estimate_id"], payment_mode=("Cash", "UPI: Asha")[n % 4 == 1])
    await shop.sale(sale_by=staff, customer_phone=phone, items=[line(price=20.0 + n)])


FILTERS = (
    "",
    "limit=10",
    "status=Pending",
    "status=Completed&limit=10",
    "sale_by=Staff 1",
    "payment_mode=upi&limit=10",
    "customer_phone=9876500002",
    "from=2020-01-01&to=2039-12-31",
    "from=2039-01-01",
    "sale_by=Staff 1&status=Completed&from=2020-01-01&limit=5",
)
KOLKATA = ZoneInfo("Asia/Kolkata")

# Lists that can be filtered by each status.
BOTH = ("/api/orders/all", "/api/orders/separate")
LISTS = (
    "/api/estimates/all",
    "/api/estimates/pending",
    "/api/estimates/converted",
    "/api/orders/all",
    "/api/orders/separate",
    "/api/orders/orders-only",
)
REPORTS = (
    "/api/reports/today",
    "/api/reports/date-range?start_date=2020-01-15&end_date=2029-02-20",
    "/api/reports/monthly/2026/11",
    "/api/reports/staff-performance",
    "/api/reports/estimates-only",
    "/api/reports/orders-only?items=3",
)


async def test_every_list_and_report_reads_by_an_index_and_sorts_by_it(busy_shop: Shop) -> None:
    paths = [
        f"{path}?{parameters}" for path in LISTS for parameters in FILTERS if "status" not in parameters or path in BOTH
    ]
    paths += [
        "/api/estimates/all?status=Converted",
        "/api/orders/orders-only?status=Completed&limit=9",
    ]
    async with recorded(busy_shop.database) as commands:
        for path in (*paths, *REPORTS):
            assert (await busy_shop.http.get(path)).status_code == 200, path
    assert len(commands) > len(paths)
    for command in commands:
        used = set(stages(await explained(busy_shop.database, command)))
        assert not used & {"COLLSCAN", "SORT"}, (used, command)


async def test_a_page_reads_only_its_own_documents(shop: Shop) -> None:
    for _ in range(15):
        await shop.sale()
    async with recorded(shop.database) as commands:
        response = await shop.http.get("/api/orders/orders-only", params={"limit": 5})
        await shop.get("/api/orders/orders-only", limit=5, cursor=response.headers["x-next-cursor"])
    pages = [command for command in commands if command.get("find") == "orders"]
    assert len(pages) == 2
    for command in pages:
        explanation = await explained(shop.database, command)
        assert explanation["executionStats"]["totalDocsExamined"] <= 7


@pytest.mark.parametrize("words", ["test", "cust 9876", "987650", "12", "unknown"])
async def test_searches_read_by_an_index(busy_shop: Shop, words: str) -> None:
    async with recorded(busy_shop.database) as commands:
        await busy_shop.get("/api/orders/all", q=words)
    for command in commands:
        assert "COLLSCAN" not in set(stages(await explained(busy_shop.database, command)))


async def test_lookups_and_writes_use_an_index(busy_shop: Shop) -> None:
    estimate, other = await busy_shop.estimate(), await busy_shop.estimate()
    async with recorded(busy_shop.database) as commands:
        await busy_shop.get(f"/api/estimates/{estimate['estimate_id']}")
        await busy_shop.get("/api/estimates/number/1")
        await busy_shop.get("/api/orders/number/%23001")
        # The second one is a repetition, whose answer is looked up.
        for _ in range(2):
            sale = await busy_shop.sale(created_at="2026-01-01T10:00:00", items=[line(id=1_700_000_000_001)])
        # Its key is released.
        await busy_shop.ok("DELETE", f"/api/orders/{sale['order_id']}")
        order = await busy_shop.convert(estimate["estimate_id"])
        await busy_shop.ok("PUT", f"/api/orders/{order['order_id']}/status", params={"status": "Refunded"})
        await busy_shop.ok("DELETE", f"/api/orders/{order['order_id']}")
        await busy_shop.ok("DELETE", f"/api/estimates/{other['estimate_id']}")
    assert {next(iter(command)) for command in commands} == {"find", "aggregate", "update"}
    for command in commands:
        explanation = await explained(busy_shop.database, command)
        assert "COLLSCAN" not in set(stages(explanation)), command
        if "log" in (command.get("aggregate"), command.get("update")):
            assert set(examined(explanation)) <= {0, 1}, command


def examined(explanation: Any) -> Iterator[int]:
    """Return how many documents each stage of the winning plan has examined."""
    if isinstance(explanation, dict):
        yield from (value for name, value in explanation.items() if name in ("docsExamined", "totalDocsExamined"))
        yield from (number for value in explanation.values() for number in examined(value))
    elif isinstance(explanation, list):
        yield from (number for value in explanation for number in examined(value))


async def test_scans_of_a_whole_store_use_an_index(busy_shop: Shop) -> None:
    """Scan a store as verification, export, restore and deletion do, besides other stores that may be large."""
    database = busy_shop.database
    async with recorded(database) as commands:
        assert await verify(database, busy_shop.store) == []
        async with open_snapshot(database, busy_shop.store) as view:
            counts = await view.counts()
            for collection in counts:
                assert sum([len(batch) async for batch in view.all_documents(collection)]) == counts[collection]
        for _ in range(2):
            restoration = Restore(database, "test-restored")
            await restoration.begin(datetime.now(UTC), Settings().event_retention_days)
        await restoration.finish({"estimates": 0, "orders": 0, "head": 0}, {})
        await database.counters.delete_one({"_id": "test-restored"})
    checked_at = {command[name] for command in commands for name in ("find", "aggregate", "delete") if name in command}
    assert {"estimates", "orders", "log", "totals", "adopted"} <= checked_at
    for command in commands:
        # The first counters tell whether the database has any store.
        if command.get("find") != "counters":
            assert "COLLSCAN" not in set(stages(await explained(database, command))), command


async def test_every_index_leads_with_the_store_but_for_retention_and_tokens() -> None:
    for collection, models in index_models(90).items():
        # Users may sign in to several stores.
        for model in models if collection not in ("users", "credentials") else ():
            leading = next(iter(model.document["key"]))
            # A message is in the outbox of the store whose processes send it.
            assert leading in ("store", "_id.store", "outbox") or model.document["name"] in ("retention", "token")


async def test_preparing_again_changes_only_a_different_retention(shop: Shop, mongodb_url: str) -> None:
    async def retention() -> int:
        return int((await shop.database.log.index_information())["retention"]["expireAfterSeconds"])

    client = connect(mongodb_url)
    await prepare(client[DATABASE], shop.store, KOLKATA, 7)
    assert await retention() == 7 * 86_400
    await prepare(client[DATABASE], shop.store, KOLKATA, Settings().event_retention_days)
    assert await retention() == Settings().event_retention_days * 86_400
    counters = await shop.database.counters.find_one({"_id": shop.store})
    await prepare(client[DATABASE], shop.store, KOLKATA, Settings().event_retention_days)
    assert await shop.database.counters.find_one({"_id": shop.store}) == counters
    client.close()


async def test_the_time_zone_can_be_changed_until_the_first_rollup(shop: Shop) -> None:
    days = Settings().event_retention_days
    for zone in ("Europe/Berlin", "Asia/Kolkata"):
        await prepare(shop.database, shop.store, ZoneInfo(zone), days)
    await shop.sale()
    await prepare(shop.database, shop.store, KOLKATA, days)
    with pytest.raises(DatabaseRefused, match="kept in Asia/Kolkata, and TIMEZONE is Europe/Berlin"):
        await prepare(shop.database, shop.store, ZoneInfo("Europe/Berlin"), days)


async def test_several_processes_may_prepare_an_empty_database_at_once(mongodb_url: str) -> None:
    clients = [connect(mongodb_url) for _ in range(8)]
    name = f"pos_fresh_{secrets.token_hex(4)}"
    await asyncio.gather(*(prepare(client[name], "main", KOLKATA, 90) for client in clients))
    assert await clients[0][name].counters.count_documents({}) == 1
    await clients[0].drop_database(name)
    for client in clients:
        client.close()


async def test_unique_indexes_of_earlier_versions_are_replaced(own: Any, mongodb_url: str) -> None:
    """Replace indexes that treated documents of the earlier backend as duplicates of one number, or of one estimate."""
    for kind in ("estimates", "orders"):
        own[kind].create_index([("store", 1), ("number", 1)], unique=True, name="number")
    partial = {"estimate_id": {"$type": "string"}, "voided_at": None}
    keys = [("store", 1), ("estimate_id", 1)]
    own.orders.create_index(keys, unique=True, name="one_order_an_estimate", partialFilterExpression=partial)
    own.orders.insert_many([{"_id": f"ORDER-{number}", "store": "main", "number": number} for number in (1, 2)])
    async with opened(mongodb_url, database_name=own.name, store_id="other") as shop:
        await shop.sale()
    for kind in ("estimates", "orders"):
        assert "number" not in own[kind].index_information()
        assert own[kind].index_information()["given_number"]["unique"]
    own.orders.insert_many([{"sale_number": "#001", "estimate_id": "EST-1"}, {"estimate_id": "EST-1"}])
    with pytest.raises(DuplicateKeyError):
        own.orders.insert_one({"_id": "ORDER-3", "store": "main", "number": 2})
