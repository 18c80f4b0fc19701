"""`pos doctor`: check settings, machine and database."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.text import Text

from app.commands.database import Data
from app.config.settings import Settings, WrongSettings, read_settings
from app.diagnostics.database_checks import check_database, unreachable_finding
from app.diagnostics.findings import Finding, Level, warning
from app.diagnostics.machine import Machine, data_folder
from app.diagnostics.machine_checks import check_machine, check_settings
from repositories.diagnostics.inspection import Unreachable, inspecting

_ROOT: Final = Path(__file__).parents[2]
_STYLES: Final = {Level.OK: "green", Level.WARNING: "yellow", Level.WRONG: "bold red"}


def doctor(
    data: Data = None, as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False
) -> None:
    """Check settings, machine and database, and suggest corrections. Exit with 1 if anything is wrong.

    The checks take at most about fifteen seconds. Run them beside the service, with the same environment. The data of
    the store are only read. To test writes, transactions and change streams, a collection doctor_… is created in
    DATABASE_NAME and dropped again.

    \b
      pos doctor
      MONGODB_URL=mongodb+srv://… pos doctor --json
    """
    findings = _findings(data)
    if as_json:
        content = [{**finding._asdict(), "level": str(finding.level)} for finding in findings]
        typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
    else:
        console = Console(highlight=False)
        for finding in findings:
            _show(console, finding)
    if any(finding.level is Level.WRONG for finding in findings):
        raise typer.Exit(1)


def _findings(data: Path | None) -> list[Finding]:
    try:
        settings, problems = read_settings(), {}
    except WrongSettings as error:
        settings, problems = error.rest, dict(error.problems)
    machine = Machine(settings, data or Path(settings.data_dir), _ROOT)
    # If the address is invalid, the local mongod that replaces it here is not the store's.
    of_database = () if "MONGODB_URL" in problems else _findings_of_database(settings, machine)
    return [
        *check_settings(settings, problems),
        *check_machine(settings, lambda collect: collect(machine)),
        *of_database,
    ]


def _findings_of_database(settings: Settings, machine: Machine) -> Iterator[Finding]:
    folder = None if settings.mongodb_url else data_folder(machine)
    url = settings.mongodb_url if folder is None else folder.running_url
    if url is None:
        message = "MONGODB_URL is not set, and the local mongod does not run, so its data were not looked at."
        yield Finding("database", *warning(message, "Start `pos serve`, and run this beside it."))
        return
    try:
        with inspecting(url, settings.database_name, settings.store_id, settings.event_retention_days) as inspection:
            yield from check_database(replace(settings, mongodb_url=url), inspection.get, datetime.now(UTC))
    except Unreachable as error:
        yield unreachable_finding(error)


def _show(console: Console, finding: Finding) -> None:
    """Print a finding, and its remedy if there is one."""
    line = Text.assemble(
        (f"{finding.level:8}", _STYLES[finding.level]), (f"{finding.check}: ", "bold"), finding.message
    )
    console.print(line, soft_wrap=True)
    if finding.remedy:
        console.print(f"{'':8}-> {finding.remedy}", soft_wrap=True, markup=False)
