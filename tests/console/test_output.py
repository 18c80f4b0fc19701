"""Files of commands: an error of the system names the file that it concerns."""

import asyncio
import io
import os
from pathlib import Path
from typing import Any

import pytest

from app.archive.archive_files import archive
from app.archive.table_files import xlsx_file
from app.console.output import FileRefused, output
from schemas.archive.spreadsheets import report_table
from tests.server.test_startup import POS, run
from tests.support.commands import empty_archive, files_in, refusal
from tests.support.faults.full_disk import small_disk
from tests.support.shop import Shop

FULL = "cannot be written: No space left on device"


def test_an_unrelated_error_is_not_attributed_to_a_file(tmp_path: Path) -> None:
    (source := tmp_path / "source").write_bytes(empty_archive())
    with pytest.raises(ConnectionRefusedError), archive(source), output(tmp_path / "new"):
        raise ConnectionRefusedError
    assert files_in(tmp_path) == [source]


def test_an_archive_from_a_pipe_is_rejected() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, empty_archive())
        with pytest.raises(FileRefused, match="is no ordinary file"), archive(Path(f"/dev/fd/{reading}")):
            raise AssertionError("The archive was read.")
    finally:
        os.close(reading)
        os.close(writing)


async def test_a_full_disk_is_reported_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    async with small_disk(1, tmp_path / "disk") as disk:
        for size in (1, 4096, 3 * 2**20):
            disk.fill()
            with pytest.raises(FileRefused) as refused, output(disk.folder / "new") as stream:
                stream.write(bytes(size))
            assert str(refused.value) == f"{disk.folder / 'new'} {FULL}."
            assert [path.name for path in files_in(disk.folder)] == ["ballast"]
            disk.make_room()
        with output(disk.folder / "new") as stream:
            stream.write(b"small")
        assert [path.read_bytes() for path in files_in(disk.folder)] == [b"small"]


def test_an_unwritable_temporary_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    stream = io.BytesIO()
    with pytest.raises(FileRefused) as refused, xlsx_file(stream, report_table()):
        raise AssertionError("The workbook was written.")
    assert str(refused.value) == "The folder for temporary files (TMPDIR) cannot be written: No such file or directory."
    assert stream.getvalue() == b""


@pytest.mark.parametrize(
    "arguments",
    [("export",), ("export", "orders"), ("export", "orders", "--format", "xlsx"), ("backup", "-")],
)
async def test_a_full_disk_behind_the_standard_output_is_reported(
    shop: Shop, mongodb_url: str, arguments: tuple[str, ...]
) -> None:
    names: Any = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": shop.database.name, "STORE_ID": shop.store}
    process = run("sh", "-c", 'exec "$@" > /dev/full', "sh", *POS, *arguments, **names)
    assert refusal(process) == f"The standard output {FULL}."


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("--help",), ("version",), ("doctor", "--json"), ("doctor",)])
def test_output_that_cannot_be_printed_has_its_own_exit_code(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    names = {"DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": unbuffered}
    process = run("sh", "-c", 'exec "$@" > /dev/full', "sh", *POS, *arguments, **names)
    assert (process.returncode, process.stderr) == (os.EX_IOERR, f"The standard output {FULL}.\n")


async def test_listening_ends_if_events_cannot_be_printed(shop: Shop) -> None:
    await shop.sale()
    address = f"http://127.0.0.1:{shop.port}"
    options = ("listen", "--since", "0", "--url", address)
    process = await asyncio.to_thread(run, "sh", "-c", 'exec "$@" > /dev/full', "sh", *POS, *options)
    assert (process.returncode, process.stderr) == (os.EX_IOERR, f"The standard output {FULL}.\n")


def test_a_closed_standard_output_is_no_error() -> None:
    for end in (">&-", "| true"):
        process = run("sh", "-c", f'"$@" {end}', "sh", *POS, "version")
        assert process.stderr == ""


def test_an_archive_from_the_standard_input_is_rejected() -> None:
    with pytest.raises(FileRefused, match="The standard input is no ordinary file, and an archive is read more than"):
        archive(Path("-")).__enter__()


def test_an_error_is_not_wrapped_without_a_terminal(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 90)
    process = run(*POS, "backup", str(folder / "x" / "file"), COLUMNS="80")
    assert len(process.stderr.splitlines()) == 1
