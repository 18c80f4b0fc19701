"""`pos backup`, `pos restore` and `pos import`: copy a store to a file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from app.archive.archive_files import archive, check_archive, compressed, manifest_of, read_archive, write_archive
from app.clock import utc_now
from app.commands.database import Data, any_database, command_settings, with_database
from app.config.settings import Settings
from app.console.output import STDOUT, FileRefused, output
from app.console.progress import progress, tidy_end
from app.console.terminal import console
from repositories.archive.restore import Restore
from repositories.archive.snapshot import open_snapshot
from repositories.database.client import Database
from schemas.archive.format import Manifest

File = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="File of `pos backup` or `pos export`, compressed or not.", show_default=False),
]


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="File to write; - is the standard output.  \\[default: pos-STORE-TIME.ndjson.gz]"
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    data: Data = None,
) -> None:
    """Write the whole store to one compressed file with a checksum. The service can run meanwhile.

    \b
    To pos-main-20261124T101500Z.ndjson.gz, or to a file of your choice:
      pos backup
      pos backup /mnt/usb/monday.ndjson.gz
    To another machine:
      pos backup - | ssh elsewhere 'cat > monday.ndjson.gz'
    Check that a file is complete:
      pos restore --check /mnt/usb/monday.ndjson.gz
    """
    settings, now = command_settings(), utc_now()
    path = file or Path(f"pos-{settings.store_id}-{now:%Y%m%dT%H%M%SZ}.ndjson.gz")

    async def write(database: Database) -> Manifest:
        async with open_snapshot(database, settings.store_id) as view:
            manifest = await manifest_of(view, settings, now)
            with progress(console, "Backing up", sum(manifest.counts.values())) as advance, compressed(stream) as lines:
                await write_archive(view, manifest, lines, advance)
            return manifest

    with tidy_end(), output(path, force=force, is_binary=True) as stream, any_database(settings, data) as ready:
        manifest = with_database(ready, write)
    _say(f"Backed up {_contents(manifest)}" + ("." if path == STDOUT else f" to {path}."))


def restore(
    file: File = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check that the file is complete; write nothing.")
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Empty a store whose restore or import was interrupted.")
    ] = False,
    data: Data = None,
) -> None:
    """Restore a store from a backup, into an empty database. All or nothing.

    STORE_ID, TIMEZONE and CURRENCY must be those of the backup. If a restore is interrupted, the store cannot be opened
    until you restore it again, from the start, or discard it.

    \b
    Check a file and show its content, without a database:
      pos restore --check monday.ndjson.gz
    Into a new data folder, or into another database:
      pos restore monday.ndjson.gz --data new
      DATABASE_NAME=pos2 pos restore monday.ndjson.gz
    Discard an interrupted restore:
      pos restore --discard
    """
    if discard and (check or file is not None):
        raise typer.BadParameter("--discard cannot be combined with --check or a file. Nothing was done.")
    if discard:
        _discard(data)
    elif check:
        _describe(_checked(_named(file)))
    else:
        path, settings = _named(file), command_settings()
        with archive(path) as reader:
            store = reader.manifest.store
        if store != settings.store_id:
            raise FileRefused(
                f"This is a backup of store {store!r}, and STORE_ID is {settings.store_id!r}: change STORE_ID, or "
                "import the file with `pos import`."
            )
        _fill(path, settings, data, "Restored")


def import_(file: File = None, data: Data = None) -> None:
    """Import a file of `pos export` or `pos backup` into an empty store. All or nothing.

    Documents, numbers, totals, events and idempotency keys stay the same, and numbering continues. The whole file is
    checked before anything is written. After an interruption, run it again, or use `pos restore --discard`.

    \b
    Copy a store into another database, under another name:
      pos export -o shop.ndjson
      DATABASE_NAME=copy STORE_ID=branch pos import shop.ndjson
    """
    _fill(_named(file), command_settings(), data, "Imported")


def _fill(path: Path, settings: Settings, data: Path | None, done: str) -> None:
    with archive(path) as reader:
        _refuse_other_shop(reader.manifest, settings)

    async def fill(database: Database) -> Manifest:
        await Restore(database, settings.store_id).refuse_if_filled()
        manifest = _checked(path)
        with progress(console, "Writing", sum(manifest.counts.values())) as advance:
            await read_archive(path, database, settings, utc_now(), advance)
        return manifest

    with tidy_end(), any_database(settings, data) as ready:
        manifest = with_database(ready, fill, prepared=False)
    _say(f"{done} {_contents(manifest)}, as of {manifest.exported_at}. `pos verify` checks the books.")


def _discard(data: Path | None) -> None:
    settings = command_settings()
    with any_database(settings, data) as ready:
        was_there = with_database(
            ready, lambda database: Restore(database, settings.store_id).discard(), prepared=False
        )
    _say(f"Store {settings.store_id!r} is empty again." if was_there else "There is nothing to discard.")


def _refuse_other_shop(manifest: Manifest, settings: Settings) -> None:
    """Raise FileRefused if the time zone or the currency of an archive is not that of the settings."""
    for name, theirs, ours in (
        ("TIMEZONE", manifest.timezone, settings.timezone.key),
        ("CURRENCY", manifest.currency, settings.currency),
    ):
        if theirs != ours:
            raise FileRefused(f"{name} is {theirs} in this file, and {ours} in the settings: set {name} to {theirs}.")


def _named(file: Path | None) -> Path:
    if file is None:
        raise typer.BadParameter("Name a file.", param_hint="FILE")
    return file


def _checked(path: Path) -> Manifest:
    with archive(path) as reader:
        total = sum(reader.manifest.counts.values())
    with progress(console, "Checking", total) as advance:
        return check_archive(path, advance)


def _describe(manifest: Manifest) -> None:
    _say(f"The file is complete: {_contents(manifest)}.")
    for name in ("exported_at", "service", "timezone", "currency", "head", "epoch"):
        typer.echo(f"{name:12} {getattr(manifest, name)}")
    for collection, count in manifest.counts.items():
        typer.echo(f"{collection:12} {count:,}")


def _contents(manifest: Manifest) -> str:
    orders, estimates = (manifest.counts.get(name, 0) for name in ("orders", "estimates"))
    return f"{orders:,} orders and {estimates:,} estimates of store {manifest.store!r}"


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, soft_wrap=True)
