"""`pos import-legacy`: dry run, import, repetition, and the imported store."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from repositories.auditing.verification import verify
from repositories.database.raw_originals import RAW_CODEC
from schemas.core.collections import ARCHIVED, REGISTRY
from tests.support.archives import contents, empty_database, read, write
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand, content, plain
from tests.support.openapi_contract import Contract, served_document
from tests.support.shop import Shop, opened


@pytest.fixture
async def imported(mongodb_url: str, own: Database[Any], import_legacy: ImportCommand) -> AsyncIterator[Shop]:
    """Yield a shop, open on an imported database with many defects."""
    legacy.fill(own, legacy.nasty())
    await asyncio.to_thread(import_legacy.report)
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        yield shop
        assert await verify(shop.database, shop.store) == []


async def test_a_backup_of_an_imported_store_is_complete(imported: Shop, mongodb_url: str, tmp_path: Path) -> None:
    # The driver returns documents larger than about 4 KB in another form.
    large = {"_id": 1, "items": [{"name": "x" * 100}] * 60}
    key = {"store": "main", "kind": "orders", "id": "ORDER-LARGE"}
    kept = {"_id": key, "store": "main", "kind": "orders", "number": 9_999, "defects": [], "original": large}
    await imported.database["adopted"].insert_one(kept)
    names = set(await imported.database.list_collection_names())
    assert names >= {*ARCHIVED}
    assert names - {*REGISTRY} == {"legacy_estimates", "legacy_orders"}
    backup = await write(imported.database, "main", tmp_path / "backup")
    async with empty_database(mongodb_url) as database:
        await read(backup, database, "main")
        assert await verify(database, "main") == []
        assert contents(await write(database, "main", tmp_path / "again")) == contents(backup)
        assert await raw(imported.database) == await raw(database) != []


async def raw(database: Any) -> list[bytes]:
    """Return the copies of the originals, as bytes."""
    found = await database.get_collection("adopted", codec_options=RAW_CODEC).find().sort("_id", 1).to_list()
    return [document.raw for document in found]


def test_a_dry_run_reports_the_same_and_changes_nothing(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, legacy.nasty())
    before = plain(content(own))
    rehearsed = import_legacy.report("--dry-run")
    assert plain(content(own)) == before
    assert import_legacy.report() == rehearsed
    assert rehearsed["estimates"]["count"] == len(legacy.nasty()[0])
    assert rehearsed["defects"]["number_repeated"] == 2
    assert rehearsed["defects"]["id_repeated"] == 1


def test_every_original_is_kept_verbatim(own: Database[Any], import_legacy: ImportCommand) -> None:
    documents = legacy.nasty()
    legacy.fill(own, documents)
    import_legacy.report()
    for kind, written in zip(("estimates", "orders"), documents, strict=True):
        assert own[kind].count_documents({"store": "main"}) == len(written)
        kept = [each["original"] for each in own.adopted.find({"kind": kind})]
        backup = list(own[f"legacy_{kind}"].find({}))
        assert sorted(map(plain, kept)) == sorted(map(plain, backup))
        assert len(kept) == len(written)


def test_a_second_import_changes_nothing(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, legacy.believable(60))
    first = import_legacy.report()
    before = plain(content(own))
    second = import_legacy("--json")
    assert json.loads(second.stdout) == first
    assert "imported before" in second.stderr
    assert plain(content(own)) == before


async def test_an_import_from_another_database_has_the_same_result(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str
) -> None:
    legacy.fill(own, legacy.nasty())
    before = plain(content(own))
    elsewhere = ImportCommand(mongodb_url, f"{own.name}_new")
    there = await asyncio.to_thread(elsewhere.report, "--from", own.name)
    assert plain(content(own)) == before
    by_address = mongodb_url.replace("/?", f"/{own.name}?")
    assert await asyncio.to_thread(elsewhere.report, "--from", by_address) == there
    assert await asyncio.to_thread(import_legacy.report) == there
    new = own.client[f"{own.name}_new"]
    for kind in ("estimates", "orders", "totals"):
        assert list(new[kind].find({}).sort("_id")) == list(own[kind].find({}).sort("_id"))


async def test_numbers_ids_and_links_are_reconciled(imported: Shop) -> None:
    orders = {each["order_id"]: each for each in await imported.get("/api/orders/all") if each["type"] == "order"}
    estimates = {each["estimate_id"]: each for each in await imported.get("/api/estimates/all")}
    # The app's ids and the printed numbers still lead to the same documents; the older one keeps a repeated number.
    assert orders["ORDER-00000001"]["sale_number"] == "#001"
    assert (await imported.get("/api/orders/number/%23001"))["order_id"] == "ORDER-00000001"
    assert int(orders["ORDER-00000002"]["sale_number"][1:]) > 12
    # The estimate is linked to the order that it names; its other order has no link.
    assert estimates["EST-00000001"]["linked_order_id"] == "ORDER-00000002"
    assert orders["ORDER-00000002"]["source_estimate_id"] == "EST-00000001"
    assert orders["ORDER-00000001"]["source_estimate_id"] is None
    assert estimates["EST-00000004"]["status"] == "Pending"
    assert (estimates["EST-00000005"]["status"], orders["ORDER-00000005"]["status"]) == ("Converted", "Cancelled")
    assert "all" not in estimates
    for kind, documents in (("estimates", estimates), ("orders", orders)):
        for each, shown in documents.items():
            found = await imported.get(f"/api/{kind}/{each}")
            assert found["total"] == shown["total"]
            assert isinstance(found["total"], float)


async def test_lists_and_reports_have_the_right_order_and_days(imported: Shop) -> None:
    every = await imported.get("/api/orders/all")
    assert len(every) == sum(len(each) for each in legacy.nasty())
    stamps = [each["created_at"] for each in every]
    assert stamps == sorted(stamps, reverse=True)
    late = next(each for each in every if each["id"] == "EST-0000000C")
    assert (late["time"], late["created_at"]) == ("2025-03-01", "2025-03-01T23:30:00.000+05:30")
    for path in (
        "/api/estimates/pending", "/api/estimates/converted", "/api/orders/separate", "/api/orders/orders-only",
        "/api/reports/today", "/api/reports/date-range?start_date=2025-03-01&end_date=2025-03-31",
        "/api/reports/monthly/2025/3", "/api/reports/staff-performance", "/api/reports/estimates-only",
        "/api/reports/orders-only",
    ):  # fmt: skip
        assert await imported.get(path) is not None
    month = await imported.get("/api/reports/date-range?start_date=2025-03-01&end_date=2025-03-31&items=1000")
    listed = [each for each in every if each["type"] == "order" and each["time"].startswith("2025-03")]
    earning = [each for each in listed if each["status"] == "Completed"]
    assert month["orders"]["count"] == len(earning)
    assert month["orders"]["total_amount"] == pytest.approx(sum(each["amount_paid"] for each in earning))
    assert [
        each["order_id"] for each in await imported.get("/api/orders/all?q=Customer+7&limit=50") if "order_id" in each
    ]


async def test_imported_documents_conform_to_the_openapi_description(imported: Shop) -> None:
    contract = Contract(served_document())
    rows = contract.judge(await imported.http.get("/api/orders/all"))
    assert min(row["items_count"] for row in rows) == 0
    assert max(abs(row["round_off"]) for row in rows) > 1
    assert {row.get("note") for row in rows} == {None, "shipped"}
    for row in rows:
        kind = "orders" if row["type"] == "order" else "estimates"
        contract.judge(await imported.http.get(f"/api/{kind}/{row['id']}"))
    days = "start_date=2025-03-01&end_date=2025-03-31&items=1000"
    for path in (
        *("/api/estimates/all", "/api/estimates/pending", "/api/estimates/converted", "/api/orders/separate"),
        *("/api/orders/orders-only", f"/api/reports/date-range?{days}", f"/api/reports/orders-only?{days}"),
        *(f"/api/reports/estimates-only?{days}", "/api/reports/monthly/2025/3", "/api/customers"),
    ):
        contract.judge(await imported.http.get(path))
    # Also the responses to changes, which contain the documents.
    contract.judge(await imported.http.put("/api/orders/ORDER-00000004/status?status=Refunded"))
    contract.judge(await imported.http.post("/api/estimates/EST-00000008/convert-to-order"))


async def test_imported_documents_can_be_changed(imported: Shop) -> None:
    counters: Any = await imported.database.counters.find_one({})
    sale = await imported.sale()
    assert sale["sale_number"] == f"#{counters['orders'] + 1:03d}"
    assert (await imported.estimate())["estimate_number"] == f"#{counters['estimates'] + 1}"
    converted = await imported.convert("EST-00000004")
    assert (await imported.get(f"/api/orders/{converted['order_id']}"))["source_estimate_id"] == "EST-00000004"
    await imported.convert("EST-00000008")
    # Imported documents: void an order and its estimate, reopen one, change a status, replace an estimate.
    await imported.ok("DELETE", "/api/orders/ORDER-00000002")
    assert (await imported.http.get("/api/estimates/EST-00000001")).status_code == 404
    await imported.ok("DELETE", "/api/orders/ORDER-00000005?keep_estimate=true")
    assert (await imported.get("/api/estimates/EST-00000005"))["status"] == "Pending"
    await imported.ok("PUT", "/api/orders/ORDER-00000004/status?status=Refunded")
    await imported.ok("DELETE", "/api/estimates/EST-0000000A?reason=old")
    events = (await imported.get("/api/events"))["events"]
    assert [each["seq"] for each in events] == list(range(1, 11))


async def test_verify_knows_the_missing_numbers(imported: Shop) -> None:
    collection = imported.database.orders
    kept: Any = await collection.find_one({"number": 12})
    await collection.delete_one({"number": 12})
    assert "orders: number #012 is missing." in await verify(imported.database, imported.store)
    await collection.insert_one(kept)
    await collection.update_one({"number": 12}, {"$set": {"number": 11}})
    assert any("#011 was missing at the import" in line for line in await verify(imported.database, imported.store))
    await collection.update_one({"number": 11}, {"$set": {"number": 12}})
