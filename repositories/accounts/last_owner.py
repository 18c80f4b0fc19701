"""The guard of the last owner: one account must be able to do everything."""

from dataclasses import dataclass
from typing import Self, cast

from repositories.accounts.commands import ChangeAccount, DeactivateAccount
from repositories.journal.command import Command, Reads
from repositories.journal.unit_of_work import UnitOfWork
from schemas.accounts.documents import Account, User
from schemas.core.collections import USERS
from schemas.core.errors import ShopError
from schemas.core.principals import OWNER


class LastOwner(ShopError):
    status, code, title = 409, "last_owner", "The last owner"

    def __init__(self) -> None:
        super().__init__("This is the last owner of all stores, or the only owner: make another user an owner first.")


@dataclass(frozen=True, slots=True)
class LastOwnerGuard(Command):
    """Change a user, unless that removes the last owner of all stores or, if there is none, the last owner.

    The other owners are read in the transaction of the change, and each change of an owner writes the same row. So if
    two owners demote each other at the same time, even in two stores, only one of the changes succeeds.

    :param others: the ids of the other owners.
    """

    change: ChangeAccount | DeactivateAccount
    others: tuple[str, ...]

    @classmethod
    def of(cls, change: ChangeAccount | DeactivateAccount, others: tuple[str, ...]) -> Self:
        """Return the guarded command for a change, with the keys and the actor of that change."""
        return cls(change, others, keys=change.keys, actor=change.actor)

    @property
    def reads(self) -> Reads:
        return (*self.change.reads, *((USERS, other) for other in self.others))

    def apply(self, work: UnitOfWork) -> Account:
        user: User | None = work.find(USERS, self.change.account_id)
        after = self._after(user)
        if user is not None:
            for has_role in (is_owner, is_owner_of_all):
                if has_role(user) and not has_role(after):
                    left = (work.find(USERS, other) for other in self.others)
                    if not any(has_role(other) for other in left):
                        raise LastOwner
            work.changes_owners |= is_owner(user) or is_owner(after)
        return self.change.apply(work)

    def _after(self, user: User | None) -> User | None:
        """Return the user after the change, None if the change deactivates them."""
        if user is None or not isinstance(self.change, ChangeAccount):
            return None
        return cast("User", {**user, **self.change.changes})


def is_owner(user: User | None) -> bool:
    """Return whether a user exists and is an owner, of one store or of all."""
    return user is not None and user["role"] == OWNER


def is_owner_of_all(user: User | None) -> bool:
    """Return whether a user is an owner of all stores."""
    return user is not None and is_owner(user) and user["belongs_to"] is None
