"""A till that signs in, as in a store with an owner."""

import asyncio
import secrets
from dataclasses import dataclass

from app.clock import utc_now
from repositories.accounts.credentials import KEY, Credentials
from repositories.database.client import connect
from schemas.core.collections import DEVICES, USERS
from schemas.core.principals import DEVICE, OWNER


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A signed-in till.

    :ivar headers: of its requests.
    :ivar settings: those with which a service requires sign-in.
    """

    headers: dict[str, str]
    settings: dict[str, str]


def sign_in(url: str, database: str) -> SignedIn:
    """Write an owner and a till into an empty database."""
    key = asyncio.run(_enrol(url, database))
    # A public address requires sign-in. Requests are counted, with a limit above the rate of one till.
    settings = {"PUBLIC_BASE_URL": "https://shop.example", "RATE_LIMIT": "1000000"}
    return SignedIn({"Authorization": f"Bearer {key}"}, {**settings, "SECRET_KEY": secrets.token_hex(32)})


async def _enrol(url: str, name: str) -> str:
    """Return the key of a device."""
    client = connect(url)
    database = client[name]
    for kind, account_id, role in ((USERS, "USER-OWNER", OWNER), (DEVICES, "DEVICE-TILL", DEVICE)):
        account = {"_id": account_id, "store": "main", "name": role, "role": role, "login": role}
        await database[kind].insert_one({**account, "belongs_to": None, "voided_at": None})
    key = await Credentials(database, utc_now).issue(KEY, "DEVICE-TILL")
    client.close()
    return key
