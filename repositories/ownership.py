"""Somebody must be able to do everything: the last owner stays."""

from dataclasses import dataclass
from typing import ClassVar

from repositories.account_commands import ChangeAccount, EndAccount
from repositories.commands import Reads
from repositories.unit_of_work import UnitOfWork
from schemas.documents import Document
from schemas.errors import ShopError
from schemas.idempotency import RequestKey
from schemas.principals import OWNER, USERS, Actor


class LastOwner(ShopError):
    status, code, title = 409, "last_owner", "The last owner"

    def __init__(self) -> None:
        super().__init__("This is the last owner of all stores, or the only one: make somebody else one first.")


@dataclass(frozen=True, slots=True)
class KeepingAnOwner:
    """A change of a user, unless it takes away the last owner: of all stores, or, where there is none such, of any.

    others: the ids of the other owners. They are read in the transaction of the change, and each change of an owner
    writes the same row, so that two who demote each other at once, also in two stores, do not both succeed.
    """

    change: ChangeAccount | EndAccount
    others: tuple[str, ...]
    keys: ClassVar[tuple[RequestKey, ...]] = ()

    @property
    def by(self) -> Actor:
        return self.change.by

    @property
    def reads(self) -> Reads:
        return (*self.change.reads, *((USERS, other) for other in self.others))

    def apply(self, work: UnitOfWork) -> Document:
        user = work.find(USERS, self.change.account_id)
        after = self._after(user)
        if user is not None:
            for is_owner in (owns, owns_all):
                if is_owner(user) and not is_owner(after):
                    left = (work.find(USERS, other) for other in self.others)
                    if not any(is_owner(other) for other in left):
                        raise LastOwner
            work.changes_owners |= owns(user) or owns(after)
        return self.change.apply(work)

    def _after(self, user: Document | None) -> Document | None:
        """The user as the change leaves them, None where they are gone."""
        return {**user, **self.change.changes} if user is not None and isinstance(self.change, ChangeAccount) else None


def owns(user: Document | None) -> bool:
    """Whether a user is there, and the owner of a store or of all."""
    return user is not None and user["role"] == OWNER


def owns_all(user: Document | None) -> bool:
    """Whether a user is the owner of all the stores, and not of one."""
    return user is not None and owns(user) and user["belongs_to"] is None
