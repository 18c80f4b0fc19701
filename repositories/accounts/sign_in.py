"""Sign-in of users: with a password, or with a PIN at a registered device."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

from repositories.accounts.login_throttle import PASSWORD, PIN, LoginThrottle
from repositories.accounts.password_hashing import Passwords
from repositories.accounts.sessions import Sessions, Tokens
from repositories.database.client import Collection, Database
from repositories.database.errors import read_deadline
from schemas.accounts.documents import SecretName, User
from schemas.core.collections import USERS
from schemas.core.principals import Principal

_STORED: Final[Mapping[str, SecretName]] = {PASSWORD: "password", PIN: "pin"}


class SignedIn(NamedTuple):
    """A user who has signed in, and the tokens of the new session."""

    user: User
    tokens: Tokens


class SignIn:
    """Sign-in to one database."""

    def __init__(self, database: Database, passwords: Passwords, throttle: LoginThrottle, sessions: Sessions) -> None:
        self._users: Collection[User] = database[USERS]
        self._passwords = passwords
        self._throttle = throttle
        self._sessions = sessions

    async def by_password(self, login: str, password: str, source: str) -> SignedIn | None:
        """Sign in with a password.

        :param login: casefolded.
        :param source: the address of the client.
        :returns: None if the login or the password is wrong.
        :raises NoSecretKey, TooManyRequests, Unavailable:
        """
        user = await self._verify(PASSWORD, login, password, source)
        if user is None:
            return None
        return await self._begin(user, PASSWORD, lambda: self._sessions.begin(user["_id"], user["version"]))

    async def by_pin(self, login: str, pin: str, device: Principal) -> SignedIn | None:
        """Sign in with a PIN at a device.

        :returns: None if the login or the PIN is wrong, or the user belongs to another store than the device.
        :raises NoSecretKey, TooManyRequests, Unavailable:
        """
        user = await self._verify(PIN, login, pin, device.id, device.store)
        if user is None:
            return None
        return await self._begin(
            user, PIN, lambda: self._sessions.begin_at_device(device.id, user["_id"], user["version"])
        )

    async def is_password_of(self, user: User, password: str, source: str) -> bool:
        """Return whether this is the password of a user who is signed in already; raise as `by_password` does."""
        return await self._verify(PASSWORD, user["login"], password, source) is not None

    async def _verify(self, kind: str, login: str, secret: str, source: str, store: str | None = None) -> User | None:
        """Return the user if the secret is right.

        :param store: the store that the user must belong to, None for any.
        """
        attempt = await self._throttle.reserve(kind, login, source)
        async with read_deadline():
            user = await self._users.find_one({"login": login, "voided_at": None})
        if user is not None and not _share_a_store(user["belongs_to"], store):
            # Of another store: even a right secret counts as a failure, or the wait would reveal that it is right.
            user = None
        name = _STORED[kind]
        stored = None if user is None else user[name]
        if not await self._passwords.verify(stored, secret) or user is None or stored is None:
            return None
        await self._throttle.record_success(attempt)
        if self._passwords.is_outdated(stored):
            user[name] = await self._rehash(user, name, secret)
        return user

    async def _rehash(self, user: User, name: SecretName, secret: str) -> str:
        """Store the same secret hashed with the current parameters. This is no change of the user, so no event."""
        hashed = await self._passwords.hash_secret(secret)
        async with read_deadline():
            await self._users.update_one({"_id": user["_id"], name: user[name]}, {"$set": {name: hashed}})
        return hashed

    async def _begin(self, user: User, kind: str, begin: Callable[[], Awaitable[Tokens]]) -> SignedIn | None:
        """Begin a session; end it again if the user was deactivated or got another password meanwhile."""
        tokens = await begin()
        async with read_deadline():
            still = {"_id": user["_id"], _STORED[kind]: user[_STORED[kind]], "voided_at": None}
            is_still_right = await self._users.find_one(still, {"_id": 1}) is not None
        if not is_still_right:
            await self._sessions.end(tokens.family)
            return None
        return SignedIn(user, tokens)


def _share_a_store(store: str | None, other: str | None) -> bool:
    """Return whether two accounts, each of one store or of all (None), have a store in common."""
    return store is None or other is None or store == other
