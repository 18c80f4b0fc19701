"""Late documents, which the earlier backend writes after the import: they are imported and never dropped."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.database import Database

from repositories.archive.restore import Restore
from repositories.auditing.verification import verify
from repositories.database.client import connect
from repositories.legacy import importer
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand
from tests.support.legacy.legacy_backend import LATER, doctor, late_order, verified
from tests.support.shop import opened


def test_a_late_sale_is_found_imported_and_restored_by_undo(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, legacy.believable(20))
    import_legacy.report()
    before = own.orders.count_documents({})
    own.orders.insert_one(late_order(21))
    assert "orders: 1 of the earlier backend lie here" in verified(import_legacy)[1]
    assert "orders: 1 of the earlier" in doctor(import_legacy)["message"]
    assert "1 documents that came later would be imported" in import_legacy("--dry-run").stderr
    report = import_legacy.report()
    assert (report["orders"]["count"], report["late"]) == (before + 1, 1)
    # The printed number is free, so it stays.
    assert own.orders.find_one({"_id": "ORDER-00000015"}, {"number": 1}) == {"_id": "ORDER-00000015", "number": 21}
    assert verified(import_legacy) == (0, "")
    assert doctor(import_legacy)["level"] == "ok"
    assert import_legacy.report() == report
    own.orders.insert_one(late_order(22))
    assert import_legacy("--undo").exit_code == 0
    assert own.orders.count_documents({}) == before + 2
    assert own.orders.count_documents({"order_id": {"$in": ["ORDER-00000015", "ORDER-00000016"]}}) == 2
    assert import_legacy.report()["orders"]["count"] == before + 2
    assert verified(import_legacy) == (0, "")


def test_numbers_ids_and_links_of_late_documents_are_reconciled(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    orders = [legacy.order(number) for number in (1, 2, 4)]
    legacy.fill(own, ([legacy.estimate(1)], orders))
    import_legacy.report()
    link = {"is_converted_to_order": True, "linked_order_id": "ORDER-00000065"}
    own.estimates.insert_many([legacy.estimate(7, LATER, **link), legacy.estimate(8, LATER, estimate_number="#001")])
    own.orders.insert_many(
        [
            late_order(101, sale_number="#003", source_estimate_id="EST-00000007"),
            late_order(102, sale_number="#002"),
            late_order(103, sale_number="#009", order_id="ORDER-00000001"),
            late_order(104, sale_number=None),
            late_order(105, sale_number="#009"),
        ]
    )
    report = import_legacy.report()
    found = {each["_id"]: each["number"] for each in own.orders.find({})}
    # 3 was missing; 2 is taken; 9 leaves a gap and goes to the older document; the first keeps its id.
    assert (found["ORDER-00000065"], found["ORDER-00000066"], found["ORDER-00000068"]) == (3, 10, 11)
    assert sorted(found.values()) == [1, 2, 3, 4, 9, 10, 11, 12]
    assert found["ORDER-00000001"] == 1
    assert report["orders"]["missing_numbers"] == "5-8"
    assert report["defects"]["number_repeated"] == 3
    assert report["defects"]["id_repeated"] == 1
    estimate = own.estimates.find_one({"_id": "EST-00000007"}) or {}
    assert (estimate["number"], estimate["order_id"], estimate["converted"]) == (7, "ORDER-00000065", True)
    assert verified(import_legacy) == (0, "")


async def test_a_store_that_has_sold_imports_late_sales_under_new_numbers(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str
) -> None:
    legacy.fill(own, legacy.believable(20))
    await asyncio.to_thread(import_legacy.report)
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        await shop.sale()
        own.orders.insert_many([late_order(500), late_order(501, source_estimate_id="EST-00000001")])
        assert "A service runs" in await asyncio.to_thread(import_legacy.refused)
        assert own.orders.count_documents({"order_id": {"$exists": True}, "store": None}) == 2
    counters: Any = own.counters.find_one({})
    await asyncio.to_thread(import_legacy.report)
    numbers = [each["number"] for each in own.orders.find({"number": {"$gt": counters["orders"]}})]
    assert sorted(numbers) == [counters["orders"] + 1, counters["orders"] + 2]
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        assert (await shop.sale())["sale_number"] == f"#{counters['orders'] + 3:03d}"
        assert len(await shop.get("/api/orders/all", q="Customer 500")) == 1
        assert await verify(shop.database, "main") == []
    assert "2 changes were made" in await asyncio.to_thread(import_legacy.refused, "--undo")


async def test_a_running_service_notices_that_late_sales_changed_the_counters(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy.fill(own, legacy.believable(20))
    await asyncio.to_thread(import_legacy.report)

    async def nothing(*_: Any) -> None:
        """Return nothing, like a database that does not show whether a service runs."""

    monkeypatch.setattr(importer, "check_not_running", nothing)
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        for number in (600, 601):
            await shop.sale()
            own.orders.insert_one(late_order(number))
            own.estimates.insert_one(legacy.estimate(number, LATER))
            await asyncio.to_thread(import_legacy.report)
        sale, estimate = await shop.sale(), await shop.estimate()
        counters: Any = own.counters.find_one({})
        assert (sale["sale_number"], estimate["estimate_number"]) == (
            f"#{counters['orders']:03d}",
            f"#{counters['estimates']:03d}",
        )
        assert await verify(shop.database, "main") == []


def test_legacy_documents_with_a_store_field_are_late_too(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, legacy.believable(5))
    import_legacy.report()
    before = own.orders.count_documents({})
    own.orders.insert_many(
        [late_order(number, store=name) for number, name in enumerate(("Pune", "Pune", "main", 7), 50)]
    )
    assert "orders: 4 of the earlier backend" in verified(import_legacy)[1]
    assert import_legacy.report()["late"] == 4
    assert own.orders.count_documents({"store": "main"}) == before + 4
    own.orders.insert_many([late_order(number, store=name) for number, name in enumerate(("Pune", "main"), 60)])
    assert import_legacy("--undo").exit_code == 0
    assert (
        own.orders.count_documents({"sale_number": {"$exists": True}}) == before + 6 == own.orders.count_documents({})
    )


def test_documents_restored_from_a_dump_are_not_imported_twice(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    """Check that an identical document is deleted, since a copy exists; one that differs stays and is reported."""
    legacy.fill(own, legacy.believable(10))
    report = import_legacy.report()
    again, differing = own.legacy_orders.find({}).limit(2).to_list()
    own.orders.insert_many([again, {**differing, "total": 1.0}])
    done = import_legacy()
    assert (done.exit_code, "1 orders stay where they are" in done.stderr) == (0, True), done.stderr
    assert str(differing["_id"]) in done.stderr
    assert import_legacy.report()["orders"] == report["orders"]
    assert own.orders.find_one({"_id": differing["_id"]}, {"total": 1}) == {"_id": differing["_id"], "total": 1.0}
    assert own.orders.find_one({"_id": again["_id"]}) is None
    undone = import_legacy("--undo")
    assert "1 documents stay in 'undone_orders_1'" in undone.stderr
    assert own.undone_orders_1.find_one({}, {"total": 1}) == {"_id": differing["_id"], "total": 1.0}


def test_an_index_of_the_earlier_backend_does_not_prevent_the_import(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    """Simulate a forgotten instance, which starts its numbers again, because it does not find its documents."""
    legacy.fill(own, legacy.believable(10))
    own.orders.drop()
    own.orders.insert_many([legacy.order(1), legacy.order(2)])
    own.orders.create_index("sale_number", unique=True)
    import_legacy.report()
    own.orders.insert_many([late_order(1, order_id="ORDER-LATE"), late_order(3)])
    assert import_legacy.report()["late"] == 2
    assert "1 documents stay in 'late_orders'" in import_legacy("--undo").stderr
    assert own.late_orders.distinct("order_id") == ["ORDER-LATE"]
    assert own.orders.count_documents({}) == 3
    assert "'late_orders' already" in import_legacy.refused()


def test_a_backup_without_a_copy_is_not_dropped(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, legacy.believable(5))
    import_legacy.report()
    own.legacy_orders.insert_one(late_order(77))
    assert "1 orders are not imported" in import_legacy.refused("--drop-backup")
    assert own.legacy_orders.find_one({"order_id": "ORDER-0000004D"})
    import_legacy.report()
    own.orders.insert_one(late_order(78))
    import_legacy.report()
    own.orders.insert_one(late_order(79))
    assert import_legacy("--drop-backup").exit_code == 0
    assert not {"legacy_orders", "late_orders"} & set(own.list_collection_names())
    assert own.orders.find_one({"order_id": "ORDER-0000004F"})
    import_legacy.report()
    assert own.late_orders.count_documents({}) == 1
    assert "nothing to go back to" in import_legacy.refused("--undo")
    assert verified(import_legacy) == (0, "")


def test_a_discarded_restore_keeps_late_documents(own: Database[Any], import_legacy: ImportCommand) -> None:
    late = {"_id": "x", "store": "main", "order_id": "ORDER-1"}

    async def restore() -> None:
        database = connect(import_legacy.environment["MONGODB_URL"])[own.name]
        restoration = Restore(database, "main")
        await restoration.begin(datetime.now(UTC), 90)
        await restoration.add("orders", [{"_id": "ORDER-2", "store": "main", "number": 1}])
        own.orders.insert_one(late)
        await restoration.discard()
        database.client.close()

    asyncio.run(restore())
    assert list(own.orders.find({})) == [late]


async def test_a_service_that_starts_beside_late_documents_warns_and_sells(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    legacy.fill(own, legacy.believable(5))
    await asyncio.to_thread(import_legacy.report)
    own.orders.insert_one(late_order(6))
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        await shop.sale()
    assert "The earlier backend has written orders into this database" in caplog.text
    await asyncio.to_thread(import_legacy.report)
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        assert await verify(shop.database, "main") == []


async def test_late_documents_in_a_store_without_an_import_are_imported(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str
) -> None:
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        await shop.sale()
        await shop.estimate()
    assert "has documents of its own already" in await asyncio.to_thread(import_legacy.refused)
    own.orders.insert_many([late_order(1), late_order(2)])
    assert "orders: 2 of the earlier backend" in (await asyncio.to_thread(verified, import_legacy))[1]
    assert "2 documents that came later" in (await asyncio.to_thread(import_legacy, "--dry-run")).stderr
    assert (await asyncio.to_thread(import_legacy.report))["late"] == 2
    assert sorted(each["number"] for each in own.orders.find({})) == [1, 2, 3]
    assert "sales of its own before" in await asyncio.to_thread(import_legacy.refused, "--undo")
    assert "nothing was done" in (await asyncio.to_thread(import_legacy)).stderr
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        assert await verify(shop.database, "main") == []
