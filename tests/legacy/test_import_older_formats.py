"""`pos import-legacy` on older formats: sales among the estimates, local times stored as UTC."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pymongo.database import Database

from repositories.auditing.verification import verify
from tests.legacy.test_conversion_of_older_formats import sale_among_estimates
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand, content, plain
from tests.support.openapi_contract import Contract, served_document
from tests.support.shop import opened

MADE = datetime(2025, 7, 14, 18, 20)  # noqa: DTZ001
LOCAL = MADE + timedelta(hours=5, minutes=30)


def filled(own: Database[Any]) -> None:
    """Insert an estimate, two sales among the estimates (one with the `_id` of an order), and two orders (one by the
    phone's clock)."""
    own.estimates.insert_many(
        [
            legacy.estimate(1, status="Accepted"),
            sale_among_estimates(2, payment_method="Card"),
            sale_among_estimates(3, _id="same", total=100.0),
            legacy.estimate(4, is_converted_to_order=True, linked_order_id="ORDER-00000001", sale_number="#001"),
        ]
    )
    own.orders.insert_many([legacy.order(1), legacy.order(7, MADE, created_at=LOCAL, _id=legacy.identity(MADE, 7))])
    own.orders.insert_one({**legacy.order(8), "_id": "same"})


async def test_sales_among_the_estimates_become_orders_on_the_same_day(
    mongodb_url: str, own: Database[Any], import_legacy: ImportCommand, tmp_path: Path
) -> None:
    filled(own)
    path = tmp_path / "defects.ndjson"
    rehearsed = await asyncio.to_thread(import_legacy.report, "--dry-run")
    report = await asyncio.to_thread(import_legacy.report, "--report", str(path))
    assert report == rehearsed
    assert (report["estimates"]["count"], report["orders"]["count"]) == (2, 5)
    found = report["defects"]
    assert (found["sale_among_estimates"], found["created_at_is_local"], found["status_noted"]) == (2, 1, 1)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["became"] for line in lines if line["rule"] == "created_at_is_local"] == ["2025-07-14T18:20:00+00:00"]
    async with opened(mongodb_url, database_name=own.name, store_id="main") as shop:
        orders = {each["order_id"]: each for each in (await shop.get("/api/orders/orders-only"))["orders"]["items"]}
        assert set(orders) == {f"ORDER-0000000{number}" for number in (1, 7, 8)} | {"SALE-00000002", "SALE-00000003"}
        sale = orders["SALE-00000002"]
        assert (sale["sale_number"], sale["payment_mode"], sale["status"]) == ("#002", "Card", "Completed")
        assert (await shop.get("/api/orders/number/2"))["order_id"] == "SALE-00000002"
        assert {each["status"] for each in await shop.get("/api/estimates/all")} == {"Pending", "Converted"}
        day = await shop.get("/api/reports/date-range?start_date=2025-07-14&end_date=2025-07-14")
        assert day["orders"]["count"] == 1
        assert day["orders"]["items"][0]["created_at"] == "2025-07-14T23:50:00.000+05:30"
        # The revenue is the sum of the sales in both collections.
        assert (await shop.get("/api/reports/orders-only"))["orders"]["total_count"] == 5
        contract = Contract(served_document())
        contract.judge(await shop.http.get("/api/orders/all"))
        contract.judge(await shop.http.get("/api/orders/SALE-00000002"))
        assert await verify(shop.database, shop.store) == []
    originals = {plain(each["original"]) for each in own.adopted.find({})}
    assert originals == {plain(each) for name in ("estimates", "orders") for each in own[f"legacy_{name}"].find({})}


def test_a_database_of_older_formats_is_imported_once_and_undone_completely(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    filled(own)
    before = plain(content(own))
    first = import_legacy.report()
    again = import_legacy("--json")
    assert json.loads(again.stdout) == first
    assert "nothing was done" in again.stderr
    assert import_legacy("--undo").exit_code == 0
    after = {name: rows for name, rows in content(own).items() if name in ("estimates", "orders")}
    assert plain(after) == before


def test_sales_among_the_estimates_need_no_collection_of_orders(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    own.estimates.insert_many([sale_among_estimates(number) for number in range(1, 4)])
    report = import_legacy.report()
    assert (report["estimates"]["count"], report["orders"]["count"]) == (0, 3)
    assert report["orders"]["highest_number"] == "#003"
    assert own.orders.count_documents({"store": "main"}) == 3


def test_sales_among_the_estimates_of_another_database_become_orders(own: Database[Any], mongodb_url: str) -> None:
    filled(own)
    report = ImportCommand(mongodb_url, f"{own.name}_new").report("--from", own.name)
    assert (report["estimates"]["count"], report["orders"]["count"]) == (2, 5)


def test_a_late_sale_among_the_estimates_is_imported_as_an_order(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    filled(own)
    import_legacy.report()
    own.estimates.insert_one(sale_among_estimates(9))
    assert import_legacy("--json").exit_code == 0
    assert own.orders.find_one({"_id": "SALE-00000009", "store": "main"})
    assert own.estimates.count_documents({"store": "main"}) == 2
    assert "nothing was done" in import_legacy().stderr


def test_a_sale_that_was_imported_as_an_estimate_stays_an_estimate(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    own.estimates.insert_one(sale_among_estimates(2))
    import_legacy.report()
    own.adopted.update_one({}, {"$set": {"kind": "estimates"}, "$unset": {"lies_in": 1}})
    assert "nothing was done" in import_legacy().stderr
