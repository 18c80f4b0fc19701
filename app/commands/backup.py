"""`pos backup`, `pos restore` and `pos import`: the whole store in a file, and back again."""

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

File = Annotated[Path | None, typer.Argument(metavar="FILE", help="An archive, compressed or not.", show_default=False)]


def backup(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="- is the standard output.  \\[default: pos-STORE-TIME.ndjson.gz]"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    data: Data = None,
) -> None:
    """Write the whole store into one compressed file that knows whether it is whole. Safe while the shop sells.

    \b
    To pos-main-20261124T101500Z.ndjson.gz, or to a name of your own:
      pos backup
      pos backup /mnt/usb/monday.ndjson.gz
    To another machine:
      pos backup - | ssh elsewhere 'cat > monday.ndjson.gz'
    Is a copy whole?
      pos restore --check /mnt/usb/monday.ndjson.gz
    """
    settings, now = command_settings(), utc_now()
    path = file or Path(f"pos-{settings.store_id}-{now:%Y%m%dT%H%M%SZ}.ndjson.gz")

    async def write(database: Database) -> Manifest:
        async with open_snapshot(database, settings.store_id) as view:
            manifest = await manifest_of(view, settings, now)
            with (
                progress(console, "Backing up", sum(manifest.counts.values())) as advance,
                compressed(stream) as lines,
            ):
                await write_archive(view, manifest, lines, advance)
            return manifest

    with tidy_end(), output(path, force=force, is_binary=True) as stream, any_database(settings, data) as ready:
        manifest = with_database(ready, write)
    _say(f"Backed up {_contents(manifest)}" + ("." if path == STDOUT else f" to {path}."))


def restore(
    file: File = None,
    check: Annotated[bool, typer.Option("--check", help="Only look whether the file is whole; write nothing.")] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Empty a store that was restored or imported by half, and stop there.")
    ] = False,
    data: Data = None,
) -> None:
    """Bring a store back from a backup, into an empty database. All or nothing.

    The store must be the one of the backup: the same STORE_ID, TIMEZONE and CURRENCY. Should this be interrupted, the
    store is refused to everybody until you run it again, which begins anew, or discard it.

    \b
    Is it whole, and what is in it? (This needs no database.)
      pos restore --check monday.ndjson.gz
    Into a new data folder, or into another database:
      pos restore monday.ndjson.gz --data new
      DATABASE_NAME=pos2 pos restore monday.ndjson.gz
    Give up what was interrupted:
      pos restore --discard
    """
    if discard and (check or file is not None):
        raise typer.BadParameter("--discard goes alone, without --check and without a file: nothing was done.")
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
                f"This is a backup of store {store!r}, and STORE_ID is {settings.store_id!r}: set it, or take its "
                "documents over with `pos import`."
            )
        _fill(path, settings, data, "Restored")


def import_(file: File = None, data: Data = None) -> None:
    """Take everything of another store over into an empty one, from `pos export` or `pos backup`. All or nothing.

    Documents, numbers, totals, events and remembered requests are as they were, and numbering goes on. The file is
    checked to its end before anything is written. Should this be interrupted, run it again, or `pos restore --discard`.

    \b
    A store into another database, under another name:
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
    """Days and amounts mean what the settings say."""
    for name, theirs, ours in (
        ("TIMEZONE", manifest.timezone, settings.timezone.key),
        ("CURRENCY", manifest.currency, settings.currency),
    ):
        if theirs != ours:
            raise FileRefused(f"The books in this file are of {theirs}, and {name} is {ours}: set it to {theirs}.")


def _named(file: Path | None) -> Path:
    if file is None:
        raise typer.BadParameter("name the file.", param_hint="FILE")
    return file


def _checked(path: Path) -> Manifest:
    with archive(path) as reader:
        total = sum(reader.manifest.counts.values())
    with progress(console, "Checking", total) as advance:
        return check_archive(path, advance)


def _describe(manifest: Manifest) -> None:
    _say(f"The file is whole: {_contents(manifest)}.")
    for name in ("exported_at", "service", "timezone", "currency", "head", "epoch"):
        typer.echo(f"{name:12} {getattr(manifest, name)}")
    for collection, count in manifest.counts.items():
        typer.echo(f"{collection:12} {count:,}")


def _contents(manifest: Manifest) -> str:
    orders, estimates = (manifest.counts.get(name, 0) for name in ("orders", "estimates"))
    return f"{orders:,} orders and {estimates:,} estimates of store {manifest.store!r}"


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, soft_wrap=True)
