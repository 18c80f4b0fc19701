"""The settings and the database of a command."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from app.config.settings import Settings, read_settings
from app.config.sign_in_mode import LOCAL_MONGOD
from app.database.local_mongod import MongodRefused, find_mongod, local_mongod, running_url
from repositories.database.client import Database, check_deployment, close_in_background, connect
from repositories.database.errors import translate_errors
from repositories.migrations.indexes import prepare

Data = Annotated[Path | None, typer.Option(help="Data folder of the local mongod.  \\[default: DATA_DIR, or ./data]")]

T = TypeVar("T")


def command_settings() -> Settings:
    settings = read_settings()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return settings


@contextmanager
def any_database(settings: Settings, data: Path | None) -> Iterator[Settings]:
    """Yield the settings with the address of a database: that of MONGODB_URL, that of a server that runs on the data
    folder, or a local mongod of this process."""
    running = running_url(_folder(settings, data)) if settings.mongodb_url is None else None
    with own_database(replace(settings, mongodb_url=running or settings.mongodb_url), data) as ready:
        yield ready


def _folder(settings: Settings, data: Path | None) -> Path:
    return data or Path(settings.data_dir)


@contextmanager
def own_database(settings: Settings, data: Path | None) -> Iterator[Settings]:
    """Yield the settings with the address of a database: that of MONGODB_URL, or a local mongod of this process."""
    if settings.mongodb_url is not None:
        yield settings
        return
    if not settings.is_local and not settings.allow_local_mongod:
        raise MongodRefused(f"MONGODB_URL {LOCAL_MONGOD}")
    folder = _folder(settings, data)
    executable = find_mongod(settings.mongod_path)
    with local_mongod(folder, executable=executable) as url:
        yield replace(settings, mongodb_url=url, data_dir=str(folder.resolve()))


def with_database(settings: Settings, work: Callable[[Database], Awaitable[T]], *, prepared: bool = True) -> T:
    """Run a coroutine on the database.

    :param prepared: whether to create what the store needs first.
    :raises DatabaseRefused: the database cannot be used.
    :raises Unavailable: the database does not answer any more.
    """

    async def run() -> T:
        client = connect(settings.mongodb_url or "")
        try:
            await check_deployment(client)
            database = client[settings.database_name]
            if prepared:
                await prepare(database, settings.store_id, settings.timezone, settings.event_retention_days)
            with translate_errors():
                return await work(database)
        finally:
            close_in_background(client)

    return asyncio.run(run())
