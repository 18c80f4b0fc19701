"""`pos export`: files, formats and refusals."""

import asyncio
import csv
import gzip
import os
import pty
import signal
import stat
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.console.output import FileRefused
from tests.support.archives import contents
from tests.support.commands import files_in
from tests.support.faults.failpoints import failing
from tests.support.shop import Shop


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


async def test_a_name_that_ends_with_gz_is_compressed(books: Shop, pos: Any, tmp_path: Path) -> None:
    shop, plain, table = (tmp_path / name for name in ("shop.ndjson.gz", "shop.ndjson", "Orders.CSV.GZ"))
    for arguments in (("-o", shop), ("-o", plain), ("orders", "-o", table)):
        assert pos("export", *arguments).returncode == 0
    assert shop.read_bytes()[:2] == table.read_bytes()[:2] == b"\x1f\x8b"
    assert contents(shop) == contents(plain)
    with gzip.open(table, "rt", encoding="utf-8-sig", newline="") as file:
        assert [row["Number"] for row in csv.DictReader(file)] == ["#001", "#002", "#003", "#005"]
    assert pos("export", "orders", "--format", "csv", "-o", tmp_path / "orders.txt.gz").returncode == 0
    assert gzip.decompress((tmp_path / "orders.txt.gz").read_bytes()).startswith("\ufeffNumber".encode())


async def test_tables_can_be_written_to_standard_output(books: Shop, pos: Any) -> None:
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
        (("restore",), "Name a file"),
        (("export", "orders", "-o", "{folder}/x.ndjson"), "a table needs csv or xlsx"),
        (("export", "orders", "-o", "{folder}/x.ndjson.gz"), "a table needs csv or xlsx"),
        (("export", "-o", "{folder}/x.txt"), "The ending .txt is unknown: use .ndjson"),
        (("export", "orders", "-o", "{folder}/x.zip.gz"), "The ending .zip is unknown"),
        (("export", "--format", "csv"), "all needs ndjson"),
        (("export", "--lines"), "are for tables, not for all"),
        (("export", "reports", "--voided"), "neither lines nor voided"),
        (("export", "orders", "--from", "2026-02-01", "--to", "2026-01-01"), "the first day is after"),
        (("export", "orders", "--from", "yesterday"), "is not a date"),
    ],
)
def test_impossible_options_are_refused_in_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    refused = CliRunner().invoke(cli, [argument.format(folder=tmp_path) for argument in arguments])
    output = str(refused.exception) if isinstance(refused.exception, FileRefused) else refused.stderr
    assert sentence in " ".join(output.replace("│", " ").split())
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
        _, output = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode != 0
    assert b"Traceback" not in output
    assert files_in(tmp_path) == []


async def test_a_terminal_shows_progress_and_no_binary_data(books: Shop, pos_process: Any, tmp_path: Path) -> None:
    async def on_a_terminal(*arguments: object) -> tuple[int, str]:
        ours, theirs = pty.openpty()
        process = await pos_process(*arguments, stdout=theirs, stderr=theirs)
        os.close(theirs)
        output = b""
        # Linux raises an error when the other side of a terminal is closed.
        try:
            while chunk := os.read(ours, 4096):
                output += chunk
        except OSError:
            os.close(ours)
        return await process.wait(), output.decode(errors="replace")

    code, output = await on_a_terminal("export", "-o", tmp_path / "shop.ndjson")
    assert (code, "Exporting" in output, "Exported" in output) == (0, True, True)
    code, output = await on_a_terminal("backup", "-")
    assert (code, "This output is binary" in output) == (1, True)


def test_an_invalid_day_is_refused_with_a_clear_message() -> None:
    for option in ("--from", "--to"):
        refused = CliRunner().invoke(cli, ["export", "orders", option, "2026-13-01"])
        assert refused.exit_code == 2
        assert "Write it as YYYY-MM-DD" in " ".join(refused.stderr.replace("│", " ").split())
