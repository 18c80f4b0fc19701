"""`pos`: the command line."""

import os
import sys
from http import HTTPStatus
from typing import NoReturn

import typer

from app import SERVICE, __version__
from app.commands.adopting import adopt
from app.commands.backups import backup, import_, restore
from app.commands.books import migrate, verify
from app.commands.databases import console
from app.commands.demo import demo
from app.commands.devices import device
from app.commands.doctor import doctor
from app.commands.exporting import export
from app.commands.jobs import jobs
from app.commands.listening import listen
from app.commands.serving import AddressRefused, serve
from app.commands.stores import store
from app.commands.tokens import token
from app.commands.users import user
from app.listener import ListeningRefused
from app.local_mongod import MongodRefused
from app.output import FileRefused, OutputRefused, drop_standard_output, watch_standard_output
from app.settings import InvalidSettings
from repositories.errors import DatabaseRefused, described
from schemas.archive import ArchiveRefused
from schemas.errors import ShopError

cli = typer.Typer(
    name="pos",
    help="The point-of-sale backend: serve it, prepare its database, check its books.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (serve, doctor, migrate, verify, listen, export, import_, backup, restore, adopt, demo):
    # Python keeps the word `import` to itself.
    cli.command(command.__name__.rstrip("_"))(command)
for group in (user, device, token, store, jobs):
    cli.add_typer(group)


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"{SERVICE} {__version__}")


def main() -> None:
    """The `pos` command: what was refused ends in a sentence, not in a traceback."""
    watch_standard_output()
    try:
        cli()
    except (AddressRefused, InvalidSettings, ListeningRefused, MongodRefused, DatabaseRefused) as error:
        _fail(str(error))
    except OutputRefused as error:
        drop_standard_output()
        # A code that says nothing of the shop, as 1 does after `pos doctor`.
        _fail(str(error), os.EX_IOERR)
    except (ArchiveRefused, FileRefused) as error:
        _fail(str(error))
    except ShopError as error:
        # What ails the database, whoever runs commands may know what to do about; a refusal says all there is.
        cause = error.__cause__ if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR else None
        _fail(error.detail if cause is None else f"{error.detail} ({described(cause)})")


def _fail(sentence: str, code: int = 1) -> NoReturn:
    console.print(sentence, style="red", markup=False)
    sys.exit(code)
