"""Accounts: the users and devices that can sign in. Each change goes through the journal of the account's store."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Generic, Protocol, TypeVar

from pymongo.errors import BulkWriteError, DuplicateKeyError

from repositories.accounts.commands import AccountExists, AddAccount, ChangeAccount, DeactivateAccount
from repositories.accounts.last_owner import LastOwnerGuard, is_owner
from repositories.accounts.password_hashing import Passwords
from repositories.accounts.sessions import Sessions
from repositories.database.client import OWNERS, Collection, Database
from repositories.database.errors import NotFound, Unavailable, is_duplicate, read_deadline
from repositories.journal.command import Command
from repositories.journal.transaction import Outcome
from schemas.accounts.documents import AccountFields, Device, SecretName, User, UserChanges, UserFields
from schemas.accounts.password_policy import password_error, pin_error
from schemas.core.calendar import Clock
from schemas.core.collections import DEVICES, EVENT_TYPES, FACTS, USERS
from schemas.core.errors import InvalidBody
from schemas.core.principals import CASHIER, OWNER, Actor
from schemas.core.public_ids import new_id


class CommandJournal(Protocol):
    """A journal, as far as this module uses it."""

    async def submit(self, command: Command) -> Outcome: ...


_SECRETS: Final[tuple[SecretName, ...]] = ("password", "pin")

A = TypeVar("A", User, Device)
JournalOf = Callable[[str], Awaitable[CommandJournal]]


class _Accounts(Generic[A]):
    """The accounts of one kind, in all stores of a database.

    :param home: the store whose journal records the accounts that belong to all stores.
    """

    kind: str

    def __init__(self, database: Database, home: str, journal_of: JournalOf, sessions: Sessions, clock: Clock) -> None:
        self._accounts: Collection[A] = database[self.kind]
        self._home = home
        self._journal_of = journal_of
        self._sessions = sessions
        self._clock = clock

    async def all(self, store: str | None) -> list[A]:
        """Return the accounts that belong to a store, or all if it is None, oldest first."""
        criteria = {"voided_at": None} if store is None else {"belongs_to": store, "voided_at": None}
        async with read_deadline():
            return await self._accounts.find(criteria).sort([("created_at", 1), ("_id", 1)]).to_list()

    async def get(self, account_id: str, store: str | None) -> A:
        """Return an account of a store, or of any store if it is None; raise NotFound if there is none."""
        criteria = {"_id": account_id, "voided_at": None} | ({} if store is None else {"belongs_to": store})
        async with read_deadline():
            account = await self._accounts.find_one(criteria)
        if account is None:
            raise NotFound(f"There is no such {EVENT_TYPES[self.kind]}.")
        return account

    async def _add(self, account_id: str, draft: AccountFields, actor: Actor) -> A:
        command = AddAccount(self.kind, account_id, draft, actor=actor)
        return await self._commit(self._audit_store(draft), command)

    def _audit_store(self, account: AccountFields) -> str:
        """Return the store whose audit log records an account: its own, or `home` if it belongs to all stores."""
        return account["belongs_to"] or self._home

    async def _commit(self, store: str, command: Command) -> A:
        journal = await self._journal_of(store)
        try:
            account: A = (await journal.submit(command)).answer
        except (BulkWriteError, DuplicateKeyError) as error:
            if not is_duplicate(error):
                raise
            raise AccountExists(f"There is such a {EVENT_TYPES[self.kind]} already.") from error
        return account

    async def _delete_credentials(self, account_id: str, kept_family: str | None = None) -> None:
        """Delete the credentials that a change has invalidated.

        A failure is ignored, since the credentials are invalid in any case.
        """
        with suppress(Unavailable):
            await self._sessions.end_all(account_id, kept_family)


class Devices(_Accounts[Device]):
    """Devices: tablets and tills, each with its own key."""

    kind = DEVICES

    async def add(self, name: str, belongs_to: str | None, actor: Actor, role: str = CASHIER) -> Device:
        """Register a device. `Credentials.issue` creates its key.

        :param belongs_to: a store, or None for all stores.
        :param role: one of `GIVEN_ROLES`: the role of the person who uses the device.
        :raises NoSuchStore, Unavailable:
        """
        device_id = new_id(DEVICES, self._clock())
        return await self._add(device_id, {"name": name, "role": role, "belongs_to": belongs_to}, actor)

    async def end(self, device: Device, actor: Actor) -> None:
        """Deactivate a device: its key and each sign-in made on it become invalid. Raise NotFound if it is gone."""
        await self._commit(self._audit_store(device), DeactivateAccount(DEVICES, device["_id"], actor=actor))
        await self._delete_credentials(device["_id"])


class Users(_Accounts[User]):
    """Users: people with a login."""

    kind = USERS

    def __init__(
        self,
        database: Database,
        home: str,
        journal_of: JournalOf,
        sessions: Sessions,
        clock: Clock,
        passwords: Passwords,
    ) -> None:
        super().__init__(database, home, journal_of, sessions, clock)
        self._facts = database[FACTS]
        self._passwords = passwords

    async def is_set_up(self) -> bool:
        """Return whether the shop has, or once had, an owner."""
        async with read_deadline():
            if await self._facts.find_one({"_id": OWNERS, "claimed": True}, {"_id": 1}) is not None:
                return True
            # Earlier versions did not store this fact.
            return await self._accounts.find_one({"role": OWNER}, {"_id": 1}) is not None

    async def find_by_login(self, login: str) -> User:
        """Return the active user of a casefolded login; raise NotFound if there is none."""
        async with read_deadline():
            user = await self._accounts.find_one({"login": login, "voided_at": None})
        if user is None:
            raise NotFound("There is no such user.")
        return user

    async def add(self, draft: UserFields, actor: Actor, user_id: str | None = None) -> User:
        """Add a user.

        :param user_id: `FIRST_OWNER` for the first owner of the shop; only one account can have it.
        :raises InvalidBody: the password or the PIN is too weak.
        :raises AccountExists: the login or the id is taken.
        :raises NoSuchStore, NoSecretKey, TooManyRequests, Unavailable:
        """
        hashed = await self._hash_secrets(draft, draft)
        stored: UserFields = {**draft, **hashed}
        return await self._add(user_id or new_id(USERS, self._clock()), stored, actor)

    async def change(self, user: User, changes: UserChanges, actor: Actor, kept_family: str | None = None) -> User:
        """Change some of name, role, belongs_to, password and pin. A new password or PIN ends the user's sign-ins.

        :param kept_family: the family of the one sign-in that stays valid.
        :raises LastOwner: the last owner would lose that role.
        :raises NoSuchStore: the new store does not exist.
        :raises InvalidBody, NotFound, NoSecretKey, TooManyRequests, Unavailable:
        """
        if (store := changes.get("belongs_to")) is not None:
            await self._journal_of(store)
        after: User = {**user, **changes}
        hashed = await self._hash_secrets(changes, after)
        change = ChangeAccount(USERS, user["_id"], {**changes, **hashed}, kept_family, actor=actor)
        # The audit log of the new store records a user who moves.
        changed = await self._commit(self._audit_store(after), await self._guard_last_owner(user, change))
        if hashed:
            await self._delete_credentials(user["_id"], kept_family)
        return changed

    async def change_password(self, user: User, new: str, actor: Actor, kept_family: str | None) -> None:
        """Change a user's own password, as `change` does. Errors name the body's member `new`."""
        _reject_weak("new", password_error(new, self._guessable_words(user)))
        await self.change(user, {"password": new}, actor, kept_family)

    async def end(self, user: User, actor: Actor) -> None:
        """Deactivate a user; raise LastOwner if this is the last owner, NotFound if the user is gone."""
        end = await self._guard_last_owner(user, DeactivateAccount(USERS, user["_id"], actor=actor))
        await self._commit(self._audit_store(user), end)
        await self._delete_credentials(user["_id"])

    async def _guard_last_owner(self, user: User, change: ChangeAccount | DeactivateAccount) -> Command:
        others = [each["_id"] for each in await self.all(None) if is_owner(each) and each["_id"] != user["_id"]]
        return LastOwnerGuard.of(change, tuple(others))

    def _guessable_words(self, user: UserFields) -> tuple[str, ...]:
        """Return the words that an attacker would try first as this user's password."""
        return (user["login"], user["name"], self._home, user["belongs_to"] or "")

    async def _hash_secrets(self, given: Mapping[str, Any], account: UserFields) -> UserChanges:
        """Return the given password and PIN as they are stored; raise InvalidBody if one is too weak."""
        hashed: UserChanges = {}
        if given.get("password") is not None:
            _reject_weak("password", password_error(given["password"], self._guessable_words(account)))
        if given.get("pin") is not None:
            _reject_weak("pin", pin_error(given["pin"]))
        for name in _SECRETS:
            if name in given:
                hashed[name] = None if given[name] is None else await self._passwords.hash_secret(given[name])
        return hashed


def _reject_weak(name: str, defect: str | None) -> None:
    if defect is not None:
        raise InvalidBody(f"{name}: {defect}.", [{"pointer": f"/{name}", "detail": defect}])
