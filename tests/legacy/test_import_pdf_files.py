"""`pos import-legacy --static`: imports the PDF files of the earlier backend, so that old links still open."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from app.console.output import FileRefused
from schemas.core.limits import MAX_UPLOAD
from tests.support.archives import empty_database, read, write
from tests.support.legacy import legacy_documents as legacy
from tests.support.legacy.import_command import ImportCommand, content, plain
from tests.support.messaging.in_memory_provider import OUTSIDE, PDF, PHONE, InMemoryProvider
from tests.support.shop import Shop, opened

TOKENS = [f"estimate_{number:032x}" for number in range(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of the earlier backend: two PDF files with its names, and other files."""
    estimates = tmp_path / "static" / "estimates"
    estimates.mkdir(parents=True)
    for number in range(2):
        (estimates / f"{TOKENS[number]}.pdf").write_bytes(PDF + str(number).encode())
    (estimates / "notes.txt").write_text("not ours")
    (estimates / "estimate_12.pdf").write_bytes(PDF)
    (estimates / f"{TOKENS[2]}.pdf.exe").write_bytes(PDF)
    return estimates


@pytest.fixture
def shop_of_old(own: Database[Any]) -> Database[Any]:
    legacy.fill(own, legacy.believable(10))
    return own


async def open_shop(mongodb_url: str, own: Database[Any], **settings: Any) -> AsyncIterator[Shop]:
    async with opened(mongodb_url, database_name=own.name, store_id="main", **settings) as shop:
        yield shop


async def test_old_links_open_after_an_import(
    mongodb_url: str, shop_of_old: Database[Any], import_legacy: ImportCommand, folder: Path
) -> None:
    done = await asyncio.to_thread(import_legacy, "--static", str(folder.parent))
    assert done.exit_code == 0, done.stderr
    assert "is imported" in done.stderr
    assert "2 PDF files were imported, and 0 were imported before." in done.stderr
    async for shop in open_shop(mongodb_url, shop_of_old, sign_in="on", secret_key="k" * 8 + "7f1c-93ad-5e20-b84f-0d"):
        for number in range(2):
            answer = await shop.http.get(f"/static/estimates/{TOKENS[number]}.pdf")
            assert (answer.status_code, answer.content) == (200, PDF + str(number).encode())
            assert answer.headers["content-type"] == "application/pdf"
        assert (await shop.http.head(f"/static/estimates/{TOKENS[0]}.pdf")).status_code == 200
        for other in ("estimate_12", TOKENS[2], f"{TOKENS[2]}.pdf.exe", "notes"):
            assert (await shop.http.get(f"/static/estimates/{other}.pdf")).status_code == 404


async def test_pdf_files_can_be_imported_later_and_again_beside_a_running_service(
    mongodb_url: str, shop_of_old: Database[Any], import_legacy: ImportCommand, folder: Path
) -> None:
    await asyncio.to_thread(import_legacy.report)
    rehearsed = await asyncio.to_thread(import_legacy, "--static", str(folder), "--dry-run")
    assert "2 PDF files would be imported" in rehearsed.stderr
    assert shop_of_old.uploads.count_documents({}) == 0
    async for shop in open_shop(mongodb_url, shop_of_old):
        await shop.sale()
        for sentence in ("2 PDF files were imported, and 0", "0 PDF files were imported, and 2"):
            done = await asyncio.to_thread(import_legacy, "--static", str(folder))
            assert done.exit_code == 0, done.stderr
            assert sentence in done.stderr
        assert (await shop.http.get(f"/static/estimates/{TOKENS[0]}.pdf")).status_code == 200
    assert shop_of_old.uploads.count_documents({}) == 2


