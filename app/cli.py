"""`pos`: the command line."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
import uvicorn
from rich.console import Console

from app import SERVICE, __version__
from app.listen import Listener, ListeningRefused, line_of, socket_url
from app.local_mongod import MongodRefused, find_mongod, local_mongod, running_url
from app.server import uvicorn_options
from app.settings import InvalidSettings, Settings, read_settings
from repositories.database import Database, check_deployment, connect
from repositories.errors import DatabaseRefused
from repositories.indexes import prepare
from repositories.verification import verify as find_differences
from schemas.errors import ShopError

LOOPBACK = ("127.0.0.1", "::1", "localhost")

cli = typer.Typer(
    name="pos",
    help="The point-of-sale backend: serve it, prepare its database, check its books.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console(stderr=True, highlight=False)

T = TypeVar("T")


class AddressRefused(RuntimeError):
    """The address cannot be listened on; the message is a sentence that says why and what to do."""


Data = Annotated[Path | None, typer.Option(help="Folder of the local mongod's data.  [default: DATA_DIR, or ./data]")]


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: HOST, or 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65_535, help="[default: PORT, or 8000]")] = None,
    data: Data = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes.  [default: WEB_CONCURRENCY, or 1]")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when the code changes (development).")] = False,
) -> None:
    """Serve the shop. Without MONGODB_URL it starts a MongoDB of its own, and stops it again in the end."""
    settings = _overridden(_settings(), host=host, port=port, workers=workers)
    _check_address(settings)
    with _terminable(), _own_database(settings, data) as ready:
        _announce(ready, is_local=settings.mongodb_url is None)
        # The processes that serve read their settings from the environment, like any other.
        os.environ["MONGODB_URL"] = ready.mongodb_url or ""
        os.environ["PORT"] = str(settings.port)
        uvicorn.run("asgi:app", **uvicorn_options(settings), reload=reload)


@cli.command()
def migrate(data: Data = None) -> None:
    """Create what the database needs (indexes, counters). Safe to repeat, and beside running processes."""
    with _database(_settings(), data) as settings:
        _with_database(settings, _nothing)
    console.print(f"The database [bold]{settings.database_name}[/] is ready.")


@cli.command()
def verify(data: Data = None) -> None:
    """Recompute totals, numbers and links from the raw documents; exit 1 and name the differences, if any."""
    with _database(_settings(), data) as settings:
        differences = _with_database(settings, lambda database: find_differences(database, settings.store_id))
    for difference in differences:
        typer.echo(difference)
    if differences:
        raise typer.Exit(1)
    console.print("No difference: numbers, links, totals and events agree with the documents.")


@cli.command()
def listen(
    since: Annotated[
        str | None, typer.Option(help="Replay what came after this event: its seq.  [default: from now on]")
    ] = None,
    topics: Annotated[
        str | None, typer.Option(help="estimates, orders, estimates/<id>, orders/<id>; several by commas.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
    url: Annotated[str | None, typer.Option(help="The service's address.  [default: PUBLIC_BASE_URL]")] = None,
) -> None:
    """Show the shop's events as they come. After a cut it comes back, and misses and repeats nothing."""
    listener = Listener(
        socket_url(url or _settings().public_base_url),
        since=since,
        topics=[topic.strip() for topic in topics.split(",")] if topics else (),
        tell=lambda sentence: console.print(sentence, style="dim", markup=False),
    )

    async def show() -> None:
        async for event in listener.events():
            typer.echo(orjson.dumps(event).decode() if as_json else line_of(event))

    with suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(show())


@cli.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"{SERVICE} {__version__}")


def main() -> None:
    """The `pos` command: what was refused ends in a sentence, not in a traceback."""
    try:
        cli()
    except (AddressRefused, InvalidSettings, ListeningRefused, MongodRefused, DatabaseRefused) as error:
        _fail(str(error))
    except ShopError as error:
        _fail(error.detail)


