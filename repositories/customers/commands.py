"""Commands that change customers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from repositories.database.errors import NotFound
from repositories.journal.command import Command, Reads, check_version
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import CUSTOMERS
from schemas.core.documents import Document
from schemas.core.errors import ShopError
from schemas.customers import PHONE_FIELD, ZERO_SUMS
from schemas.journal import events
from schemas.text.search_terms import search_terms


class CustomerExists(ShopError):
    status, code, title = 409, "customer_exists", "There is such a customer already"
    extra: ClassVar[Mapping[str, Any]] = {"customer_id": {"type": "string"}}


@dataclass(frozen=True, slots=True)
class AddCustomer(Command):
    """Add a customer, or restore one that was removed. A customer who exists with the same fields is returned as is.

    :param draft: as `CustomerBody` loads it.
    :param number: its phone in E.164, None where it has none.
    """

    customer_id: str
    draft: Document
    number: str | None

    @property
    def reads(self) -> Reads:
        return () if self.number is None else ((CUSTOMERS, self.number),)

    def apply(self, work: UnitOfWork) -> Document:
        known = None if self.number is None else _owner(work, self.number)
        if known is not None and known["voided_at"] is None:
            if all(known[name] == value for name, value in self.draft.items()):
                return known
            raise _taken(known)
        described = {
            **self.draft,
            PHONE_FIELD: self.number,
            "terms": search_terms(self.draft["name"], self.draft["phone"]),
        }
        if known is not None:
            customer = work.update(CUSTOMERS, known, **described, voided_at=None)
        else:
            numbers = {} if self.number is None else {"numbers": [self.number]}
            fresh = {**described, **numbers, "sums": dict(ZERO_SUMS), "last_visit": work.now}
            customer = work.add(CUSTOMERS, self.customer_id, fresh)
        return _told(work, events.CREATE, customer)


@dataclass(frozen=True, slots=True)
class ChangeCustomer(Command):
    """Change fields of a customer. Sales to an earlier number go on counting for them.

    :param changes: as `CustomerChange` loads them.
    :param number: the new phone in E.164; None where it is none, or stays.
    """

    customer_id: str
    changes: Document
    number: str | None
    versions: frozenset[int] | None = None

    @property
    def reads(self) -> Reads:
        own = (CUSTOMERS, self.customer_id)
        return (own,) if self.number is None else (own, (CUSTOMERS, self.number))

    def apply(self, work: UnitOfWork) -> Document:
        customer = _live(work, self.customer_id)
        check_version(customer, self.versions)
        changes = {name: value for name, value in self.changes.items() if customer[name] != value}
        if not changes:
            return customer
        if "phone" in changes:
            changes |= self._numbers(work, customer)
        merged = {**customer, **changes}
        customer = work.update(CUSTOMERS, customer, **changes, terms=search_terms(merged["name"], merged["phone"]))
        if not customer.get("numbers"):
            # Left out where there are none: to the unique index, two empty lists are the same number.
            customer.pop("numbers", None)
        return _told(work, events.UPDATE, customer)

    def _numbers(self, work: UnitOfWork, customer: Document) -> Document:
        """Return the fields that change with the number.

        :raises CustomerExists: the number is another customer's.
        """
        owner = None if self.number is None else _owner(work, self.number)
        if owner is not None and owner["_id"] != customer["_id"]:
            raise _taken(owner)
        # A number that nothing was sold to was a slip of the pen, and is free again.
        earlier = customer.get("numbers", []) if any(customer.get("sums", {}).values()) else []
        now = [] if self.number is None else [self.number]
        return {PHONE_FIELD: self.number, "numbers": [*(each for each in earlier if each != self.number), *now]}


@dataclass(frozen=True, slots=True)
class RemoveCustomer(Command):
    """Remove a customer from the list, until they buy again. Their sums stay."""

    customer_id: str
    versions: frozenset[int] | None = None

    @property
    def reads(self) -> Reads:
        return ((CUSTOMERS, self.customer_id),)

    def apply(self, work: UnitOfWork) -> Document:
        customer = _live(work, self.customer_id)
        check_version(customer, self.versions)
        return _told(work, events.DELETE, work.update(CUSTOMERS, customer, voided_at=work.now))


def _live(work: UnitOfWork, customer_id: str) -> Document:
    customer = work.find(CUSTOMERS, customer_id)
    if customer is None:
        raise NotFound("There is no such customer.")
    return customer


def _owner(work: UnitOfWork, number: str) -> Document | None:
    """Return the customer who has a number, even a removed one, as the group has left them so far."""
    known = {**work.documents, **work.changed}
    owners = (each for (kind, _), each in known.items() if kind == CUSTOMERS and number in each.get("numbers", ()))
    return next(owners, None)


def _taken(owner: Document) -> CustomerExists:
    detail = "There is a customer who has this phone number, or had it when they bought something."
    return CustomerExists(detail, customer_id=owner["_id"])


def _told(work: UnitOfWork, action: str, customer: Document) -> Document:
    described = {name: customer[name] for name in ("_id", "name", "phone", "email", "address", "notes", "version")}
    work.emit(CUSTOMERS, action, customer, described)
    return customer
