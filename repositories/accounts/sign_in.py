"""How people sign in: with a password, or at an enrolled device with a PIN."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from repositories.accounts.login_throttle import PASSWORD, PIN, LoginThrottle
from repositories.accounts.password_hashing import Passwords
from repositories.accounts.sessions import Sessions, Tokens
from repositories.database.client import Database
from repositories.database.errors import read_deadline
from schemas.core.collections import USERS
from schemas.core.documents import Document
from schemas.core.principals import Principal

_STORED: Final = {PASSWORD: "password", PIN: "pin"}


class SignedIn(NamedTuple):
    """Who has signed in, and what they show from now on."""

    user: Document
    tokens: Tokens


class SignIn:
    """The door of one database."""

    def __init__(self, database: Database, passwords: Passwords, throttle: LoginThrottle, sessions: Sessions) -> None:
        self._users = database[USERS]
        self._passwords = passwords
        self._throttle = throttle
        self._sessions = sessions

    async def by_password(self, login: str, password: str, source: str) -> SignedIn | None:
        """None where the login or the password is wrong; which of them is not said.

        :param login: casefolded. :param place: the address that this comes from.
        :raises NoSecretKey, TooManyRequests, Unavailable:
        """
        user = await self._verify(PASSWORD, login, password, source)
        if user is None:
            return None
        return await self._begin(user, PASSWORD, lambda: self._sessions.begin(user["_id"], user["version"]))

    async def by_pin(self, login: str, pin: str, device: Principal) -> SignedIn | None:
        """None where the login or the PIN is wrong, or the user belongs to another store than the device.

        :raises NoSecretKey, TooManyRequests, Unavailable:
        """
        user = await self._verify(PIN, login, pin, device.id, device.store)
        if user is None:
            return None
        return await self._begin(
            user, PIN, lambda: self._sessions.begin_at_device(device.id, user["_id"], user["version"])
        )

    async def is_password_of(self, user: Document, password: str, source: str) -> bool:
        """Whether somebody who is signed in knows the password, too.

        :raises NoSecretKey, TooManyRequests, Unavailable:
        """
        return await self._verify(PASSWORD, user["login"], password, source) is not None

    async def _verify(
        self, kind: str, login: str, secret: str, source: str, store: str | None = None
    ) -> Document | None:
        """The user whose secret it is. store: that they must be of, None for any."""
        attempt = await self._throttle.reserve(kind, login, source)
        async with read_deadline():
            user = await self._users.find_one({"login": login, "voided_at": None})
        if user is not None and not _share_a_store(user["belongs_to"], store):
            # A stranger here: also a right secret counts as a failure, or the wait would tell that it is right.
            user = None
        name = _STORED[kind]
        if not await self._passwords.verify(None if user is None else user[name], secret) or user is None:
            return None
        await self._throttle.record_success(attempt)
        if self._passwords.is_outdated(user[name]):
            user[name] = await self._rehash(user, name, secret)
        return user

    async def _rehash(self, user: Document, name: str, secret: str) -> str:
        """The same secret with the parameters of today: nobody changed anything, so it is no event."""
        hashed = await self._passwords.hash_secret(secret)
        async with read_deadline():
            await self._users.update_one({"_id": user["_id"], name: user[name]}, {"$set": {name: hashed}})
        return hashed

    async def _begin(self, user: Document, kind: str, begin: Callable[[], Awaitable[Tokens]]) -> SignedIn | None:
        """Signed in, unless the user was ended, or got another password, while this was under way."""
        tokens = await begin()
        async with read_deadline():
            still = {"_id": user["_id"], _STORED[kind]: user[_STORED[kind]], "voided_at": None}
            is_still_right = await self._users.find_one(still, {"_id": 1}) is not None
        if not is_still_right:
            await self._sessions.end(tokens.family)
            return None
        return SignedIn(user, tokens)


def _share_a_store(store: str | None, other: str | None) -> bool:
    """Whether two that each belong to a store, or to all of them (None), meet in one."""
    return store is None or other is None or store == other
