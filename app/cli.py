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
    "import-legacy": "import_legacy",
    "demo": "demo",
    "version": "version",
    "user": "user",
    "device": "device",
    "session": "session",
    "store": "store",
    "messages": "messages",
}
#: Earlier names of commands. They work, but `pos --help` does not show them.
ALIASES: Final = {"adopt": "import-legacy"}


class _Commands(UserDict[str, Any]):
    """The commands by name. Each lookup imports the module of that command only, so that a command starts quickly."""

    def __getitem__(self, name: str) -> Any:
        module = import_module(f"app.commands.{super().__getitem__(name)}")
        # `import` is a keyword of Python.
        command = getattr(module, "import_" if name == "import" else name.replace("-", "_"))
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

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name or its earlier name."""
        return super().get_command(ctx, ALIASES.get(cmd_name, cmd_name))


cli = typer.Typer(
    name="pos", cls=_LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@cli.callback()
def _pos() -> None:
    """Run the point-of-sale backend, prepare its database and check its books."""


def main() -> None:
    """Run the `pos` command. An expected error ends in one sentence, not in a traceback."""
    watch_standard_output()
    try:
        cli()
    except OutputRefused as error:
        drop_standard_output()
        # Not 1, which means "something is wrong in the shop" after `pos doctor` and `pos verify`.
        _fail(str(error), os.EX_IOERR)
    except (Refused, DatabaseRefused, ArchiveRefused) as error:
        _fail(str(error))
    except ShopError as error:
        # An operator can act on the cause of a database error. A refusal is complete without its cause.
        cause = error.__cause__ if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
        _fail(error.detail if cause is None else f"{error.detail} ({safe_error_text(cause)})")


def _fail(sentence: str, code: int = 1) -> NoReturn:
    console.print(sentence, style="red", markup=False)
    sys.exit(code)
