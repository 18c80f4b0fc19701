"""`pos export`: write a store as NDJSON, or tables as CSV or XLSX."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, nullcontext
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from app.archive.archive_files import compressed, manifest_of, write_archive
from app.archive.table_files import AddRow, csv_file, xlsx_file
from app.clock import utc_now
from app.commands.database import Data, any_database, command_settings, with_database
from app.commands.dates import day
from app.config.settings import Settings
from app.console.output import STDOUT, output
from app.console.progress import progress, tidy_end
from app.console.terminal import console
from repositories.archive.snapshot import StoreSnapshot, open_snapshot
from repositories.database.client import Database
from schemas.archive.spreadsheets import Table, document_table, report_table


class What(StrEnum):
    ALL = "all"
    ORDERS = "orders"
    ESTIMATES = "estimates"
    REPORTS = "reports"


class Format(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"
    XLSX = "xlsx"


Days = tuple[date | None, date | None]


def export(
    what: Annotated[What, typer.Argument(help="Everything, or one table.")] = What.ALL,
    out: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write, compressed if it ends with .gz; - is the standard output.",
        ),
    ] = STDOUT,
    form: Annotated[
        Format | None,
        typer.Option(
            "--format", "-f", help="Format.  \\[default: the ending of the file, else ndjson for all, csv for a table]"
        ),
    ] = None,
    start: Annotated[
        date | None,
        typer.Option("--from", parser=day, metavar="YYYY-MM-DD", help="First day, in the time zone of the store."),
    ] = None,
    end: Annotated[
        date | None, typer.Option("--to", parser=day, metavar="YYYY-MM-DD", help="Last day, inclusive.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="One row for each line item instead of each document.")
    ] = False,
    voided: Annotated[bool, typer.Option("--voided", help="Include voided documents, marked as such.")] = False,
    bom: Annotated[
        bool,
        typer.Option(
            "--bom/--no-bom", help="Begin a CSV file with the byte order mark by which Excel recognizes UTF-8."
        ),
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    data: Data = None,
) -> None:
    """Export everything as NDJSON, or one table as CSV or XLSX.

    The export is a consistent snapshot; the service can run meanwhile. docs/data.md explains the columns.

    \b
    Everything, for `pos import`:
      pos export -o shop.ndjson
    The orders of a financial year; the line items since its start:
      pos export orders -o year.xlsx --from 2026-04-01 --to 2027-03-31
      pos export orders -o items.csv --lines --from 2026-04-01
    Totals by day, seller and payment mode:
      pos export reports -o days.xlsx
    To the standard output:
      pos export orders --format csv --no-bom | head
    """
    ending, is_compressed = _ending(out)
    chosen = form or _format(what, ending)
    days = (start, end)
    _check_options(what, chosen, days, is_narrowed=lines or voided)
    settings = command_settings()
    with (
        tidy_end(),
        output(out, force=force, is_binary=chosen is Format.XLSX) as file,
        compressed(file) if is_compressed else nullcontext(file) as stream,
        any_database(settings, data) as ready,
    ):
        if what is What.ALL:
            count = with_database(ready, lambda database: _everything(database, ready, stream))
        else:
            table = report_table() if what is What.REPORTS else document_table(what, ready.timezone, lines=lines)
            writing = csv_file(stream, table, bom=bom) if chosen is Format.CSV else xlsx_file(stream, table)
            count = with_database(ready, lambda database: _table(database, ready, what, days, voided, table, writing))
    console.print(_sentence(count, what, lines, out), markup=False, soft_wrap=True)


def _check_options(what: What, form: Format, days: Days, *, is_narrowed: bool) -> None:
    """Raise BadParameter unless the options fit together."""
    start, end = days
    if (what is What.ALL) != (form is Format.NDJSON):
        raise typer.BadParameter("all needs ndjson, and a table needs csv or xlsx.", param_hint="--format")
    if what is What.ALL and (start or end or is_narrowed):
        raise typer.BadParameter("--from, --to, --lines and --voided are for tables, not for all.")
    if what is What.REPORTS and is_narrowed:
        raise typer.BadParameter("reports have neither lines nor voided documents.")
    if start and end and start > end:
        raise typer.BadParameter("the first day is after the last one.", param_hint="--from")


def _ending(out: Path) -> tuple[str, bool]:
    """Return the ending of a file's name without `.gz`, and whether the file is compressed."""
    is_compressed = out.suffix.lower() == ".gz"
    inner = out.with_suffix("") if is_compressed else out
    return inner.suffix.lower().removeprefix("."), is_compressed


def _format(what: What, ending: str) -> Format:
    """Return the format for an ending; raise BadParameter for an unknown one."""
    if ending in tuple(Format):
        return Format(ending)
    if ending:
        raise typer.BadParameter(
            f"The ending .{ending} is unknown: use {', '.join(f'.{each}' for each in Format)}, with .gz after it to "
            "compress the file, or choose with --format.",
            param_hint="--output",
        )
    return Format.NDJSON if what is What.ALL else Format.CSV


async def _everything(database: Database, settings: Settings, stream: BinaryIO) -> int:
    async with open_snapshot(database, settings.store_id) as view:
        manifest = await manifest_of(view, settings, utc_now())
        total = sum(manifest.counts.values())
        with progress(console, "Exporting", total) as advance:
            await write_archive(view, manifest, stream, advance)
        return total


async def _table(
    database: Database,
    settings: Settings,
    what: What,
    days: Days,
    voided: bool,
    table: Table,
    writing: AbstractContextManager[AddRow],
) -> int:
    count = 0
    async with open_snapshot(database, settings.store_id) as view:
        with progress(console, "Exporting", None) as advance, writing as add:
            async for batch in _sources(view, what, days, voided):
                for source in batch:
                    for row in table.rows(source):
                        add(row)
                        count += 1
                advance(len(batch))
    return count


def _sources(view: StoreSnapshot, what: What, days: Days, voided: bool) -> AsyncIterator[Any]:
    return view.daily_totals(*days) if what is What.REPORTS else view.documents(what, *days, voided=voided)


def _sentence(count: int, what: What, lines: bool, out: Path) -> str:
    things = "documents" if what is What.ALL else "rows" if what is What.REPORTS or lines else what.value
    return f"Exported {count:,} {things}" + ("." if out == STDOUT else f" to {out}.")
