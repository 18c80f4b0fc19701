"""The detection of late documents, wherever they are and whatever else was deleted."""

import asyncio
import tracemalloc
from typing import Any

import pytest
from pymongo.database import Database

from repositories.database.errors import DatabaseRefused
from repositories.legacy import importer
from repositories.legacy import undo as undo_module
from repositories.migrations.indexes import refuse_restoring
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand
from tests.support.legacy.legacy_backend import KINDS, doctor, late_order, verified
from tests.support.shop import opened


def cut(*_: Any) -> None:
    raise DatabaseRefused("The power is cut.")


def test_documents_moved_before_an_interruption_are_found(
    own: Database[Any], import_legacy: ImportCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy.fill(own, legacy.believable(10))
    import_legacy.report()
    own.orders.insert_one(late_order(50))
    with monkeypatch.context() as patch:
        patch.setattr(importer, "import_late", cut)
        assert "power" in import_legacy.refused()
    assert own.late_orders.count_documents({}) == 1
    assert verified(import_legacy) == (
        1,
        "late_orders: 1 of the earlier backend are not imported: run `pos import-legacy`.\n",
    )
    assert doctor(import_legacy)["level"] == "wrong"
    assert import_legacy.report()["late"] == 1
    assert verified(import_legacy) == (0, "")


@pytest.mark.parametrize("is_address", [False, True])
def test_a_document_deleted_in_the_source_hides_no_late_one(
    own: Database[Any], mongodb_url: str, is_address: bool
) -> None:
    legacy.fill(own, legacy.believable(10))
    import_legacy = ImportCommand(mongodb_url, f"{own.name}_new")
    source = mongodb_url.replace("/?", f"/{own.name}?") if is_address else own.name
    import_legacy.report("--from", source)
    assert verified(import_legacy) == (0, "")
    own.orders.delete_one({})
    own.orders.insert_one(late_order(50))
    assert "1 estimates and orders were written into" in verified(import_legacy)[1]
    assert doctor(import_legacy)["level"] == "wrong"
    # The state of an earlier version.
    own.client[f"{own.name}_new"].adoption.update_one({}, {"$unset": {"is_here": ""}})
    assert verified(import_legacy)[0] == 1
    assert import_legacy.report("--from", source)["late"] == 1
    assert verified(import_legacy) == (0, "")


def test_another_store_imports_no_late_documents(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str
) -> None:
    legacy.fill(own, legacy.believable(10))
    import_legacy.report()
    before = {kind: own[kind].count_documents({}) for kind in KINDS}

    async def sell() -> None:
        async with opened(mongodb_url, database_name=own.name, store_id="Pune") as shop:
            await shop.sale()

    asyncio.run(sell())
    own.orders.insert_one(late_order(50))
    other = ImportCommand(mongodb_url, own.name)
    other.environment["STORE_ID"] = "Pune"
    for options in ((), ("--dry-run",)):
        assert "belongs to store 'main': run this with STORE_ID=main" in other.refused(*options)
    assert own.orders.count_documents({"store": "Pune"}) == 1
    assert import_legacy.report()["late"] == 1
    assert {kind: own[kind].count_documents({"store": "main"}) for kind in KINDS} == {
        **before,
        "orders": before["orders"] + 1,
    }
    assert verified(import_legacy) == (0, "")


def test_a_late_document_with_the_name_of_the_store_is_in_no_list(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str
) -> None:
    legacy.fill(own, legacy.believable(10))
    import_legacy.report()
    late = {**late_order(50), "store": "main", "_id": "LATE", "voided_at": None, "business_date": "2025-09-01"}

    async def look() -> None:
        async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
            sold = await shop.sale()
            before = [len(await shop.get(path)) for path in LISTS]
            for kind in KINDS:
                own[kind].insert_one({**late, "terms": ["customer"]})
            assert [len(await shop.get(path)) for path in LISTS] == before
            assert await shop.get("/api/orders/orders-only")
            assert (await shop.get("/api/board"))["date"]
            for path in ("/api/orders/LATE", "/api/estimates/LATE"):
                assert (await shop.http.get(path)).status_code == 404
            for path in ("/api/orders/LATE", "/api/estimates/LATE"):
                assert (await shop.http.delete(path)).status_code == 404
            assert (await shop.http.post("/api/estimates/LATE/convert-to-order", json={})).status_code == 404
            assert (await shop.http.delete(f"/api/orders/{sold['order_id']}")).status_code == 200

    asyncio.run(look())
    totals = [each for each in verified(import_legacy)[1].splitlines() if "of the earlier backend lie here" not in each]
    assert totals == []
    assert own.orders.find_one({"_id": "LATE"})


LISTS = ("/api/orders/all", "/api/orders/all?q=Customer", "/api/estimates/all", "/api/orders/all?limit=5")


def test_one_very_large_number_needs_little_memory(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, legacy.believable(5))
    import_legacy.report()
    own.orders.insert_one(late_order(50, sale_number="#9999999"))
    tracemalloc.start()
    try:
        assert import_legacy.report()["orders"]["highest_number"] == "#9999999"
        assert verified(import_legacy) == (0, "")
        # A set of all missing numbers would take about 700 MB.
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_backup_is_not_dropped_during_an_undo(
    own: Database[Any], import_legacy: ImportCommand, monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    estimates, orders = legacy.believable(10)
    legacy.fill(own, (estimates, orders))
    import_legacy.report()
    other = import_legacy if is_first else None

    async def meanwhile(*arguments: Any) -> None:
        """Run the other command after this one has read the state."""
        monkeypatch.undo()
        await refuse_restoring(*arguments)
        results.append(await asyncio.to_thread(import_legacy, "--undo" if is_first else "--drop-backup"))

    results: list[Any] = []
    monkeypatch.setattr(undo_module, "refuse_restoring", meanwhile)
    refused = import_legacy.refused("--drop-backup" if is_first else "--undo")
    assert results[0].exit_code == 0
    if other is not None:
        assert "wait for it" in refused
        assert [own[kind].count_documents({}) for kind in KINDS] == [len(estimates), len(orders)]
    else:
        assert "nothing to go back to" in refused
        assert own.adopted.count_documents({}) == len(estimates) + len(orders)
        assert verified(import_legacy) == (0, "")


def test_an_interrupted_drop_of_the_backup_is_reported_and_completed(
    own: Database[Any], import_legacy: ImportCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    legacy.fill(own, legacy.believable(10))
    import_legacy.report()
    own.adoption.update_one({}, {"$set": {"is_dropping": True}})
    own.legacy_orders.drop()
    own.orders.insert_one(late_order(50))
    for options in ((), ("--undo",)):
        assert "run `pos import-legacy --drop-backup` again first" in import_legacy.refused(*options)
    assert import_legacy("--drop-backup").exit_code == 0
    assert import_legacy.report()["late"] == 1
    assert verified(import_legacy) == (0, "")
