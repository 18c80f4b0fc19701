"""Users and devices with credentials."""

import secrets
from datetime import timedelta
from typing import Any

from repositories.accounts.credentials import ACCESS, KEY, Credentials
from schemas.core.collections import DEVICES, USERS
from schemas.core.principals import DEVICE, OWNER, OWNERS_DEVICE, VIEWER, VIEWERS_DEVICE
from tests.support.shop import Shop


async def credential_of(
    shop: Shop, role: str, *, store: str | None = None, is_disabled: bool = False, is_expired: bool = False
) -> dict[str, str]:
    """Add a user or device, and return its headers.

    :param role: one of `STANDINGS`.
    :param store: the store that it belongs to; None for all.
    """
    clock = shop.state["clock"]
    is_device = role in (DEVICE, OWNERS_DEVICE, VIEWERS_DEVICE)
    kind, prefix = (DEVICES, "DEVICE") if is_device else (USERS, "USER")
    role = {OWNERS_DEVICE: OWNER, VIEWERS_DEVICE: VIEWER}.get(role, role)
    now = clock()
    account: dict[str, Any] = {
        "_id": f"{prefix}-{secrets.token_hex(8)}",
        # They have no event, so they belong to another store, whose books are not checked.
        "store": f"{shop.store}-people",
        "login": secrets.token_hex(8),
        "name": role.title(),
        "role": role,
        "belongs_to": store,
        "password": None,
        "pin": None,
        "created_at": now,
        "updated_at": now,
        "version": 1,
        "voided_at": now if is_disabled else None,
    }
    await shop.database[kind].insert_one(account)
    credentials = Credentials(shop.database, clock)
    changed = {"expires_at": clock() - timedelta(seconds=1)} if is_expired else {}
    token = await credentials.issue(KEY if is_device else ACCESS, account["_id"], **changed)
    return {"Authorization": f"Bearer {token}"}
