"""`pos messages`: list messages to customers, retry them, drop them."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from app.clock import utc_now
from app.commands.accounts import show
from app.commands.database import Data, any_database, command_settings, with_database
from app.config.settings import Settings
from app.console.terminal import console
from repositories.database.client import Database
from repositories.database.errors import NoSuchStore
from repositories.journal.journal import Journal
from repositories.messaging.messages import MessageRepository
from repositories.shop.stores import store_exists
from schemas.core.documents import Document
from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.requests import MessageListing
from schemas.messaging.states import FAILED, QUEUED, SENDING, STATES, UNKNOWN

messages = typer.Typer(name="messages", help="List messages to customers, retry them, drop them.", no_args_is_help=True)

Store = Annotated[str | None, typer.Option(help="Store of the messages.  \\[default: STORE_ID]")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the message, as in `pos messages list`.")]

_MOST_SHOWN: Final = 500
#: The states that an operator may want to act on.
_NOTABLE: Final = (QUEUED, SENDING, FAILED, UNKNOWN)

T = TypeVar("T")


@messages.command("list")
def list_(
    state: Annotated[str | None, typer.Option(help=f"Only messages in this state: {', '.join(STATES)}.")] = None,
    store: Store = None,
    data: Data = None,
) -> None:
    """List messages that wait, failed or have an unknown result; or all in one state. Newest first, without recipients.

    \b
      pos messages list
      pos messages list --state unknown
    """
    if state is not None and state not in STATES:
        raise typer.BadParameter(f"--state must be one of {', '.join(STATES)}.")

    async def work(messages: MessageRepository) -> list[Document]:
        page = await messages.page(MessageListing(_MOST_SHOWN, states=_NOTABLE if state is None else (state,)))
        return page.items

    show(
        ("id", "state", "tries", "next try (UTC)", "error", "about"), [_row(each) for each in _with(data, store, work)]
    )


@messages.command()
def retry(
    message_id: Id,
    anyway: Annotated[bool, typer.Option("--anyway", help="Also if the message may have been sent already.")] = False,
    store: Store = None,
    data: Data = None,
) -> None:
    """Send a message again that failed, was dropped or has an unknown result. A running service sends it at once.

    \b
      pos messages retry MSG-01KAX3…
    """
    _with(data, store, lambda messages: messages.retry(message_id, is_sure=anyway, actor=SERVICE_ACTOR))
    console.print(f"{message_id} will be sent.", markup=False)


@messages.command()
def drop(message_id: Id, store: Store = None, data: Data = None) -> None:
    """Drop a message: it is not sent, and `pos messages list` no longer shows it.

    \b
      pos messages drop MSG-01KAX3…
    """
    _with(data, store, lambda messages: messages.cancel(message_id, actor=SERVICE_ACTOR))
    console.print(f"{message_id} was dropped.", markup=False)


def _with(data: Path | None, store: str | None, work: Callable[[MessageRepository], Awaitable[T]]) -> T:
    with any_database(command_settings(), data) as settings:
        return with_database(settings, lambda database: _on_messages(settings, database, store, work))


async def _on_messages(
    settings: Settings, database: Database, store: str | None, work: Callable[[MessageRepository], Awaitable[T]]
) -> T:
    name = store or settings.store_id
    if not await store_exists(database, name):
        raise NoSuchStore(f"There is no store {name!r}.")
    journal = Journal(database, store=name, zone=settings.timezone, clock=utc_now)
    try:
        return await work(MessageRepository(database, name, settings.store_id, journal, utc_now))
    finally:
        await journal.close()


def _row(message: Document) -> tuple[str, ...]:
    due = f"{message['due_at']:%Y-%m-%d %H:%M:%S}" if message["state"] == QUEUED else ""
    error = "" if message["error"] is None else f"{message['error']['code']}: {message['error']['reason']}"
    return (message["_id"], message["state"], str(message["tries"]), due, error, message["document_id"] or "")
