"""`pos import-legacy --static`: import the PDF files of the earlier backend, so that old links still open."""

import asyncio
from pathlib import Path
from typing import NamedTuple

import typer

from app.archive.legacy_pdfs import OldPdf, old_pdfs
from app.clock import utc_now
from app.commands.database import with_database
from app.config.settings import Settings
from app.console.terminal import console
from repositories.database.client import Database
from repositories.messaging.uploads import Upload, Uploads
from schemas.core.collections import COUNTERS, IMPORTS

#: The name under which an imported file is downloaded.
_FILE_NAME = "estimate.pdf"


class _Result(NamedTuple):
    new: int
    #: How many were imported before.
    known: int
    refused: list[OldPdf]


def check_folder(folder: Path) -> None:
    """Raise FileRefused unless a folder can be read."""
    next(iter(old_pdfs(folder)), None)


def is_restored(settings: Settings) -> bool:
    """Return whether an imported store was restored from a backup, which has `adopted` counters but no state."""

    async def work(database: Database) -> bool:
        counters = await database[COUNTERS].find_one({"_id": settings.store_id}, {"adopted": 1})
        state = await database[IMPORTS].find_one({"_id": settings.store_id}, {"_id": 1})
        return state is None and counters is not None and "adopted" in counters

    return with_database(settings, work, prepared=False)


def bring(settings: Settings, folder: Path, *, dry_run: bool) -> None:
    """Import the PDF files of a folder, and print the result.

    :raises Exit: a file that the earlier backend named cannot be imported.
    """

    async def work(database: Database) -> _Result:
        return await _bring(Uploads(database, utc_now), settings.store_id, folder, dry_run=dry_run)

    done = with_database(settings, work, prepared=False)
    verb = "would be imported" if dry_run else "were imported"
    console.print(f"{done.new:,} PDF files {verb}, and {done.known:,} were imported before.")
    for each in done.refused:
        console.print(f"{each.token}.pdf {each.defect}: it is left out, and links to it do not work.", markup=False)
    if done.refused:
        raise typer.Exit(1)


async def _bring(uploads: Uploads, store: str, folder: Path, *, dry_run: bool) -> _Result:
    new, known, refused = 0, 0, []
    files = old_pdfs(folder)
    while (each := await asyncio.to_thread(next, files, None)) is not None:
        if each.defect is not None:
            refused.append(each)
        elif await uploads.find(each.token) is not None:
            known += 1
        else:
            new += 1
            if not dry_run:
                await uploads.add_legacy_file(store, each.token, Upload(_FILE_NAME, each.content))
    return _Result(new, known, refused)
