"""`pos migrate` and `pos verify`: the database made ready, and its books checked."""

import typer

from app.commands.databases import Data, any_database, command_settings, console, with_database
from app.progress import progress
from app.settings import Settings
from repositories.customer_building import build_customers, count_documents
from repositories.database import Database
from repositories.verification import count_events
from repositories.verification import verify as find_differences
from schemas.phones import region_of


def migrate(data: Data = None) -> None:
    """Create what the database needs (indexes, counters, customers). Safe to repeat, and beside running processes.

    `pos serve` does so by itself; this is for a deployment that wants it done before the new processes start.
    """
    with any_database(command_settings(), data) as settings:
        with_database(settings, lambda database: _customers(database, settings))
    console.print(f"The database [bold]{settings.database_name}[/] is ready.")


def verify(data: Data = None) -> None:
    """Recompute totals, customers, numbers, links and the hashes of the event log from what is stored, and compare the
    documents with what the log says of them; exit 1 and name the differences, if any.

    It reads every document, so a large store takes a while; it changes nothing. What no event tells of is not compared:
    the lines of a bill that nobody changed, passwords and PINs, and what retention has taken out of the log.
    """
    with any_database(command_settings(), data) as settings:
        differences = with_database(settings, lambda database: _differences(database, settings.store_id))
    for difference in differences:
        typer.echo(difference)
    if differences:
        raise typer.Exit(1)
    console.print(
        "No difference: numbers, links, totals, customers and messages agree with the documents, the event log is "
        "whole, and the documents are what it says of them."
    )


async def _differences(database: Database, store: str) -> list[str]:
    with progress(console, "Events", await count_events(database, store)) as advance:
        return await find_differences(database, store, advance, console.print)


async def _customers(database: Database, settings: Settings) -> None:
    store = settings.store_id
    with progress(console, "Customers", await count_documents(database, store)) as advance:
        await build_customers(database, store, region_of(settings.currency), advance)
