"""`pos token`: what people and devices are signed in with."""

from typing import Annotated

import typer

from app.commands.accounts import administer, show
from app.commands.database import Data
from app.composition.accounts import Accounts
from app.config.settings import Settings
from app.console.terminal import console
from schemas.core.documents import Document

token = typer.Typer(name="token", help="What people and devices are signed in with.", no_args_is_help=True)

OfUser = Annotated[str | None, typer.Option("--user", metavar="USERNAME", help="Of this user.")]
OfDevice = Annotated[str | None, typer.Option("--device", metavar="ID", help="Of this device, and made at it.")]


@token.command("list")
def list_(username: OfUser = None, device: OfDevice = None, data: Data = None) -> None:
    """Show the sign-ins that are not over, one a line, by the name of their family; never a token.

    \b
      pos token list
      pos token list --user ravi
    """

    async def work(accounts: Accounts, _: Settings) -> list[Document]:
        return await accounts.sessions.all(await _owner(accounts, username, device))

    rows = [
        (each["family"], each["kind"], each["owner"], each["device"] or "", _time(each, "created_at"), _until(each))
        for each in administer(data, work)
    ]
    show(("family", "kind", "of", "at", "since", "ends"), rows)


@token.command("revoke")
def revoke(
    username: OfUser = None,
    device: OfDevice = None,
    family: Annotated[str | None, typer.Option(help="One sign-in, as `pos token list` names it.")] = None,
    data: Data = None,
) -> None:
    """End sign-ins: of a user, of a device, or a single one. A running service follows within five seconds.

    Of a device the key, too: it has to be enrolled anew. A user keeps the password; to shut somebody out, take them
    out with `pos user remove`, or give them another password.

    \b
      pos token revoke --user ravi
      pos token revoke --device DEVICE-01KAX3…
      pos token revoke --family 5f0c2b9a77d1e3c4
    """
    if sum(each is not None for each in (username, device, family)) != 1:
        raise typer.BadParameter("Name one of --user, --device and --family.")

    async def work(accounts: Accounts, _: Settings) -> int:
        if family is not None:
            return await accounts.sessions.end(family)
        return await accounts.sessions.end_all_of(await _owner(accounts, username, device) or "")

    ended = administer(data, work)
    console.print(f"{ended} {'token was' if ended == 1 else 'tokens were'} revoked.")
    if not ended:
        raise typer.Exit(1)


async def _owner(accounts: Accounts, username: str | None, device: str | None) -> str | None:
    if username is not None:
        return str((await accounts.users.by_login(username.casefold()))["_id"])
    return device


def _time(row: Document, name: str) -> str:
    return f"{row[name]:%Y-%m-%d %H:%M} UTC"


def _until(row: Document) -> str:
    return "until revoked" if row["expires_at"] is None else _time(row, "expires_at")
