"""`pos listen`."""

import asyncio
import os
import sys
from contextlib import aclosing, suppress
from typing import Annotated, Final

import orjson
import typer

from app.commands.database import command_settings
from app.console.event_listener import Listener, ListeningRefused, line_of, socket_url
from app.console.terminal import console

#: Where the token is looked for. Never on the command line, which others on the machine can read.
VARIABLE: Final = "POS_TOKEN"


def listen(
    since: Annotated[
        str | None, typer.Option(help="Replay what came after this event: its seq.  \\[default: from now on]")
    ] = None,
    topics: Annotated[
        str | None, typer.Option(help="estimates, orders, messages, or one as orders/<id>; several by commas.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
    url: Annotated[str | None, typer.Option(help="The service's address.  \\[default: PUBLIC_BASE_URL]")] = None,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the token from the first line of the input.")
    ] = False,
) -> None:
    """Show the shop's events as they come. After a cut it comes back, and misses and repeats nothing.

    Where people sign in, it takes the token or the device's key from POS_TOKEN, or from its input.

    \b
    From now on; everything since event 813; the orders alone, for another program:
      pos listen
      pos listen --since 813
      pos listen --topics orders --json | jq .data.total
    Of a shop elsewhere:
      pos listen --url https://shop.example.com
    Where people sign in, with a device's key from a file, or from the clipboard:
      POS_TOKEN=$(cat till.key) pos listen
      xclip -o | pos listen --token-stdin
    """
    listener = Listener(
        _address(url or command_settings().public_base_url),
        since=since,
        topics=[topic.strip() for topic in topics.split(",")] if topics else (),
        token=sys.stdin.readline().strip() if token_stdin else os.environ.get(VARIABLE, "").strip() or None,
        tell=lambda sentence: console.print(sentence, style="dim", markup=False),
    )

    async def show() -> None:
        async with aclosing(listener.events()) as events:
            async for event in events:
                typer.echo(orjson.dumps(event).decode() if as_json else line_of(event))

    with suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(show())


def _address(url: str) -> str:
    """:raises BadParameter: it is none."""
    try:
        return socket_url(url)
    except ListeningRefused as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
