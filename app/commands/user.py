"""`pos user`: manage the users who may sign in."""

import sys
from typing import Annotated, Any

import typer

from app.commands.accounts import AllStores, Role, Store, administer, belonging, show
from app.commands.database import Data
from app.composition.accounts import Accounts
from app.config.settings import Settings
from app.console.terminal import console
from schemas.accounts.accounts import UserBody
from schemas.accounts.documents import AccountFields, User, UserChanges, UserFields
from schemas.core.principals import FIRST_OWNER_ID, SERVICE_ACTOR
from schemas.fields.validation import load_body
from schemas.text.folding import ascii_digits, name_key

user = typer.Typer(name="user", help="Manage the users who may sign in.", no_args_is_help=True)

Username = Annotated[str, typer.Argument(metavar="USERNAME", help="Name to sign in with, in upper or lower case.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password and the PIN from the standard input, one a line.")
]


@user.command("add")
def add(
    username: Username,
    role: Annotated[Role, typer.Option(help="Role, which decides what the user may do.")] = Role.CASHIER,
    name: Annotated[str | None, typer.Option(help="Name to show.  \\[default: USERNAME]")] = None,
    store: Store = None,
    everywhere: AllStores = False,
    with_pin: Annotated[bool, typer.Option("--pin", help="Also ask for a PIN, for sign-in at a device.")] = False,
    no_password: Annotated[bool, typer.Option("--no-password", help="Set a PIN only.")] = False,
    from_stdin: FromStdin = False,
    data: Data = None,
) -> None:
    """Add a user. The password is asked for, since other users of the machine could read an argument.

    The first owner takes over the new service, and belongs to all stores.

    \b
    The first owner, then a cashier who also has a PIN for the tablets:
      pos user add asha --role owner
      pos user add ravi --name "Ravi Kumar" --pin
    From a script:
      pass shop/asha | pos user add asha --role owner --password-stdin
    An owner of one store among several:
      pos user add meena --role owner --store north
    """
    password, pin = _secrets(password=not no_password, pin=with_pin or no_password, from_stdin=from_stdin)

    async def work(accounts: Accounts, settings: Settings) -> tuple[User, bool]:
        claims = role == Role.OWNER and not await accounts.users.is_set_up()
        if claims and store is not None:
            raise typer.BadParameter("The first owner belongs to all stores: leave --store out.")
        body: dict[str, Any] = load_body(UserBody(), {"username": username, "name": name or username, "role": role})
        where = None if claims else belonging(store, everywhere, settings)
        account: AccountFields = {"name": body["name"], "role": body["role"], "belongs_to": where}
        draft: UserFields = {**account, "login": body["username"], "password": password, "pin": pin}
        return await accounts.users.add(draft, SERVICE_ACTOR, FIRST_OWNER_ID if claims else None), claims

    made, claims = administer(data, work)
    where = "all stores" if made["belongs_to"] is None else f"store {made['belongs_to']}"
    console.print(f"{made['login']} ({made['role']}, {where}) can sign in now.", markup=False)
    if claims:
        console.print("The first owner is set.")


@user.command("list")
def list_(data: Data = None) -> None:
    """List the users of all stores."""

    async def work(accounts: Accounts, _: Settings) -> list[User]:
        return await accounts.users.all(None)

    rows = [
        (
            each.get("login", ""),
            each["name"],
            each["role"],
            each["belongs_to"] or "all",
            _signs_in_with(each),
            each["_id"],
        )
        for each in administer(data, work)
    ]
    show(("username", "name", "role", "store", "signs in with", "id"), rows)


@user.command("remove")
def remove(username: Username, data: Data = None) -> None:
    """Remove a user: the user cannot sign in any more, and all sessions are revoked.

    A running service follows within five seconds. The last owner of all stores cannot be removed.

    \b
      pos user remove ravi
    """

    async def work(accounts: Accounts, _: Settings) -> None:
        await accounts.users.end(await accounts.users.find_by_login(name_key(username)), SERVICE_ACTOR)

    administer(data, work)
    console.print(f"{username} was removed.", markup=False)


@user.command("password")
def password(
    username: Username,
    pin: Annotated[bool, typer.Option("--pin", help="Change the PIN instead of the password.")] = False,
    from_stdin: FromStdin = False,
    data: Data = None,
) -> None:
    """Change the password or the PIN of a user, and revoke all sessions of the user.

    \b
      pos user password ravi
      pos user password ravi --pin
      pass shop/ravi | pos user password ravi --password-stdin
    """
    new_password, new_pin = _secrets(password=not pin, pin=pin, from_stdin=from_stdin)
    changes: UserChanges = {"pin": new_pin} if pin else {"password": new_password}

    async def work(accounts: Accounts, _: Settings) -> None:
        await accounts.users.change(await accounts.users.find_by_login(name_key(username)), changes, SERVICE_ACTOR)

    administer(data, work)
    console.print(f"{username} has a new {'PIN' if pin else 'password'}.", markup=False)


def _secrets(*, password: bool, pin: bool, from_stdin: bool) -> tuple[str | None, str | None]:
    """Ask for the password and the PIN without echo, or read them from the standard input."""
    return (
        _secret("Password", from_stdin) if password else None,
        ascii_digits(_secret("PIN, six digits", from_stdin)) if pin else None,
    )


def _secret(prompt: str, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True))


def _signs_in_with(account: User) -> str:
    return ", ".join(name for name in ("password", "pin") if account.get(name) is not None) or "nothing"
