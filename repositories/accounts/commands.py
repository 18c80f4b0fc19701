"""Commands that change users and devices: each with its event, in one transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repositories.journal.command import Command, Reads, find_live
from repositories.journal.unit_of_work import UnitOfWork
from schemas.accounts.documents import Account, SignIns
from schemas.core.collections import EVENT_TYPES, USERS
from schemas.core.errors import ShopError
from schemas.core.principals import OWNER, SIGN_IN_SECRETS, public_fields
from schemas.journal import events


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

    draft: Mapping[str, Any]

    def apply(self, work: UnitOfWork) -> Account:
        if (self.kind, self.account_id) in work.documents or (self.kind, self.account_id) in work.changed:
            raise AccountExists(f"There is such a {EVENT_TYPES[self.kind]} already.")
        # A device with the role owner does not count as an owner: it cannot add users.
        work.changes_owners |= self.kind == USERS and self.draft.get("role") == OWNER
        account: Account = work.add(self.kind, self.account_id, self.draft)
        work.emit(self.kind, events.CREATE, account, public_fields(account))
        return account


@dataclass(frozen=True, slots=True)
class ChangeAccount(_AccountCommand):
    """Change fields of a user or a device.

    A new password or PIN ends all sign-ins in the same transaction.

    :param kept_family: the sign-in that stays valid.
    """

    changes: Mapping[str, Any]
    kept_family: str | None = None

    def apply(self, work: UnitOfWork) -> Account:
        account: Account = find_live(work, self.kind, self.account_id)
        ended: SignIns = {"since": account["version"] + 1, "but": self.kept_family}
        is_ended = not SIGN_IN_SECRETS.isdisjoint(self.changes)
        account = work.update(self.kind, account, **self.changes, **({"sign_ins": ended} if is_ended else {}))
        work.emit(self.kind, events.UPDATE, account, public_fields(account))
        return account


@dataclass(frozen=True, slots=True)
class DeactivateAccount(_AccountCommand):
    """Deactivate a user or a device: it cannot sign in any more. Its past actions keep its name."""

    def apply(self, work: UnitOfWork) -> Account:
        account: Account = find_live(work, self.kind, self.account_id)
        account = work.update(self.kind, account, voided_at=work.now)
        work.emit(self.kind, events.DELETE, account, public_fields(account))
        return account
