"""Refusals of `pos import-legacy`: a store with documents, a running service, a restore."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.database import Database

from repositories.database.client import connect
from repositories.database.errors import DatabaseRefused
from repositories.database.running_services import is_running
from repositories.migrations.indexes import prepare
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand
from tests.support.shop import opened

RESTORED_BY_HALF = {"_id": "main", "head": None, "restoring": {"began": datetime(2026, 3, 14, tzinfo=UTC)}}


def test_an_import_into_a_store_that_is_being_restored_is_refused(
    own: Database[Any], import_legacy: ImportCommand
) -> None:
    legacy.fill(own, legacy.believable(5))
    own.counters.insert_one(RESTORED_BY_HALF)
    for options in ((), ("--dry-run",)):
        assert "is being restored since 2026-03-14" in import_legacy.refused(*options)
    assert set(own.list_collection_names()) == {"estimates", "orders", "counters"}


@pytest.mark.parametrize("step", ["begun", "done"])
def test_a_store_that_is_restored_after_its_import_is_left_alone(
    own: Database[Any], import_legacy: ImportCommand, step: str
) -> None:
    legacy.fill(own, legacy.believable(5))
    import_legacy.report()
    own.adoption.update_one({}, {"$set": {"step": step}})
    own.counters.replace_one({}, {each: RESTORED_BY_HALF[each] for each in ("head", "restoring")})
    ends = (("--drop-backup",),) if step == "done" else ()
    for options in ((), ("--dry-run",), ("--undo",), *ends):
        assert "is being restored" in import_legacy.refused(*options)
    assert own.orders.count_documents({}) == own.legacy_orders.count_documents({}) > 0


def test_an_import_into_a_store_with_documents_is_refused(
    mongodb_url: str, own: Database[Any], import_legacy: ImportCommand
) -> None:
    assert "nothing to import" in import_legacy.refused()
    legacy.fill(own, legacy.believable(5))
    import_legacy.report()
    elsewhere = ImportCommand(mongodb_url, own.name)
    elsewhere.environment["STORE_ID"] = "second"
    assert "documents of another store" in elsewhere.refused()
    own.client[f"{own.name}_new"].orders.insert_one({"store": "main", "number": 1, "business_date": "2025-01-01"})
    occupied = ImportCommand(mongodb_url, f"{own.name}_new")
    assert "documents of its own" in occupied.refused("--from", own.name)


def test_a_second_import_from_another_database_is_refused(
    mongodb_url: str, own: Database[Any], import_legacy: ImportCommand
) -> None:
    legacy.fill(own, legacy.believable(5))
    import_legacy.report()
    legacy.fill(own.client[f"{own.name}_new"], legacy.believable(5))
    for options in ((), ("--dry-run",)):
        assert f"from {own.name!r}, not from" in import_legacy.refused("--from", f"{own.name}_new", *options)


async def test_a_running_service_is_refused(mongodb_url: str, own: Database[Any]) -> None:
    legacy.fill(own, legacy.believable(5))
    async with opened(mongodb_url, database_name=f"{own.name}_new", store_id="main") as shop:
        # It starts to listen in the background.
        async with asyncio.timeout(20):
            while not await is_running(shop.database, "main"):
                await asyncio.sleep(0.05)
        elsewhere = ImportCommand(mongodb_url, f"{own.name}_new")
        assert "A service runs" in await asyncio.to_thread(elsewhere.refused, "--from", own.name)


async def test_a_service_does_not_start_before_the_import(own: Database[Any], mongodb_url: str) -> None:
    legacy.fill(own, legacy.believable(5))
    client = connect(mongodb_url)
    with pytest.raises(DatabaseRefused, match="take them over with `pos import-legacy`"):
        await prepare(client[own.name], "main", ZoneInfo("Asia/Kolkata"), 90)
    assert set(own.list_collection_names()) == {"estimates", "orders"}
    client.close()


@pytest.mark.parametrize("way", ["--undo", "--drop-backup"])
@pytest.mark.parametrize(
    "more",
    [("--dry-run",), ("--from", "shop"), ("--report", "-"), ("--force",), ("--unmasked",), ("--json",), ("other",)],
)
def test_options_that_cannot_be_undone_cannot_be_combined(
    own: Database[Any], import_legacy: ImportCommand, way: str, more: tuple[str, ...]
) -> None:
    legacy.fill(own, legacy.believable(5))
    import_legacy.report()
    before = {name: own[name].count_documents({}) for name in own.list_collection_names()}
    refused = import_legacy(
        way, *(({"--undo": "--drop-backup", "--drop-backup": "--undo"}[way],) if more == ("other",) else more)
    )
    assert refused.exit_code == 2
    assert "cannot be combined" in refused.stderr
    assert {name: own[name].count_documents({}) for name in own.list_collection_names()} == before


def test_an_unreachable_source_is_reported_in_one_sentence(import_legacy: ImportCommand) -> None:
    message = import_legacy.refused("--from", "mongodb://127.0.0.1:1/shop")
    where = "mongodb://127.0.0.1:1/shop, named by --from,"
    assert message == f"{where} does not answer: 127.0.0.1:1: [Errno 111] Connection refused."
