"""`pos adopt`: the documents of the earlier backend, taken over."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.commands.databases import Data, any_database, command_settings, console
from app.settings import Settings
from repositories.adoption import Adoption
from repositories.adoption_source import is_same, opened_source
from repositories.adoption_undo import drop_backup, undo
from repositories.adoption_writing import Target
from repositories.database import Database, check_deployment, connect
from schemas.adoption import Report
from schemas.legacy import Defect


def adopt(
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="URL/DATABASE", help="Where the documents lie; left out: in DATABASE_NAME, in place."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write every single defect into this file, a line of JSON each. Not masked.")
    ] = None,
    unmasked: Annotated[bool, typer.Option("--unmasked", help="Show names, phones and addresses too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
    undoing: Annotated[bool, typer.Option("--undo", help="Go back, as long as nothing was sold since.")] = False,
    dropping: Annotated[
        bool, typer.Option("--drop-backup", help="Drop legacy_estimates and legacy_orders, when all is well.")
    ] = False,
    data: Data = None,
) -> None:
    """Take over a database that the earlier backend wrote: every document, with its number and its id.

    Stop the earlier backend and this service first. It can be repeated, and cut off at any moment. docs/adopting.md
    says what becomes of each defect, and how to go back.

    \b
    What would happen to DATABASE_NAME, in place; then do it; then go back:
      pos adopt --dry-run
      pos adopt
      pos adopt --undo
    From another database, of the same server or of another; nothing is changed there:
      pos adopt --from shop --report defects.ndjson
      pos adopt --from mongodb://old.example/shop
    """
    with any_database(command_settings(), data) as settings:
        if undoing:
            _with_client(settings, lambda database: undo(database, settings.store_id))
            console.print("The adoption was undone: the originals are where they were.")
        elif dropping:
            names = _with_client(settings, lambda database: drop_backup(database, settings.store_id))
            console.print(f"Dropped: {', '.join(names) or 'nothing, for the originals lie in another database'}.")
        else:
            _adopt(settings, source, dry_run=dry_run, path=report, unmasked=unmasked, as_json=as_json)


def _adopt(
    settings: Settings, name: str | None, *, dry_run: bool, path: Path | None, unmasked: bool, as_json: bool
) -> None:
    report = Report()

    async def work(database: Database) -> dict[str, Any] | None:
        own = database.delegate
        target = Target(database, settings.store_id, settings.timezone, settings.event_retention_days)
        named = opened_source(name or settings.database_name, own)
        with named as source, _progress() as tell, _written(path, report):
            in_place = is_same(source, own)
            adoption = Adoption(target, own if in_place else source, in_place=in_place, report=report, tell=tell)
            state = await adoption.state()
            if state is not None and state["step"] == "done":
                return dict(state["summary"])
            await (adoption.rehearse() if dry_run else adoption.run())
        return None

    before = _with_client(settings, work)
    if as_json:
        typer.echo(orjson.dumps(before or report.summary(), option=orjson.OPT_INDENT_2).decode())
    elif before is None:
        for line in report.lines(is_masked=not unmasked):
            typer.echo(line)
    if before is not None:
        console.print(f"Store {settings.store_id!r} was adopted before: nothing was done.")
    elif dry_run:
        console.print("Nothing was changed. Without --dry-run this becomes so.")
    else:
        console.print(f"Store {settings.store_id!r} is adopted. `pos verify` checks it, `pos serve` opens it.")


def _with_client(settings: Settings, work: Callable[[Database], Awaitable[Any]]) -> Any:
    """Runs some work on the database as it is: it is not prepared, since it is not ours yet."""

    async def run() -> Any:
        client = connect(settings.mongodb_url or "")
        try:
            await check_deployment(client)
            return await work(client[settings.database_name])
        finally:
            client.close()

    return asyncio.run(run())


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar a step; nothing where there is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = progress.add_task(step, total=total or None)
            progress.update(tasks[step], completed=done)

        yield tell


@contextmanager
def _written(path: Path | None, report: Report) -> Iterator[None]:
    """Writes each defect into a file as it is found."""
    if path is None:
        yield
        return
    with path.open("wb") as file:

        def write(kind: str, own: str, defect: Defect) -> None:
            file.write(orjson.dumps({"kind": kind, "id": own, **defect._asdict()}) + b"\n")

        report.on_defect = write
        yield