async def test_an_old_file_can_be_sent_again(
    mongodb_url: str, shop_of_old: Database[Any], import_legacy: ImportCommand, folder: Path
) -> None:
    await asyncio.to_thread(import_legacy, "--static", str(folder))
    async for shop in open_shop(mongodb_url, shop_of_old, provider=InMemoryProvider(), **OUTSIDE):
        url = f"{OUTSIDE['public_base_url']}/static/estimates/{TOKENS[0]}.pdf"
        body = {"phone_number": PHONE, "message": "Once more", "pdf_url": url}
        assert (await shop.http.post("/api/whatsapp/send", json=body)).status_code == 200


def test_entries_that_are_not_valid_pdf_files_are_skipped_by_name(
    shop_of_old: Database[Any], import_legacy: ImportCommand, folder: Path
) -> None:
    (folder / f"{TOKENS[3]}.pdf").write_bytes(b"<html>%PDF-")
    (folder / f"{TOKENS[4]}.pdf").write_bytes(b"")
    (folder / f"{TOKENS[5]}.pdf").write_bytes(b"%PDF-" + b"x" * MAX_UPLOAD)
    (folder / f"{TOKENS[6]}.pdf").symlink_to("/etc/hostname")
    (folder / f"{TOKENS[7]}.pdf").mkdir()
    os.mkfifo(folder / f"{TOKENS[8]}.pdf")
    (folder / f"{TOKENS[9]}.pdf").write_bytes(b"%PDF-" + b"x" * (MAX_UPLOAD - 5))
    done = import_legacy("--static", str(folder))
    assert done.exit_code == 1
    assert "3 PDF files were imported" in done.stderr
    skipped = {line.split(".pdf ")[0]: line for line in done.stderr.splitlines() if ".pdf " in line}
    assert set(skipped) == set(TOKENS[3:9])
    assert "is no PDF" in skipped[TOKENS[3]]
    assert "more than 2 MiB" in skipped[TOKENS[5]]
    assert "is no file" in skipped[TOKENS[6]]
    assert "is no file" in skipped[TOKENS[8]]
    # The documents are imported all the same.
    assert shop_of_old.adoption.find_one({"step": "done"})
    assert shop_of_old.uploads.count_documents({}) == 3


def test_an_invalid_folder_is_refused_before_the_import(
    shop_of_old: Database[Any], import_legacy: ImportCommand, folder: Path
) -> None:
    before = plain(content(shop_of_old))
    for wrong in (folder / "nowhere", folder / "notes.txt"):
        assert "is no folder that can be read" in import_legacy.refused("--static", str(wrong), by=FileRefused)
    assert plain(content(shop_of_old)) == before


async def test_undo_deletes_imported_pdf_files_and_no_later_uploads(
    mongodb_url: str, shop_of_old: Database[Any], import_legacy: ImportCommand, folder: Path
) -> None:
    await asyncio.to_thread(import_legacy, "--static", str(folder))
    own = {"_id": "uploaded", "store": "main", "name": "estimate.pdf", "content": PDF}
    shop_of_old.uploads.insert_one(own)
    assert (await asyncio.to_thread(import_legacy, "--undo")).exit_code == 0
    assert [each["_id"] for each in shop_of_old.uploads.find({})] == ["uploaded"]
    assert "cannot be combined" in (await asyncio.to_thread(import_legacy, "--undo", "--static", str(folder))).stderr


async def test_pdf_files_can_be_imported_again_after_a_restore(
    mongodb_url: str, shop_of_old: Database[Any], import_legacy: ImportCommand, folder: Path, tmp_path: Path
) -> None:
    await asyncio.to_thread(import_legacy, "--static", str(folder))
    async for shop in open_shop(mongodb_url, shop_of_old):
        backup = await write(shop.database, "main", tmp_path / "backup")
    async with empty_database(mongodb_url) as database:
        await read(backup, database, "main")
        done = await asyncio.to_thread(ImportCommand(mongodb_url, database.name), "--static", str(folder))
        assert done.exit_code == 0, done.stderr
        assert "2 PDF files were imported" in done.stderr
        assert await database.uploads.count_documents({}) == 2
