"""A database in which another program has collections with our names is refused before anything is written."""

from typing import Any

import pytest
from pymongo.database import Database
from typer.testing import CliRunner

from app.cli import cli
from repositories.database.errors import DatabaseRefused
from schemas.core.collections import LEGACY_KINDS, REGISTRY
from tests.support.commands import empty_archive
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand, plain

OURS = [name for name in REGISTRY if name not in LEGACY_KINDS]
#: Documents of another program: without our fields, with a name, with a store, almost a user.
FOREIGN: list[dict[str, Any]] = [{}, {"name": "Asha"}, {"store": "main", "name": "Asha"}]


@pytest.mark.parametrize("name", OURS)
def test_collections_of_another_program_are_named_and_nothing_is_written(
    own: Database[Any], import_legacy: ImportCommand, name: str
) -> None:
    legacy.fill(own, legacy.believable(5))
    own[name].insert_many([dict(each) for each in FOREIGN])
    before = plain([sorted(map(plain, own[each].find({}))) for each in sorted(own.list_collection_names())])
    for options in ((), ("--dry-run",)):
        message = import_legacy.refused(*options)
        assert f"names that this service needs: {name}." in message
        assert f"`pos import-legacy --from {own.name}`" in message
    assert plain([sorted(map(plain, own[each].find({}))) for each in sorted(own.list_collection_names())]) == before


def test_all_collections_are_named_at_once_and_another_database_can_be_used(
    own: Database[Any], import_legacy: ImportCommand, mongodb_url: str
) -> None:
    legacy.fill(own, legacy.believable(5))
    for name in ("users", "settings", "sessions"):
        own[name].insert_many([{"email": "a@example.com"}, {"email": "b@example.com"}])
    assert "needs: settings, users." in import_legacy.refused()
    elsewhere = ImportCommand(mongodb_url, f"{own.name}_new")
    assert elsewhere.report("--from", own.name)["orders"]["count"] == own.orders.count_documents({})
    assert CliRunner().invoke(cli, ["verify"], env=elsewhere.environment).exit_code == 0


def test_the_target_of_an_import_is_checked_too(own: Database[Any], mongodb_url: str) -> None:
    legacy.fill(own, legacy.believable(5))
    own.client[f"{own.name}_new"].users.insert_many([{"name": "a"}, {"name": "b"}])
    assert "needs: users." in ImportCommand(mongodb_url, f"{own.name}_new").refused("--from", own.name)
    assert own.client[f"{own.name}_new"].list_collection_names() == ["users"]


def test_an_index_or_a_view_of_another_program_is_refused(own: Database[Any], import_legacy: ImportCommand) -> None:
    legacy.fill(own, legacy.believable(5))
    own.users.create_index("email", unique=True)
    own.customers.create_index("phone", name="store")
    own.create_collection("totals", viewOn="orders")
    own.create_collection("log", capped=True, size=4096)
    message = import_legacy.refused()
    assert "customers (an index of it is in the way), log (no ordinary collection)" in message
    assert "totals (no ordinary collection), users (an index of it is in the way)." in message
    assert "legacy_orders" not in own.list_collection_names()


@pytest.mark.parametrize("command", [("migrate",), ("verify",), ("restore",), ("import",), ("user", "list")])
def test_no_other_command_writes_into_an_occupied_database(
    own: Database[Any], import_legacy: ImportCommand, tmp_path: Any, command: tuple[str, ...]
) -> None:
    own.users.insert_many([{"name": "a"}, {"name": "b"}])
    (file := tmp_path / "file").write_bytes(empty_archive())
    arguments = [*command, *([str(file)] if command[0] in ("restore", "import") else ())]
    done = CliRunner().invoke(cli, arguments, env=import_legacy.environment)
    if command != ("verify",):
        assert isinstance(done.exception, DatabaseRefused), done.exception
        assert "names that this service needs: users." in str(done.exception)
    assert own.list_collection_names() == ["users"]
