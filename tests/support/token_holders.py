"""Users and devices with tokens, written directly to the database."""

import secrets
from dataclasses import dataclass
from typing import Any

from repositories.accounts.credentials import ACCESS, KEY, Credentials
from schemas.core.collections import CREDENTIALS, DEVICES, USERS
from schemas.core.principals import DEVICE
from schemas.core.tokens import hash_token
from tests.support.shop import Shop


@dataclass(frozen=True)
class TokenHolder:
    """A user or device with a token.

    :ivar kind: the collection that holds it.
    """

    shop: Shop
    kind: str
    id: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def ticket(self, **headers: str) -> str:
        response = await self.shop.http.post("/api/ws-ticket", headers={**self.headers, **headers})
        assert response.status_code == 200, response.text
        ticket: str = response.json()["ticket"]
        return ticket

    async def revoke(self) -> None:
        """Revoke the token as another process does, without notice to this one."""
        await self.shop.database[CREDENTIALS].delete_one({"_id": hash_token(self.token)})

    async def change(self, **fields: Any) -> None:
        await self.shop.database[self.kind].update_one({"_id": self.id}, {"$set": fields})


async def add_token_holder(
    shop: Shop, role: str = "cashier", belongs_to: str | None = None, device: str | None = None
) -> TokenHolder:
    """Add a user with a role, signed in.

    :param device: the id of their device.
    """
    credentials = Credentials(shop.database, shop.state["clock"])
    kind = DEVICES if role == DEVICE else USERS
    new = f"{kind[:-1].upper()}-{secrets.token_hex(6)}"
    # They have no event, so they belong to another store, whose books are not checked.
    account = {"_id": new, "store": f"{shop.store}-people", "login": new.casefold(), "name": role, "role": role}
    now = shop.state["clock"]()
    stamps = {"created_at": now, "updated_at": now, "version": 1, "voided_at": None, "pin": None}
    await shop.database[kind].insert_one({**account, "belongs_to": belongs_to, **stamps})
    token = await credentials.issue(KEY if role == DEVICE else ACCESS, new, device=device)
    return TokenHolder(shop, kind, new, token)
