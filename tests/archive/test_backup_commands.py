"""`pos backup`, `restore` and `import`: a whole store to a file and back."""

import asyncio
import gzip
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.archive.archive_files import check_archive
from app.cli import cli
from app.console.output import FileRefused
from repositories.archive.restore import Restore
from repositories.auditing.verification import verify
from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from schemas.archive.format import ArchiveRefused
from tests.archive.test_format import OF_ANOTHER_STORE, lines_with, nested
from tests.archive.test_restore import is_empty
from tests.support.archives import contents, write
from tests.support.commands import empty_archive, files_in, refusal
from tests.support.faults.failpoints import failing
from tests.support.shop import Shop


async def test_an_export_can_be_imported_into_another_database(
    books: Shop, target: Database, pos: Any, tmp_path: Path
) -> None:
    file = tmp_path / "shop.ndjson"
    exported = pos("export", "--output", file)
    assert (exported.returncode, exported.stdout) == (0, "")
    assert exported.stderr.splitlines() == [f"Exported {len(contents(file))} documents to {file}."]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert files_in(tmp_path) == [file]
    imported = pos("import", file, database=target.name, STORE_ID="branch")
    assert imported.returncode == 0, imported.stderr
    assert imported.stderr.startswith(f"Imported 5 orders and 3 estimates of store '{books.store}', as of ")
    assert await verify(target, "branch") == []
    assert contents(await write(target, "branch", tmp_path / "again")) == contents(file)


async def test_a_backup_is_checked_and_restored(books: Shop, target: Database, pos: Any, tmp_path: Path) -> None:
    file = tmp_path / "backup.ndjson.gz"
    backed_up = pos("backup", file)
    assert backed_up.stderr == f"Backed up 5 orders and 3 estimates of store '{books.store}' to {file}.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    checked = pos("restore", "--check", file, MONGODB_URL="mongodb://127.0.0.1:9/")
    assert (checked.returncode, checked.stderr.startswith("The file is complete: 5 orders")) == (0, True), (
        checked.stderr
    )
    assert "Asia/Kolkata" in checked.stdout
    assert "only an empty store can be filled" in refusal(pos("restore", file))
    restored = pos("restore", file, database=target.name)
    assert restored.returncode == 0, restored.stderr
    assert await verify(target, books.store) == []
    assert contents(await write(target, books.store, tmp_path / "again")) == contents(file)


@pytest.mark.parametrize("command", ["restore", "import"])
async def test_a_database_of_the_earlier_backend_is_left_alone(
    shop: Shop, target: Database, pos: Any, tmp_path: Path, command: str
) -> None:
    file = await write(shop.database, shop.store, tmp_path / "file")
    await target.orders.insert_many([{"order_id": "ORDER-1"}, {"order_id": "ORDER-2"}])
    assert "has orders of the earlier backend: take them over with `pos import-legacy`" in refusal(
        pos(command, file, database=target.name)
    )
    assert await target.list_collection_names() == ["orders"]
    assert list(await target.orders.index_information()) == ["_id_"]
    with pytest.raises(DatabaseRefused, match="of the earlier backend"):
        await Restore(target, shop.store).begin(datetime.now(UTC), 90)


async def test_a_lost_database_is_reported_in_one_sentence(shop: Shop, pos: Any, tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(empty_archive(shop.store))
    async with failing(shop.database, "find", closeConnection=True):
        message = refusal(await asyncio.to_thread(pos, "import", file))
    assert message.startswith("The shop's database does not answer just now. Please try again. (AutoReconnect: ")


async def test_a_damaged_backup_is_refused_with_the_line(
    books: Shop, target: Database, pos: Any, tmp_path: Path
) -> None:
    file = tmp_path / "backup.ndjson.gz"
    whole = (await write(books.database, books.store, file)).read_bytes()
    lines = whole.splitlines(keepends=True)
    file.write_bytes(gzip.compress(whole.replace(b"Test Customer", b"Best Customer", 1)))
    assert "Line 2: its checksum is wrong" in refusal(pos("restore", file, database=target.name))
    file.write_bytes(gzip.compress(b"".join(lines[:-1])))
    assert f"Line {len(lines)}: the file ends here" in refusal(pos("restore", "--check", file))
    assert await is_empty(target, books.store)


def test_a_truncated_compressed_file_is_refused(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(gzip.compress(empty_archive())[:-9])
    with pytest.raises(ArchiveRefused, match="it is cut off or damaged"):
        check_archive(file, lambda _: None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"STORE_ID": "other"}, "and STORE_ID is 'other'"),
        ({"TIMEZONE": "Asia/Dubai"}, "TIMEZONE is Asia/Kolkata in this file, and Asia/Dubai in"),
        ({"CURRENCY": "USD"}, "CURRENCY is INR in this file, and USD in"),
    ],
)
def test_a_backup_of_another_shop_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], sentence: str
) -> None:
    (file := tmp_path / "file").write_bytes(empty_archive())
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    refused = CliRunner().invoke(cli, ["restore", str(file)])
    assert isinstance(refused.exception, FileRefused)
    assert sentence in str(refused.exception)


