"""`pos import-legacy`: import the documents of the earlier backend."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import orjson
import typer

from app.commands.database import Data, any_database, command_settings, with_database
from app.commands.legacy_pdfs import bring, check_folder, is_restored
from app.config.settings import Settings
from app.console.output import STDOUT, output
from app.console.progress import progress_by_steps, tidy_end
from app.console.terminal import console
from repositories.database.client import Database
from repositories.legacy.importer import LegacyImport
from repositories.legacy.source import is_same_database, open_source
from repositories.legacy.undo import drop_backup, undo
from repositories.legacy.writer import Target
from schemas.legacy.conversion import Defect
from schemas.legacy.report import Report, merge_summary
from schemas.text.phones import currency_region

_MOST_SHOWN: Final = 5


def import_legacy(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL/DATABASE",
            help="Database to import from.  \\[default: DATABASE_NAME, whose documents are imported in place]",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would happen, and change nothing.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write every defect to this file, one JSON object a line, unmasked; - is the standard output.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --report if it exists.")] = False,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show names, phone numbers and addresses.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    static: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also import the PDF files of the earlier backend's folder `static`, so that old links still open.",
        ),
    ] = None,
    undoing: Annotated[bool, typer.Option("--undo", help="Undo the import. Refused once the store has sold.")] = False,
    dropping: Annotated[
        bool,
        typer.Option("--drop-backup", help="Drop the originals, legacy_estimates and legacy_orders, when all is well."),
    ] = False,
    data: Data = None,
) -> None:
    """Import a database of the earlier backend: every document, with its number and its id.

    Stop the earlier backend and this service first. The import can be interrupted and repeated at any time. A repeated
    import also takes the documents that the earlier backend has written since. docs/importing.md describes how each
    defect is repaired, and how to undo the import.

    \b
    Show what would happen to DATABASE_NAME, in place; import; undo the import:
      pos import-legacy --dry-run
      pos import-legacy
      pos import-legacy --undo
    Import from another database, of the same server or of another one, which is only read:
      pos import-legacy --from shop --report defects.ndjson
      pos import-legacy --from mongodb://old.example/shop
    Import the PDF files that customers have links to, with the documents or later:
      pos import-legacy --static ../old-backend/static
    """
    options = {
        "--undo": undoing,
        "--drop-backup": dropping,
        "--dry-run": dry_run,
        "--from": source is not None,
        "--report": report is not None,
        "--force": force,
        "--static": static is not None,
        "--unmasked": unmasked,
        "--json": as_json,
    }
    if undoing or dropping:
        _refuse_more([name for name, is_given in options.items() if is_given])
    with tidy_end(), any_database(command_settings(), data) as settings:
        if undoing:
            staying = with_database(settings, lambda database: undo(database, settings.store_id), prepared=False)
            console.print(
                "The import was undone. The originals are back in their collections, with what was written since."
            )
            for name, count in staying.items():
                console.print(
                    f"But {count:,} documents stay in {name!r}: the originals have documents of the same ids."
                )
        elif dropping:
            names = with_database(settings, lambda database: drop_backup(database, settings.store_id), prepared=False)
            console.print(f"Dropped: {', '.join(names) or 'nothing, since the originals are in another database'}.")
        else:
            if static is not None:
                check_folder(static)
            # A store that was restored from a backup was imported before, although only its counters show it.
            if static is None or not is_restored(settings):
                how = {"dry_run": dry_run, "unmasked": unmasked, "as_json": as_json}
                _import(settings, source, file=report, force=force, **how)
            if static is not None:
                bring(settings, static, dry_run=dry_run)


def _refuse_more(names: list[str]) -> None:
    """Raise BadParameter unless `--undo` or `--drop-backup` is the only option, since both delete for good."""
    if len(names) > 1:
        raise typer.BadParameter(f"{names[0]} cannot be combined with {', '.join(names[1:])}. Nothing was done.")


def _import(
    settings: Settings,
    name: str | None,
    *,
    dry_run: bool,
    file: Path | None,
    force: bool,
    unmasked: bool,
    as_json: bool,
) -> None:
    report = Report()

    async def work(database: Database) -> _Done:
        own = database.delegate
        target = Target(
            database,
            settings.store_id,
            settings.timezone,
            settings.event_retention_days,
            currency_region(settings.currency),
        )
        named = open_source(name or settings.database_name, own)
        with named as source, progress_by_steps(console) as show_progress:
            in_place = is_same_database(source, own)
            legacy_import = LegacyImport(
                target, own if in_place else source, in_place=in_place, report=report, on_progress=show_progress
            )
            before = await legacy_import.previous_report()
            waiting = await legacy_import.count_late() if before is not None else 0
            if before is None or (waiting and not dry_run):
                with _written(file, report, force=force):
                    if before is not None:
                        await legacy_import.import_late()
                    else:
                        await (legacy_import.dry_run() if dry_run else legacy_import.run())
            after = before and await legacy_import.previous_report()
        return _Done(after, legacy_import.late, waiting, legacy_import.stuck)

    try:
        done = with_database(settings, work, prepared=False)
    except KeyboardInterrupt:
        if not dry_run:
            console.print(
                "Interrupted. Run the same command again to complete it; until then the store cannot be opened."
            )
        raise
    # The standard output has the defects only, for a pipe.
    print_line = partial(typer.echo, err=file == STDOUT)
    if as_json:
        summary = done.before or (merge_summary(report.summary(), done.late) if done.late.count else report.summary())
        print_line(orjson.dumps(summary, option=orjson.OPT_INDENT_2).decode())
    else:
        for each in (report, done.late) if done.before is None else (done.late,):
            for line in each.lines(is_masked=not unmasked) if each.of_kind else ():
                print_line(line)
    for sentence in _sentences(done, settings.store_id, dry_run=dry_run):
        console.print(sentence, markup=False)


class _Done(NamedTuple):
    #: The summary of an earlier, complete run.
    before: dict[str, Any] | None
    late: Report
    #: How many documents the earlier backend has written since the earlier run.
    waiting: int
    stuck: dict[str, list[str]]


def _sentences(done: _Done, store: str, *, dry_run: bool) -> Iterator[str]:
    if done.before is None and dry_run:
        yield "Nothing was changed. Without --dry-run, this would be done."
    elif done.before is None:
        yield f"Store {store!r} is imported. `pos verify` checks it, `pos serve` opens it."
    elif dry_run and done.waiting:
        yield f"Store {store!r} was imported before; {done.waiting:,} documents that came later would be imported."
    elif not done.late.count:
        yield f"Store {store!r} was imported before: nothing was done."
    if done.late.count:
        yield (
            f"{done.late.count:,} documents that the earlier backend wrote later were imported too. Stop it, and run "
            "`pos import-legacy` again, until nothing is left."
        )
    for kind, ids in done.stuck.items():
        if ids:
            yield (
                f"{len(ids):,} {kind} stay where they are: documents with the same ids were imported, and differ: "
                f"{', '.join(ids[:_MOST_SHOWN])}."
            )


@contextmanager
def _written(path: Path | None, report: Report, *, force: bool) -> Iterator[None]:
    """Write each defect to a file as it is found."""
    if path is None:
        yield
        return
    with output(path, force=force) as file:

        def write(kind: str, own: str, defect: Defect) -> None:
            file.write(orjson.dumps({"kind": kind, "id": own, **defect._asdict()}) + b"\n")

        report.on_defect = write
        yield
