"""`pos device`: the tablets and tills that have a key of their own."""

from typing import Annotated

import typer

from app.commands.accounts import AllStoresReports, Role, Store, administer, belonging, show
from app.commands.database import Data
from app.composition.accounts import Accounts
from app.config.settings import Settings
from app.console.terminal import console
from repositories.accounts.credentials import KEY
from schemas.accounts.accounts import DeviceBody
from schemas.core.documents import Document
from schemas.core.principals import THE_SERVICE, role_of_device
from schemas.fields.validation import load_body

device = typer.Typer(name="device", help="The tablets and tills that have a key of their own.", no_args_is_help=True)


@device.command("add")
def add(
    name: Annotated[str, typer.Argument(help="As people know it.")],
    role: Annotated[Role, typer.Option(help="Whose device it is: what it may do.")] = Role.CASHIER,
    store: Store = None,
    everywhere: AllStoresReports = False,
    data: Data = None,
) -> None:
    """Enrol a device, and print its key, which nobody can be shown again.

    It sells with that key alone; a cashier who has a PIN can sign in at it. An app that can only be given an address
    takes the key in it, as https://till:KEY@shop.example.com. The phone of an owner, who deletes, cancels and reads all
    reports with such an app, needs the key of an owner's device.

    \b
      pos device add "Counter tablet"
      pos device add "Phone of Asha" --role owner
      pos device add "Tablet of the north store" --store north
    """

    async def work(accounts: Accounts, settings: Settings) -> tuple[Document, str]:
        body = load_body(DeviceBody(), {"name": name, "role": role})
        where = belonging(store, everywhere, settings)
        made = await accounts.devices.add(body["name"], where, THE_SERVICE, body["role"])
        return made, await accounts.credentials.issue(KEY, made["_id"])

    made, key = administer(data, work)
    console.print(f"{made['name']} is {made['_id']}. Its key, which is shown this once only:", markup=False)
    typer.echo(key)


@device.command("list")
def list_(data: Data = None) -> None:
    """Show all devices, of all stores; never their keys."""

    async def work(accounts: Accounts, _: Settings) -> list[Document]:
        return await accounts.devices.all(None)

    rows = [(d["_id"], d["name"], role_of_device(d), d["belongs_to"] or "all") for d in administer(data, work)]
    show(("id", "name", "role", "store"), rows)


@device.command("remove")
def remove(
    device_id: Annotated[str, typer.Argument(metavar="ID", help="As `pos device list` shows it.")], data: Data = None
) -> None:
    """Take a device out: its key is worth nothing, nor is what somebody has signed in with at it.

    A running service follows within five seconds.

    \b
      pos device remove DEVICE-01KAX3…
    """

    async def work(accounts: Accounts, _: Settings) -> None:
        await accounts.devices.end(await accounts.devices.get(device_id, None), THE_SERVICE)

    administer(data, work)
    console.print(f"{device_id} is taken out.", markup=False)
