"""`pos session`: list and revoke the sessions of users and devices."""

from datetime import datetime
from typing import Annotated

import typer

from app.commands.accounts import administer, show
from app.commands.database import Data
from app.composition.accounts import Accounts
from app.config.settings import Settings
from app.console.terminal import console
from schemas.accounts.documents import Session

session = typer.Typer(name="session", help="List and revoke the sessions of users and devices.", no_args_is_help=True)

OfUser = Annotated[str | None, typer.Option("--user", metavar="USERNAME", help="Sessions of this user.")]
OfDevice = Annotated[
    str | None,
    typer.Option("--device", metavar="ID", help="Sessions of this device, and of users who signed in at it."),
]


@session.command("list")
def list_(username: OfUser = None, device: OfDevice = None, data: Data = None) -> None:
    """List active sessions, each with the name of its token family; tokens are never shown.

    \b
      pos session list
      pos session list --user ravi
    """

    async def work(accounts: Accounts, _: Settings) -> list[Session]:
        return await accounts.sessions.all(await _owner(accounts, username, device))

    rows = [
        (each["family"], each["kind"], each["owner"], each["device"] or "", _time(each["created_at"]), _until(each))
        for each in administer(data, work)
    ]
    show(("family", "kind", "of", "at", "since", "ends"), rows)


@session.command("revoke")
def revoke(
    username: OfUser = None,
    device: OfDevice = None,
    family: Annotated[str | None, typer.Option(help="One session: a family of `pos session list`.")] = None,
    data: Data = None,
) -> None:
    """Revoke the sessions of a user or a device, or one session. A running service follows within five seconds.

    The key of a device is revoked too; add the device again to give it a new key. A user can sign in again; to shut a
    user out, use `pos user remove`, or `pos user password`.

    \b
      pos session revoke --user ravi
      pos session revoke --device DEVICE-01KAX3…
      pos session revoke --family 5f0c2b9a77d1e3c4
    """
    if sum(each is not None for each in (username, device, family)) != 1:
        raise typer.BadParameter("Name one of --user, --device and --family.")

    async def work(accounts: Accounts, _: Settings) -> int:
        if family is not None:
            return await accounts.sessions.end(family)
        return await accounts.sessions.end_all(await _owner(accounts, username, device) or "")

    ended = administer(data, work)
    console.print(f"{ended} {'token was' if ended == 1 else 'tokens were'} revoked.")
    if not ended:
        raise typer.Exit(1)


async def _owner(accounts: Accounts, username: str | None, device: str | None) -> str | None:
    if username is not None:
        return str((await accounts.users.find_by_login(username.casefold()))["_id"])
    return device


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _until(row: Session) -> str:
    return "until revoked" if row["expires_at"] is None else _time(row["expires_at"])
