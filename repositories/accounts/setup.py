"""The setup of a shop: a client with the setup token creates the first owner, once.

The first owner has a fixed id. So of any number of concurrent requests, in any number of processes, one succeeds.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from pymongo.errors import DuplicateKeyError

from repositories.accounts.accounts import Users
from repositories.accounts.commands import AccountExists
from repositories.database.client import Database
from repositories.database.errors import read_deadline
from schemas.accounts.documents import AccountFields, User, UserFields
from schemas.core.calendar import Clock
from schemas.core.collections import CREDENTIALS
from schemas.core.errors import ShopError
from schemas.core.principals import FIRST_OWNER_ID, OWNER, Actor

#: How often a process checks whether another process has completed the setup.
_CHECK_SECONDS: Final = 1.0
#: The workers of a server start together; the first one logs the setup instructions, the others stay silent this long.
_NOTICE_LEASE: Final = timedelta(minutes=1)
_NOTICE: Final = "setup"


class AlreadyClaimed(ShopError):
    status, code, title = 409, "already_claimed", "The shop has an owner"

    def __init__(self) -> None:
        super().__init__("This shop has an owner already. Please sign in.")


class ShopSetup:
    """The setup of a database's shop: its first owner."""

    def __init__(
        self, database: Database, users: Users, clock: Clock, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._credentials = database[CREDENTIALS]
        self._users = users
        self._clock = clock
        self._monotonic = seconds
        self._is_complete = False
        self._next_check = 0.0

    async def is_complete(self) -> bool:
        """Return whether there is or was an owner. Until then this queries the database at most once a second."""
        if not self._is_complete and self._monotonic() >= self._next_check:
            self._next_check = self._monotonic() + _CHECK_SECONDS
            await self._refresh()
        return self._is_complete

    async def _refresh(self) -> bool:
        self._is_complete = await self._users.is_set_up()
        return self._is_complete

    async def create_owner(self, login: str, name: str, password: str, actor: Actor) -> User:
        """Create the first owner, of all stores.

        :raises AlreadyClaimed: there is an owner.
        :raises AccountExists: a user who is not an owner has this login.
        :raises InvalidBody: the password is too weak.
        :raises NoSecretKey, TooManyRequests, Unavailable, OutcomeUnknown:
        """
        account: AccountFields = {"name": name, "role": OWNER, "belongs_to": None}
        draft: UserFields = {**account, "login": login, "password": password, "pin": None}
        try:
            return await self._users.add(draft, actor, FIRST_OWNER_ID)
        except AccountExists:
            if await self._refresh():
                raise AlreadyClaimed from None
            raise
        finally:
            self._next_check = 0.0

    async def acquire_notice(self, server: str) -> bool:
        """Return whether this process, and no other worker of its server, logs the setup instructions."""
        now = self._clock()
        held = {"told_to": server, "told_at": {"$gt": now - _NOTICE_LEASE}}
        notice = {"kind": _NOTICE, "told_to": server, "told_at": now}
        async with read_deadline():
            try:
                await self._credentials.update_one({"_id": _NOTICE, "$nor": [held]}, {"$set": notice}, upsert=True)
            except DuplicateKeyError:
                return False
        return True
