"""Commands that change users and devices: each with its event, in one transaction."""

from dataclasses import dataclass

from repositories.journal.command import Command, Reads, find_live
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import USERS
from schemas.core.documents import Document
from schemas.core.errors import ShopError
from schemas.core.principals import OWNER, SIGN_IN_SECRETS, public_fields
from schemas.journal import events
from schemas.journal.events import TYPES


class AccountExists(ShopError):
    status, code, title = 409, "account_exists", "There is one already"


@dataclass(frozen=True, slots=True)
class _AccountCommand(Command):
    """Change a user or a device.

    :param kind: `USERS` or `DEVICES`.
    """

    kind: str
    account_id: str

    @property
    def reads(self) -> Reads:
        return ((self.kind, self.account_id),)


@dataclass(frozen=True, slots=True)
class AddAccount(_AccountCommand):
    """Add a user or a device. An id that is taken, even by a deactivated account, is refused."""

    draft: Document

    def apply(self, work: UnitOfWork) -> Document:
        if (self.kind, self.account_id) in work.documents or (self.kind, self.account_id) in work.changed:
            raise AccountExists(f"There is such a {TYPES[self.kind]} already.")
        # A device with the role owner does not count as an owner: it cannot add users.
        work.changes_owners |= self.kind == USERS and self.draft.get("role") == OWNER
        account = work.add(self.kind, self.account_id, self.draft)
        work.emit(self.kind, events.CREATE, account, public_fields(account))
        return account


@dataclass(frozen=True, slots=True)
class ChangeAccount(_AccountCommand):
    """Change fields of a user or a device.

    A new password or PIN ends all sign-ins in the same transaction: the user's field `sign_ins`, `{since, but}`, holds
    the first version of the user whose sign-ins are valid, and the family that stays valid nevertheless.

    :param kept_family: that family, stored as `but`.
    """

    changes: Document
    kept_family: str | None = None

    def apply(self, work: UnitOfWork) -> Document:
        account = find_live(work, self.kind, self.account_id)
        ended = {"sign_ins": {"since": account["version"] + 1, "but": self.kept_family}}
        is_ended = not SIGN_IN_SECRETS.isdisjoint(self.changes)
        account = work.update(self.kind, account, **self.changes, **(ended if is_ended else {}))
        work.emit(self.kind, events.UPDATE, account, public_fields(account))
        return account


@dataclass(frozen=True, slots=True)
class DeactivateAccount(_AccountCommand):
    """Deactivate a user or a device: it cannot sign in any more. Its past actions keep its name."""

    def apply(self, work: UnitOfWork) -> Document:
        account = find_live(work, self.kind, self.account_id)
        account = work.update(self.kind, account, voided_at=work.now)
        work.emit(self.kind, events.DELETE, account, public_fields(account))
        return account
