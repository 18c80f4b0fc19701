"""`pos import-legacy` for tests, and a database to use it on."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from pymongo.database import Database
from typer.testing import CliRunner, Result

from app.cli import cli
from app.console.output import FileRefused
from repositories.database.client import temporary_client
from repositories.database.errors import DatabaseRefused

Json = dict[str, Any]


@pytest.fixture
def own(mongodb_url: str) -> Iterator[Database[Any]]:
    """Yield an empty database, for documents of the earlier backend."""
    with temporary_client(mongodb_url, tz_aware=True) as client:
        name = f"pos_legacy_{secrets.token_hex(4)}"
        yield client[name]
        client.drop_database(name)
        client.drop_database(f"{name}_new")


class ImportCommand:
    """`pos import-legacy` on a database."""

    def __init__(self, mongodb_url: str, database: str) -> None:
        self.environment = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": database, "STORE_ID": "main"}

    def __call__(self, *options: str) -> Result:
        """Run the command in this process, since a start takes longer than the work."""
        result = CliRunner().invoke(cli, ["import-legacy", *options], env=self.environment)
        is_expected = isinstance(result.exception, SystemExit | DatabaseRefused | FileRefused)
        assert result.exception is None or is_expected, result.exception
        return result

    def report(self, *options: str) -> Json:
        done = self("--json", *options)
        assert done.exit_code == 0, done.stderr
        report: Json = json.loads(done.stdout)
        return report

    def refused(self, *options: str, by: type[Exception] = DatabaseRefused) -> str:
        done = self(*options)
        assert isinstance(done.exception, by), done.stdout
        return str(done.exception)


@pytest.fixture
def import_legacy(mongodb_url: str, own: Database[Any]) -> ImportCommand:
    """Return the command for the database of `own`."""
    return ImportCommand(mongodb_url, own.name)


def content(database: Database[Any]) -> dict[str, Any]:
    """Return the content of a database, without the times of its import and its epoch."""
    found = {
        name: sorted(database[name].find({}), key=lambda each: str(each["_id"]))
        for name in database.list_collection_names()
    }
    for each in found.get("counters", []):
        each.pop("epoch")
    for each in found.get("adoption", []):
        each.pop("begun_at"), each.pop("done_at")
    return found


def plain(documents: Any) -> str:
    """Return documents as text, since NaN is not equal to NaN."""
    return repr(documents)
