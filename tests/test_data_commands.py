"""`pos export`, `import`, `backup` and `restore`, as their user: processes, files, exit codes."""

import asyncio
import csv
import gzip
import os
import pty
import signal
import stat
import subprocess
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from app.archives import check_archive
from app.cli import cli
from app.output import FileRefused
from repositories.database import Database
from repositories.verification import verify
from schemas.archive import ArchiveRefused, ArchiveWriter, Manifest
from tests.archives import busy_week, contents, empty_database, write
from tests.faults import failing
from tests.shop import DATABASE, Shop
from tests.test_restoration import is_empty
from tests.test_server import POS, ROOT, environment, run

Process = subprocess.CompletedProcess[str]


@pytest.fixture
async def books(shop: Shop) -> Shop:
    """A shop after a busy week."""
    await busy_week(shop)
    return shop


@pytest.fixture
async def target(mongodb_url: str) -> AsyncIterator[Database]:
    async with empty_database(mongodb_url) as database:
        yield database


@pytest.fixture
def pos(mongodb_url: str, shop: Shop) -> Any:
    """Runs `pos` on the shop's store, or on another one."""

    def command(*arguments: object, database: str = DATABASE, **changes: str) -> Process:
        names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": database, "STORE_ID": shop.store, "COLUMNS": "200"}
        return run(*POS, *map(str, arguments), **{**names, **changes})

    return command


@pytest.fixture
def pos_process(mongodb_url: str, shop: Shop) -> Any:
    """Starts `pos`, to be interrupted."""

    async def start(*arguments: object, database: str = DATABASE, **options: Any) -> asyncio.subprocess.Process:
        names = environment(MONGODB_URL=mongodb_url, DATABASE_NAME=database, STORE_ID=shop.store)
        return await asyncio.create_subprocess_exec(*POS, *map(str, arguments), cwd=ROOT, env=names, **options)

    return start


def an_archive() -> bytes:
    """One of an empty store."""
    counts = {"estimates": 0, "orders": 0, "counters": 1}
    writer = ArchiveWriter()
    opening = writer.opening(Manifest("main", "Asia/Kolkata", "INR", 0, "ab12", "2026-11-24", "POS backend", counts))
    return opening + writer.documents("counters", [{"_id": "main", "head": 0}]) + writer.closing()


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def refusal(process: Process) -> str:
    assert process.returncode == 1, process.stdout
    assert "Traceback" not in process.stderr
    return " ".join(process.stderr.split())


async def test_everything_goes_to_a_file_and_into_another_database(
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
    assert (checked.returncode, checked.stderr.startswith("The file is whole: 5 orders")) == (0, True), checked.stderr
    assert "Asia/Kolkata" in checked.stdout
    assert "only an empty store can be filled" in refusal(pos("restore", file))
    restored = pos("restore", file, database=target.name)
    assert restored.returncode == 0, restored.stderr
    assert await verify(target, books.store) == []
    assert contents(await write(target, books.store, tmp_path / "again")) == contents(file)


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


def test_a_compressed_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_bytes(gzip.compress(an_archive())[:-9])
    with pytest.raises(ArchiveRefused, match="it is cut off or damaged"):
        check_archive(file, lambda _: None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"STORE_ID": "other"}, "and STORE_ID is 'other'"),
        ({"TIMEZONE": "Asia/Dubai"}, "The books in this file are of Asia/Kolkata, and TIMEZONE is Asia/Dubai"),
        ({"CURRENCY": "USD"}, "The books in this file are of INR, and CURRENCY is USD"),
    ],
)
def test_a_backup_of_another_shop_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], sentence: str
) -> None:
    (file := tmp_path / "file").write_bytes(an_archive())
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    refused = CliRunner().invoke(cli, ["restore", str(file)])
    assert isinstance(refused.exception, FileRefused)
    assert sentence in str(refused.exception)


async def test_orders_go_to_csv_and_to_xlsx(books: Shop, pos: Any, tmp_path: Path) -> None:
    table, book = tmp_path / "orders.csv", tmp_path / "orders.xlsx"
    assert pos("export", "orders", "-o", table).stderr == f"Exported 4 orders to {table}.\n"
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["Number"] for row in rows] == ["#001", "#002", "#003", "#005"]
    assert pos("export", "orders", "--voided", "-o", book).stderr == f"Exported 5 orders to {book}.\n"
    sheet: Any = openpyxl.load_workbook(book).active
    assert [row[3].value for row in sheet.rows][1:] == ["Completed", "Completed", "Refunded", "Voided", "Completed"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in (table, book)} == {0o600}


