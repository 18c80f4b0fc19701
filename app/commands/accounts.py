"""The base of the commands for users, devices and sessions, which work with and without a running service."""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from app.clock import utc_now
from app.commands.database import any_database, command_settings, with_database
from app.composition.accounts import Accounts
from app.config.settings import Settings
from repositories.accounts.secret_key import check_key
from repositories.database.client import Database
from repositories.database.errors import NoSuchStore
from repositories.journal.journal import Journal
from repositories.shop.stores import store_exists
from schemas.core.principals import CASHIER, OWNER, VIEWER

Store = Annotated[str | None, typer.Option(help="Store to belong to.  \\[default: STORE_ID]")]
AllStores = Annotated[bool, typer.Option("--all-stores", help="Belong to every store.")]

T = TypeVar("T")


class Role(StrEnum):
    OWNER = OWNER
    CASHIER = CASHIER
    VIEWER = VIEWER


def administer(data: Path | None, work: Callable[[Accounts, Settings], Awaitable[T]]) -> T:
    with any_database(command_settings(), data) as settings:
        return with_database(settings, lambda database: _with_accounts(settings, database, work))


async def _with_accounts(
    settings: Settings, database: Database, work: Callable[[Accounts, Settings], Awaitable[T]]
) -> T:
    await check_key(database, settings.secret_key)
    journals: dict[str, Journal] = {}

    async def journal_of(name: str) -> Journal:
        if name not in journals:
            if not await store_exists(database, name):
                raise NoSuchStore(f"There is no store {name!r}.")
            journals[name] = Journal(database, store=name, zone=settings.timezone, clock=utc_now)
        return journals[name]

    accounts = Accounts(settings, database, utc_now, journal_of)
    try:
        return await work(accounts, settings)
    finally:
        for journal in journals.values():
            await journal.close()
        accounts.close()


def belonging(store: str | None, everywhere: bool, settings: Settings) -> str | None:
    """Return the store that a user or device will belong to; None for all stores."""
    if store is not None and everywhere:
        raise typer.BadParameter("--store and --all-stores do not go together.")
    return None if everywhere else (store or "").strip() or settings.store_id


def show(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print a table. Cells are never cut to the terminal's width, since ids are copied from them."""
    lines = [columns, *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