def _fail(sentence: str) -> NoReturn:
    console.print(sentence, style="red", markup=False)
    sys.exit(1)


def _settings() -> Settings:
    settings = read_settings()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    return settings


def _overridden(settings: Settings, **options: Any) -> Settings:
    changes = {name: value for name, value in options.items() if value is not None}
    if "port" in changes and "PUBLIC_BASE_URL" not in os.environ:
        changes["public_base_url"] = f"http://127.0.0.1:{changes['port']}"
    return replace(settings, **changes)


@contextmanager
def _database(settings: Settings, data: Path | None) -> Iterator[Settings]:
    """The settings with a database that runs: the one that they name, that of a server that runs on the data folder,
    or the local mongod."""
    running = running_url(_folder(settings, data)) if settings.mongodb_url is None else None
    with _own_database(replace(settings, mongodb_url=running or settings.mongodb_url), data) as ready:
        yield ready


def _folder(settings: Settings, data: Path | None) -> Path:
    return data or Path(settings.data_dir)


@contextmanager
def _own_database(settings: Settings, data: Path | None) -> Iterator[Settings]:
    """The settings with a database that runs: the one that they name, or a local mongod of this process."""
    if settings.mongodb_url is not None:
        yield settings
        return
    if settings.host not in LOOPBACK and not settings.allow_local_mongod:
        raise MongodRefused(
            f"MONGODB_URL is not set, and the local mongod is not for production: set MONGODB_URL, or, to serve on "
            f"{settings.host} from the local mongod all the same, ALLOW_LOCAL_MONGOD=1."
        )
    folder = _folder(settings, data)
    executable = find_mongod(settings.mongod_path)
    with local_mongod(folder, executable=executable) as url:
        yield replace(settings, mongodb_url=url, data_dir=str(folder.resolve()))


def _check_address(settings: Settings) -> None:
    """Whether the address can be listened on, asked before a database is started for it.

    :raises AddressRefused: it is taken, or not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        if error.errno == errno.EADDRINUSE:
            sentence = f"Another program listens on {where}: stop it, or choose another port with PORT or --port."
        else:
            sentence = (
                f"The service cannot listen on {where} ({error.strerror}): choose HOST and PORT, or --host and --port."
            )
        raise AddressRefused(sentence) from error


def _with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    """Runs some work on a prepared database."""

    async def run() -> T:
        client = connect(settings.mongodb_url or "")
        try:
            await check_deployment(client)
            database = client[settings.database_name]
            await prepare(database, settings.store_id, settings.timezone, settings.event_retention_days)
            return await work(database)
        finally:
            client.close()

    return asyncio.run(run())


async def _nothing(database: Database) -> None:
    """`prepare` was all."""


def _announce(settings: Settings, *, is_local: bool) -> None:
    console.print(f"[bold]{SERVICE} {__version__}[/]")
    console.print(f"  HTTP       {settings.public_base_url}")
    console.print(f"  WebSocket  {settings.public_base_url.replace('http', 'ws', 1)}/ws")
    console.print(f"  Board      {settings.public_base_url}/board")
    where = settings.data_dir if is_local else settings.masked()["mongodb_url"]
    console.print(f"  Data       {where}", soft_wrap=True)
    shown = ", ".join(f"{name}={value}" for name, value in settings.masked().items() if name != "mongodb_url")
    console.print(f"  Settings   {shown}", style="dim", soft_wrap=True, markup=False)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends us like an exception, so that the local mongod is stopped on the way out.

    uvicorn raises the signals that it caught once more when it has finished.
    """

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        # The terminal was closed: end in good order, as uvicorn does for SIGTERM but not for SIGHUP.
        signal.raise_signal(signal.SIGTERM)

    handlers = {signal.SIGTERM: leave, signal.SIGINT: leave, signal.SIGHUP: hang_up}
    previous = {sig: signal.signal(sig, handler) for sig, handler in handlers.items()}
    try:
        yield
    finally:
        for sig, handler in previous.items():
            signal.signal(sig, handler)