async def test_tables_go_to_the_standard_output(books: Shop, pos: Any) -> None:
    lines = pos("export", "orders", "--lines", "--format", "csv", "--no-bom")
    assert lines.stdout.splitlines()[0].startswith("Number,Date,Time,Status,Customer")
    assert (len(lines.stdout.splitlines()), lines.stderr) == (5, "Exported 4 rows.\n")
    reports = list(csv.DictReader(pos("export", "reports", "--no-bom", "--from", "2020-01-01").stdout.splitlines()))
    assert {row["Revenue"] for row in reports if row["Payment"] == "cash"} == {"250.00"}
    assert pos("export", "estimates", "--to", "2020-01-01").stderr == "Exported 0 estimates.\n"


async def test_an_existing_file_is_only_replaced_by_force(books: Shop, pos: Any, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("precious")
    for arguments in (["export", "orders", "-o", str(file)], ["backup", str(file)]):
        refused = CliRunner().invoke(cli, arguments)
        assert "exists already: choose another name, or replace it with --force" in str(refused.exception)
    assert file.read_text() == "precious"
    assert pos("export", "orders", "-o", file, "--force").returncode == 0
    assert file.read_text("utf-8-sig").startswith("Number")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("export", "-o", "{folder}"), "is a folder: name a file"),
        (("export", "-o", "/dev/null", "--force"), "is no ordinary file"),
        (("export", "-o", "{folder}/no/such"), "cannot be written: No such file or directory"),
        (("import", "{folder}/nothing"), "cannot be read: No such file or directory"),
        (("import", "{folder}"), "cannot be read: Is a directory"),
        (("restore",), "name the file"),
        (("export", "orders", "-o", "{folder}/x.ndjson"), "a table as csv or xlsx"),
        (("export", "--format", "csv"), "all is written as ndjson"),
        (("export", "--lines"), "all is everything"),
        (("export", "reports", "--voided"), "neither lines nor voided"),
        (("export", "orders", "--from", "2026-02-01", "--to", "2026-01-01"), "the first day is after"),
        (("export", "orders", "--from", "yesterday"), "does not match the format"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...], sentence: str) -> None:
    refused = CliRunner().invoke(cli, [argument.format(folder=tmp_path) for argument in arguments])
    said = str(refused.exception) if isinstance(refused.exception, FileRefused) else refused.stderr
    assert sentence in " ".join(said.replace("│", " ").split())
    assert (refused.stdout, refused.exit_code in (1, 2), files_in(tmp_path)) == ("", True, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_export_that_is_interrupted_leaves_no_file(
    books: Shop, pos_process: Any, tmp_path: Path, number: int
) -> None:
    admin = books.database.client.admin
    async with failing(books.database, "aggregate", blockConnection=True, blockTimeMS=500):
        process = await pos_process("export", "-o", tmp_path / "shop.ndjson", stderr=PIPE)
        async with asyncio.timeout(20):
            while not (await admin.command({"currentOp": 1, "command.aggregate": "estimates"}))["inprog"]:
                await asyncio.sleep(0.01)
        assert [path.name.startswith(".shop.ndjson") for path in files_in(tmp_path)] == [True]
        process.send_signal(number)
        _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode != 0
    assert b"Traceback" not in said
    assert files_in(tmp_path) == []


async def test_an_import_that_is_killed_is_no_shop_until_it_is_done_again(
    books: Shop, target: Database, pos: Any, pos_process: Any, tmp_path: Path
) -> None:
    file = await write(books.database, books.store, tmp_path / "file")
    async with failing(target, "insert", skip=3, blockConnection=True, blockTimeMS=1_000):
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


async def test_a_terminal_sees_progress_and_is_spared_what_is_no_text(
    books: Shop, pos_process: Any, tmp_path: Path
) -> None:
    async def on_a_terminal(*arguments: object) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = await pos_process(*arguments, stdout=theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        # Linux says so with an error when the other side of a terminal is gone.
        try:
            while chunk := os.read(ours, 4096):
                said += chunk
        except OSError:
            os.close(ours)
        return await process.wait(), said.decode(errors="replace")

    code, said = await on_a_terminal("export", "-o", tmp_path / "shop.ndjson")
    assert (code, "Exporting" in said, "Exported" in said) == (0, True, True)
    code, said = await on_a_terminal("backup", "-")
    assert (code, "This is nothing to look at" in said) == (1, True)
