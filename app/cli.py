"""`pos`: the command line."""

import os
import sys
from collections import UserDict
from http import HTTPStatus
from importlib import import_module
from typing import Any, Final, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_group

from app.console.output import OutputRefused, drop_standard_output, watch_standard_output
from app.console.terminal import console
from app.refusals import Refused
from repositories.database.errors import DatabaseRefused, safe_error_text
from schemas.archive.format import ArchiveRefused
from schemas.core.errors import ShopError

#: Each command, in the order of `pos --help`, and the module of `app.commands` that has it.
MODULES: Final = {
    "serve": "serve",
    "doctor": "doctor",
    "migrate": "verify",
    "verify": "verify",
    "listen": "listen",
    "export": "export",
    "import": "backup",
    "backup": "backup",
    "restore": "backup",
    "adopt": "adopt",
    "demo": "demo",
    "version": "version",
    "user": "user",
    "device": "device",
    "token": "token",
    "store": "store",
    "jobs": "jobs",
}


class _Commands(UserDict[str, Any]):
    """The commands by name. A module is imported when one of its commands is looked up: a command does not wait for
    what only others need."""

    def __getitem__(self, name: str) -> Any:
        module = import_module(f"app.commands.{super().__getitem__(name)}")
        # Python keeps the word `import` to itself.
        command = getattr(module, "import_" if name == "import" else name)
        group = typer.Typer()
        if isinstance(command, typer.Typer):
            group.add_typer(command)
        else:
            group.command(name)(command)
        return get_group(group).commands[name]


class _LazyGroup(TyperGroup):
    """A group that imports each command at its first use."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = _Commands(MODULES)


cli = typer.Typer(
    name="pos", cls=_LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@cli.callback()
def _pos() -> None:
    """The point-of-sale backend: serve it, prepare its database, check its books."""


def main() -> None:
    """The `pos` command: what was refused ends in a sentence, not in a traceback."""
    watch_standard_output()
    try:
        cli()
    except OutputRefused as error:
        drop_standard_output()
        # A code that says nothing of the shop, as 1 does after `pos doctor`.
        _fail(str(error), os.EX_IOERR)
    except (Refused, DatabaseRefused, ArchiveRefused) as error:
        _fail(str(error))
    except ShopError as error:
        # What ails the database, whoever runs commands may know what to do about; a refusal says all there is.
        cause = error.__cause__ if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
        _fail(error.detail if cause is None else f"{error.detail} ({safe_error_text(cause)})")


def _fail(sentence: str, code: int = 1) -> NoReturn:
    console.print(sentence, style="red", markup=False)
    sys.exit(code)
