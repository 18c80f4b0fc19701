"""`pos device`: manage tablets and tills that have a key."""

from typing import Annotated

import typer

from app.commands.accounts import AllStores, Role, Store, administer, belonging, show
from app.commands.database import Data
from app.composition.accounts import Accounts
from app.config.settings import Settings
from app.console.terminal import console
from repositories.accounts.credentials import KEY
from schemas.accounts.accounts import DeviceBody
from schemas.accounts.documents import Device as StoredDevice
from schemas.core.principals import SERVICE_ACTOR, role_of_device
from schemas.fields.validation import load_body

device = typer.Typer(name="device", help="Manage tablets and tills that have a key.", no_args_is_help=True)


@device.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name to show.")],
    role: Annotated[Role, typer.Option(help="Role, which decides what the device may do.")] = Role.CASHIER,
    store: Store = None,
    everywhere: AllStores = False,
    data: Data = None,
) -> None:
    """Add a device, and print its key. The key is shown only once.

    The key alone is enough to sell; a user with a PIN can also sign in at the device. An app that has only an address
    takes the key in it: https://till:KEY@shop.example.com. The phone of an owner, who deletes, cancels and reads all
    reports, needs a device with the role owner.

    \b
      pos device add "Counter tablet"
      pos device add "Phone of Asha" --role owner
      pos device add "Tablet of the north store" --store north
    """

    async def work(accounts: Accounts, settings: Settings) -> tuple[StoredDevice, str]:
        body = load_body(DeviceBody(), {"name": name, "role": role})
        where = belonging(store, everywhere, settings)
        made = await accounts.devices.add(body["name"], where, SERVICE_ACTOR, body["role"])
        return made, await accounts.credentials.issue(KEY, made["_id"])

    made, key = administer(data, work)
    console.print(f"{made['name']} is {made['_id']}. Its key, which is shown only once:", markup=False)
    typer.echo(key)


@device.command("list")
def list_(data: Data = None) -> None:
    """List the devices of all stores, without their keys."""

    async def work(accounts: Accounts, _: Settings) -> list[StoredDevice]:
        return await accounts.devices.all(None)

    rows = [(d["_id"], d["name"], role_of_device(d), d["belongs_to"] or "all") for d in administer(data, work)]
    show(("id", "name", "role", "store"), rows)


@device.command("remove")
def remove(
    device_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the device, as in `pos device list`.")],
    data: Data = None,
) -> None:
    """Remove a device: its key and the sessions of users who signed in at it are revoked.

    A running service follows within five seconds.

    \b
      pos device remove DEVICE-01KAX3…
    """

    async def work(accounts: Accounts, _: Settings) -> None:
        await accounts.devices.end(await accounts.devices.get(device_id, None), SERVICE_ACTOR)

    administer(data, work)
    console.print(f"{device_id} was removed.", markup=False)
