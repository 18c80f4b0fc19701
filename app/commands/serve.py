"""`pos serve`: run the service."""

import errno
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn

from app import SERVICE, __version__
from app.commands.database import Data, command_settings, own_database
from app.config.addresses import try_to_listen
from app.config.settings import Settings
from app.config.sign_in_mode import described, refuse_unsafe
from app.console.terminal import console
from app.refusals import Refused
from app.server.open_files import raise_limit
from app.server.uvicorn_options import uvicorn_options


class AddressRefused(Refused):
    """The service cannot listen on the address; the message says why and what to do."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  \\[default: HOST, or 127.0.0.1]")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65_535, help="Port to listen on, also in a default PUBLIC_BASE_URL.  \\[default: PORT, or 8000]"
        ),
    ] = None,
    data: Data = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Number of processes.  \\[default: WEB_CONCURRENCY, or 1]")
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Restart when the code changes, for development.")] = False,
) -> None:
    """Run the service. Without MONGODB_URL it starts a local MongoDB, and stops it at the end.

    \b
    On this machine, with a database in ./data; on another port and folder; with the generated store of `pos demo`:
      pos serve
      pos serve --port 8080 --data ~/shop
      STORE_ID=demo pos serve
    Reachable from other machines, on your own database:
      MONGODB_URL=mongodb+srv://… PUBLIC_BASE_URL=https://shop.example.com SECRET_KEY=… pos serve --host 0.0.0.0

    On a loopback address the service is open. On any other address users must sign in. See docs/security.md.
    """
    settings = _overridden(command_settings(), host=host, port=port, workers=workers)
    _check_address(settings)
    refuse_unsafe(settings)
    # The local mongod inherits the limit.
    raise_limit()
    with _terminable(), own_database(settings, data) as ready:
        _announce(ready, is_local=settings.mongodb_url is None)
        # The worker processes read their settings from the environment.
        os.environ["MONGODB_URL"] = ready.mongodb_url or ""
        os.environ["HOST"], os.environ["PORT"] = settings.host, str(settings.port)
        uvicorn.run("asgi:app", **uvicorn_options(settings), reload=reload)


def _overridden(settings: Settings, **options: Any) -> Settings:
    changes = {name: value for name, value in options.items() if value is not None}
    # An empty variable counts as unset, as in the settings.
    named = any(os.environ.get(name, "").strip() for name in ("PUBLIC_BASE_URL", "RENDER_EXTERNAL_URL"))
    if "port" in changes and not named:
        changes["public_base_url"] = f"http://127.0.0.1:{changes['port']}"
    return replace(settings, **changes)


def _check_address(settings: Settings) -> None:
    """Check that the service can listen on the address, before a database is started.

    :raises AddressRefused: another program has the address, or it is not an address of this machine.
    """
    try:
        try_to_listen(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        if error.errno == errno.EADDRINUSE:
            sentence = f"Another program listens on {where}: stop it, or choose another port with PORT or --port."
        else:
            sentence = (
                f"The service cannot listen on {where} ({error.strerror}): choose HOST and PORT, or --host and --port."
            )
        raise AddressRefused(sentence) from error


def _announce(settings: Settings, *, is_local: bool) -> None:
    console.print(f"[bold]{SERVICE} {__version__}[/]")
    console.print(f"  HTTP       {settings.public_base_url}")
    console.print(f"  WebSocket  {settings.public_base_url.replace('http', 'ws', 1)}/ws")
    console.print(f"  Board      {settings.public_base_url}/board")
    where = settings.data_dir if is_local else settings.masked()["mongodb_url"]
    console.print(f"  Data       {where}", soft_wrap=True)
    console.print(f"  Sign-in    {described(settings)}")
    shown = ", ".join(f"{name}={value}" for name, value in settings.masked().items() if name != "mongodb_url")
    console.print(f"  Settings   {shown}", style="dim", soft_wrap=True, markup=False)


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into SystemExit, so that the local mongod is stopped on the way out.

    uvicorn raises the signals that it caught again when it has finished.
    """

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    def hang_up(_number: int, _frame: FrameType | None) -> None:
        # The terminal was closed. uvicorn shuts down cleanly for SIGTERM, but not for SIGHUP.
        signal.raise_signal(signal.SIGTERM)

    handlers = {signal.SIGTERM: leave, signal.SIGINT: leave, signal.SIGHUP: hang_up}
    previous = {sig: signal.signal(sig, handler) for sig, handler in handlers.items()}
    try:
        yield
    finally:
        for sig, handler in previous.items():
            signal.signal(sig, handler)
