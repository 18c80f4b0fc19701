"""Users and devices, written directly to the database, or through the journal with an event."""

from collections.abc import Mapping
from typing import Any

from repositories.accounts.commands import AddAccount, ChangeAccount, DeactivateAccount
from repositories.accounts.credentials import ACCESS, KEY, Credentials
from repositories.journal.transaction import Outcome
from schemas.core.collections import DEVICES, USERS
from schemas.core.principals import DEVICE, OWNER, Actor
from tests.support.shop import Shop

OWNER_OF_TESTS = Actor("USER-OWNER", "Asha Patil", OWNER, address="192.0.2.7", request_id="r-1")


async def signed_in(shop: Shop, role: str, name: str) -> Mapping[str, str]:
    """Add a user or device, and return its headers."""
    kind, prefix = (DEVICES, "DEVICE") if role == DEVICE else (USERS, "USER")
    owner = f"{prefix}-{name}-{shop.store}"
    now = shop.state["clock"]()
    # They have no event, so they belong to another store, whose books are not checked.
    stamps = {"store": f"{shop.store}-people", "created_at": now, "updated_at": now, "version": 1, "voided_at": None}
    account = {"_id": owner, "login": owner, "name": name, "role": role, "belongs_to": None, "pin": None, **stamps}
    await shop.database[kind].insert_one(account)
    credentials = Credentials(shop.database, shop.state["clock"])
    token = await credentials.issue(KEY if role == DEVICE else ACCESS, owner)
    return {"Authorization": f"Bearer {token}"}


def user(shop: Shop) -> str:
    """Return an id that no other test uses."""
    return f"USER-{shop.store}"


async def add_user(shop: Shop, **members: Any) -> Outcome:
    draft = {
        "login": shop.store,
        "name": "Ravi",
        "role": "cashier",
        "belongs_to": None,
        "password": "$argon2id$x",
        "pin": None,
    }
    return await _submit(shop, AddAccount(USERS, user(shop), {**draft, **members}, actor=OWNER_OF_TESTS))


async def change_user(shop: Shop, **changes: Any) -> Outcome:
    return await _submit(shop, ChangeAccount(USERS, user(shop), changes, actor=OWNER_OF_TESTS))


async def end_user(shop: Shop) -> Outcome:
    return await _submit(shop, DeactivateAccount(USERS, user(shop), actor=OWNER_OF_TESTS))


async def _submit(shop: Shop, command: Any) -> Outcome:
    outcome: Outcome = await shop.state["stores"].home.journal.submit(command)
    return outcome
