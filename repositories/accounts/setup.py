"""The claim of a shop: whoever has the setup token makes the first owner, and nobody does so twice.

The first owner has a fixed id, so however many claim at once, over however many processes, the database takes one.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from pymongo.errors import DuplicateKeyError

from repositories.accounts.accounts import Users
from repositories.accounts.commands import AccountExists
from repositories.database.client import Database
from repositories.database.errors import read_deadline
from schemas.core.collections import CREDENTIALS
from schemas.core.documents import Document
from schemas.core.errors import ShopError
from schemas.core.principals import FIRST_OWNER_ID, OWNER, Actor

#: How often a process looks whether another one was told the claim.
_CHECK_SECONDS: Final = 1.0
#: The workers of a server start together; the first of them says what there is to say.
_NOTICE_LEASE: Final = timedelta(minutes=1)
_NOTICE: Final = "setup"


class AlreadyClaimed(ShopError):
    status, code, title = 409, "already_claimed", "The shop has an owner"

    def __init__(self) -> None:
        super().__init__("This shop has its owner already. Please sign in.")


class ShopSetup:
    """Whether the shop of a database has an owner, and how it gets its first one.

    :param clock: the present instant, UTC.
    :param seconds: a clock that only goes on.
    """

    def __init__(
        self,
        database: Database,
        users: Users,
        clock: Callable[[], datetime],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credentials = database[CREDENTIALS]
        self._users = users
        self._clock = clock
        self._monotonic = seconds
        self._is_complete = False
        self._next_check = 0.0

    async def is_complete(self) -> bool:
        """Whether there is an owner, or was one. Once there is, nobody asks the database any more; until then, once a
        second.

        :raises Unavailable: the database is away.
        """
        if not self._is_complete and self._monotonic() >= self._next_check:
            self._next_check = self._monotonic() + _CHECK_SECONDS
            await self._refresh()
        return self._is_complete

    async def _refresh(self) -> bool:
        self._is_complete = await self._users.is_set_up()
        return self._is_complete

    async def create_owner(self, login: str, name: str, password: str, actor: Actor) -> Document:
        """The first owner, of all stores.

        :raises AlreadyClaimed: there is an owner.
        :raises AccountExists: somebody else, who is no owner, signs in so.
        :raises InvalidBody: the password is too weak.
        :raises NoSecretKey, TooManyRequests, Unavailable, OutcomeUnknown:
        """
        draft = {"login": login, "name": name, "role": OWNER, "belongs_to": None, "password": password, "pin": None}
        try:
            return await self._users.add(draft, actor, FIRST_OWNER_ID)
        except AccountExists:
            if await self._refresh():
                raise AlreadyClaimed from None
            raise
        finally:
            self._next_check = 0.0

    async def acquire_notice(self, server: str) -> bool:
        """Whether this process is the one of its server that says how to claim. server: names it among all.

        :raises Unavailable: the database is away.
        """
        now = self._clock()
        held = {"told_to": server, "told_at": {"$gt": now - _NOTICE_LEASE}}
        notice = {"kind": _NOTICE, "told_to": server, "told_at": now}
        async with read_deadline():
            try:
                await self._credentials.update_one({"_id": _NOTICE, "$nor": [held]}, {"$set": notice}, upsert=True)
            except DuplicateKeyError:
                return False
        return True
