"""`pos listen`: print events as they happen."""

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

#: The variable that has the token. Other users of the machine could read an argument of the command line.
VARIABLE: Final = "POS_TOKEN"


def listen(
    since: Annotated[
        str | None, typer.Option(help="First replay the events after this sequence number.  \\[default: from now on]")
    ] = None,
    topics: Annotated[
        str | None, typer.Option(help="Only these topics, by commas: estimates, orders, messages, orders/<id>.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
    url: Annotated[str | None, typer.Option(help="Address of the service.  \\[default: PUBLIC_BASE_URL]")] = None,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read the token from the first line of the standard input.")
    ] = False,
) -> None:
    """Print the events of the store as they happen. After a disconnect it resumes without a gap or a repetition.

    If the service requires sign-in, set POS_TOKEN to an access token or a device key, or pass it on the standard input.

    \b
    From now on; all events after 813; orders only, for another program:
      pos listen
      pos listen --since 813
      pos listen --topics orders --json | jq .data.total
    From a service on another machine:
      pos listen --url https://shop.example.com
    With a device key from a file, or from the clipboard:
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

    with suppress(KeyboardInterrupt):
        asyncio.run(show())


def _address(url: str) -> str:
    """Return the WebSocket address of a service; raise BadParameter if it is invalid."""
    try:
        return socket_url(url)
    except ListeningRefused as error:
        raise typer.BadParameter(str(error), param_hint="--url") from None
