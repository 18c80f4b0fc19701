"""Files that commands write and read: what the system has against one is said of that one, and of no other."""

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


def test_what_has_nothing_to_do_with_a_file_is_not_blamed_on_it(tmp_path: Path) -> None:
    (source := tmp_path / "source").write_bytes(empty_archive())
    with pytest.raises(ConnectionRefusedError), archive(source), output(tmp_path / "new"):
        raise ConnectionRefusedError
    assert files_in(tmp_path) == [source]


def test_an_archive_that_can_be_read_only_once_is_refused() -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, empty_archive())
        with pytest.raises(FileRefused, match="is no ordinary file"), archive(Path(f"/dev/fd/{reading}")):
            raise AssertionError("It was not to be read.")
    finally:
        os.close(reading)
        os.close(writing)


async def test_a_full_disk_leaves_nothing_and_is_named(tmp_path: Path) -> None:
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


def test_a_workbook_is_put_together_elsewhere_and_that_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    stream = io.BytesIO()
    with pytest.raises(FileRefused) as refused, xlsx_file(stream, report_table()):
        raise AssertionError("It was not to begin.")
    assert str(refused.value) == "The folder for temporary files (TMPDIR) cannot be written: No such file or directory."
    assert stream.getvalue() == b""


@pytest.mark.parametrize(
    "arguments",
    [("export",), ("export", "orders"), ("export", "orders", "--format", "xlsx"), ("backup", "-")],
)
async def test_a_full_disk_behind_the_standard_output_is_said_in_a_sentence(
    shop: Shop, mongodb_url: str, arguments: tuple[str, ...]
) -> None:
    names: Any = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": shop.database.name, "STORE_ID": shop.store}
    said = run("sh", "-c", 'exec "$@" > /dev/full', "sh", *POS, *arguments, **names)
    assert refusal(said) == f"The standard output {FULL}."


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("--help",), ("version",), ("doctor", "--json"), ("doctor",)])
def test_what_cannot_be_printed_is_said_in_a_sentence_and_with_a_code_of_its_own(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    names = {"DATA_DIR": str(tmp_path / "data"), "PYTHONUNBUFFERED": unbuffered}
    said = run("sh", "-c", 'exec "$@" > /dev/full', "sh", *POS, *arguments, **names)
    assert (said.returncode, said.stderr) == (os.EX_IOERR, f"The standard output {FULL}.\n")


async def test_events_that_cannot_be_printed_end_listening(shop: Shop) -> None:
    await shop.sale()
    address = f"http://127.0.0.1:{shop.port}"
    options = ("listen", "--since", "0", "--url", address)
    said = await asyncio.to_thread(run, "sh", "-c", 'exec "$@" > /dev/full', "sh", *POS, *options)
    assert (said.returncode, said.stderr) == (os.EX_IOERR, f"The standard output {FULL}.\n")


def test_nobody_minds_what_is_printed_into_nothing() -> None:
    for end in (">&-", "| true"):
        said = run("sh", "-c", f'"$@" {end}', "sh", *POS, "version")
        assert said.stderr == ""


def test_an_archive_is_not_read_from_the_standard_input() -> None:
    with pytest.raises(FileRefused, match="The standard input is no ordinary file, and an archive is read more than"):
        archive(Path("-")).__enter__()


def test_a_sentence_is_not_wrapped_where_no_terminal_is(tmp_path: Path) -> None:
    folder = tmp_path / ("a" * 90)
    said = run(*POS, "backup", str(folder / "x" / "file"), COLUMNS="80")
    assert len(said.stderr.splitlines()) == 1
