"""`pos migrate` and `pos verify`: prepare the database, and check its documents and totals."""

from typing import Annotated

import typer

from app.commands.database import Data, any_database, command_settings, with_database
from app.config.settings import Settings
from app.console.progress import progress
from app.console.terminal import console
from repositories.accounts.secret_key import check_key, replace_key
from repositories.auditing.verification import count_events
from repositories.auditing.verification import verify as find_differences
from repositories.database.client import Database
from repositories.migrations.customer_backfill import build_customers, count_documents
from repositories.migrations.log_conversion import convert_log, count_unconverted
from repositories.migrations.search_terms import build_terms
from repositories.shop.stores import store_names
from schemas.text.phones import currency_region

NewKey = Annotated[
    bool, typer.Option("--new-key", help="Accept a changed SECRET_KEY. All passwords and PINs become invalid.")
]


def migrate(data: Data = None, new_key: NewKey = False) -> None:
    """Create indexes, counters, customers and search terms in each store, and convert older logs. Safe to repeat, also
    beside processes of this version.

    `pos serve` does the same at its start. Use this command to do it before a deployment starts new processes.

    If SECRET_KEY is not the key that the passwords were hashed with, the command refuses, as the service does. With
    --new-key it accepts the new key; each user then needs a new password: `pos user password USERNAME`.
    """
    with any_database(command_settings(), data) as settings:
        with_database(settings, lambda database: _prepared(database, settings, new_key=new_key))
    console.print(f"The database [bold]{settings.database_name}[/] is ready.")


def verify(data: Data = None) -> None:
    """Recompute totals, customers, numbers, links and the hashes of the event log, and compare the documents with the
    log. Print each difference, and exit with 1 if there is one.

    The command reads every document and changes nothing; a large store takes a while. Data that no event records are
    not compared: the lines of an unchanged document, passwords and PINs, and events that retention has deleted.
    """
    with any_database(command_settings(), data) as settings:
        differences = with_database(settings, lambda database: _differences(database, settings.store_id))
    for difference in differences:
        typer.echo(difference)
    if differences:
        raise typer.Exit(1)
    console.print(
        "No difference: numbers, links, totals, customers and messages agree with the documents, the event log is "
        "complete, and the documents agree with it."
    )


async def _differences(database: Database, store: str) -> list[str]:
    with progress(console, "Events", await count_events(database, store)) as advance:
        return await find_differences(database, store, advance)


async def _prepared(database: Database, settings: Settings, *, new_key: bool) -> None:
    keep = replace_key if new_key else check_key
    await keep(database, settings.secret_key)
    stores = await store_names(database)
    unconverted = sum([await count_unconverted(database, store) for store in stores])
    with progress(console, "Log", unconverted) as advance:
        for store in stores:
            await convert_log(database, store, advance)
    documents = sum([await count_documents(database, store) for store in stores])
    with progress(console, "Customers", documents) as advance:
        for store in stores:
            await build_customers(database, store, currency_region(settings.currency), advance)
    with progress(console, "Search", documents) as advance:
        for store in stores:
            await build_terms(database, store, advance)
