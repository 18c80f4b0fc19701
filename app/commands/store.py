"""`pos store`: manage the stores of a database."""

from typing import Annotated

import typer

from app.commands.database import Data, any_database, command_settings, with_database
from app.config import validators as values
from app.console.terminal import console
from repositories.database.client import Database
from repositories.migrations.indexes import prepare
from repositories.shop.stores import store_exists, store_names

store = typer.Typer(name="store", help="Manage the stores of the database.", no_args_is_help=True)


def _is_a_store(name: str) -> str:
    name = name.strip()
    if not values.STORE.fullmatch(name):
        raise typer.BadParameter("must have 1 to 64 letters, digits, - or _.")
    return name


@store.command()
def add(name: Annotated[str, typer.Argument(callback=_is_a_store, help="Its name.")], data: Data = None) -> None:
    """Add a store, with the time zone of the settings. An existing store is not changed.

    \b
      pos store add market-street
    """

    async def found(database: Database) -> bool:
        is_there = await store_exists(database, name)
        await prepare(database, name, settings.timezone, settings.event_retention_days)
        return is_there

    with any_database(command_settings(), data) as settings:
        is_there = with_database(settings, found, prepared=False)
    console.print(f"Store {name!r} {'exists already' if is_there else 'was added'}.", markup=False)


@store.command("list")
def list_(data: Data = None) -> None:
    """List the stores, one a line.

    \b
      pos store list
    """
    with any_database(command_settings(), data) as settings:
        names = with_database(settings, store_names, prepared=False)
    for name in names:
        typer.echo(name)
