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
        super().__init__("This is the last owner of all stores: make somebody else one first.")


@dataclass(frozen=True, slots=True)
class KeepingAnOwner:
    """A change of a user, unless it takes away the last owner.

    others: the ids of the other owners of all stores. They are read in the transaction of the change, so that two who
    demote each other at once do not both succeed.
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
        if user is not None and owns_all(user) and not self._leaves(user):
            left = (work.find(USERS, other) for other in self.others)
            if not any(other is not None and owns_all(other) for other in left):
                raise LastOwner
        return self.change.apply(work)

    def _leaves(self, user: Document) -> bool:
        """Whether the user is an owner afterwards, too."""
        return isinstance(self.change, ChangeAccount) and owns_all({**user, **self.change.changes})


def owns_all(user: Document) -> bool:
    """Whether a user is the owner of all the stores, and not of one."""
    return user["role"] == OWNER and user["belongs_to"] is None