async def test_a_killed_import_keeps_the_store_closed_until_it_is_repeated(
    books: Shop, target: Database, pos: Any, pos_process: Any, tmp_path: Path
) -> None:
    file = await write(books.database, books.store, tmp_path / "file")
    async with failing(target, "insert", namespace=f"{target.name}.log", blockConnection=True, blockTimeMS=1_000):
        process = await pos_process("import", file, database=target.name)
        async with asyncio.timeout(20):
            while not await target.counters.find_one({"_id": books.store, "restoring.batches": {"$gte": 2}}):
                await asyncio.sleep(0.01)
        process.kill()
        await process.wait()
    assert not await is_empty(target, books.store)
    assert "is being restored since" in refusal(pos("verify", database=target.name))
    assert pos("import", file, database=target.name).returncode == 0
    assert await verify(target, books.store) == []
    assert contents(await write(target, books.store, tmp_path / "again")) == contents(file)


@pytest.mark.parametrize("with_check", [True, False])
async def test_discard_cannot_be_combined_with_other_options(
    target: Database, pos: Any, shop: Shop, tmp_path: Path, with_check: bool
) -> None:
    (file := tmp_path / "file").write_bytes(empty_archive(shop.store))
    await Restore(target, shop.store).begin(datetime.now(UTC), 90)
    refused = pos("restore", "--discard", *(("--check",) if with_check else (file,)), database=target.name)
    assert refused.returncode == 2
    assert "--discard cannot be combined" in refused.stderr
    assert "restoring" in (await target.counters.find_one({"_id": shop.store}) or {})


HOSTILE = [
    *((row, "is of the store") for row in OF_ANOTHER_STORE[::5]),
    (("customers", {"_id": "x", "deep": nested(250)}), "nested more than 100 levels"),
    (("customers", {"_id": "x", "a\0b": 1}), "a name in it has a NUL"),
    (("customers", {"_id": "x", "n": 2**64 - 1}), "more than 64 bits"),
    (("customers", {"_id": "x", "at": {"$date": "0001-01-01T00:00:00+14:00"}}), "not of the years"),
    (("orders", {"_id": "x", "number": "1"}), "has no number"),
    (("orders", {"_id": "x", "number": -1}), "has no number"),
    (("estimates", {"_id": "x", "number": 0}), "has no number"),
    (("messages", {"_id": "x", "letter": None}), "the message in it is not complete"),
]


@pytest.mark.parametrize(("row", "sentence"), HOSTILE)
@pytest.mark.parametrize("command", [("restore", "--check"), ("restore",), ("import",)])
async def test_a_forged_archive_is_refused_before_anything_is_written(
    target: Database,
    mongodb_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    row: tuple[str, Any],
    sentence: str,
    command: tuple[str, ...],
) -> None:
    (file := tmp_path / "file").write_bytes(lines_with(*row))
    for name, value in {"MONGODB_URL": mongodb_url, "DATABASE_NAME": target.name, "STORE_ID": "main"}.items():
        monkeypatch.setenv(name, value)
    refused = await asyncio.to_thread(CliRunner().invoke, cli, [*command, str(file)])
    assert isinstance(refused.exception, ArchiveRefused), refused.exception
    assert str(refused.exception).startswith("Line 2: ")
    assert sentence in str(refused.exception)
    assert await target.list_collection_names() == []
