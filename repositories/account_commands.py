"""Changes of those who can sign in, as commands of the journal: each with its event, in one transaction."""

from dataclasses import dataclass
from typing import ClassVar

from repositories.commands import Reads
from repositories.errors import NotFound
from repositories.unit_of_work import UnitOfWork
from schemas import events
from schemas.documents import Document
from schemas.errors import ShopError
from schemas.events import TYPES
from schemas.idempotency import RequestKey
from schemas.principals import KNOWLEDGE, OWNER, SECRETS, THE_SERVICE, USERS, Actor


class AccountExists(ShopError):
    status, code, title = 409, "account_exists", "There is one already"


@dataclass(frozen=True, slots=True)
class AddAccount:
    """A new user or device. kind: `USERS` or `DEVICES`. An id that is taken, even of one that is gone, is refused."""

    kind: str
    account_id: str
    draft: Document
    by: Actor = THE_SERVICE
    keys: ClassVar[tuple[RequestKey, ...]] = ()

    @property
    def reads(self) -> Reads:
        return ((self.kind, self.account_id),)

    def apply(self, work: UnitOfWork) -> Document:
        if (self.kind, self.account_id) in work.documents or (self.kind, self.account_id) in work.changed:
            raise AccountExists(f"There is such a {TYPES[self.kind]} already.")
        # An owner's device is no owner: nobody signs in as it who could make another one.
        work.changes_owners |= self.kind == USERS and self.draft.get("role") == OWNER
        account = work.add(self.kind, self.account_id, self.draft)
        work.emit(self.kind, events.CREATE, account, shown(account))
        return account


@dataclass(frozen=True, slots=True)
class ChangeAccount:
    """Some fields of a user or a device are others from now on.

    With another password or PIN all their sign-ins are over, in the same transaction: `sign_ins` of the user says so,
    `{since, but}`, of which version of the user those must be that count, and which family does so all the same.

    keeping: that family.
    """

    kind: str
    account_id: str
    changes: Document
    by: Actor = THE_SERVICE
    keeping: str | None = None
    keys: ClassVar[tuple[RequestKey, ...]] = ()

    @property
    def reads(self) -> Reads:
        return ((self.kind, self.account_id),)

    def apply(self, work: UnitOfWork) -> Document:
        account = work.find(self.kind, self.account_id)
        if account is None:
            raise NotFound(f"There is no such {TYPES[self.kind]}.")
        ended = {"sign_ins": {"since": account["version"] + 1, "but": self.keeping}}
        is_ended = not KNOWLEDGE.isdisjoint(self.changes)
        account = work.update(self.kind, account, **self.changes, **(ended if is_ended else {}))
        work.emit(self.kind, events.UPDATE, account, shown(account))
        return account


@dataclass(frozen=True, slots=True)
class EndAccount:
    """A user or a device that can sign in no more; what they did keeps their name."""

    kind: str
    account_id: str
    by: Actor = THE_SERVICE
    keys: ClassVar[tuple[RequestKey, ...]] = ()

    @property
    def reads(self) -> Reads:
        return ((self.kind, self.account_id),)

    def apply(self, work: UnitOfWork) -> Document:
        account = work.find(self.kind, self.account_id)
        if account is None:
            raise NotFound(f"There is no such {TYPES[self.kind]}.")
        account = work.update(self.kind, account, voided_at=work.now)
        work.emit(self.kind, events.DELETE, account, shown(account))
        return account


def shown(account: Document) -> Document:
    """An account as its event keeps it: without what it signs in with."""
    return {name: value for name, value in account.items() if name not in SECRETS}
