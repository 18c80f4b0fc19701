"""Commands that change customers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from repositories.journal.command import Command, DocumentCommand, Reads
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import CUSTOMERS
from schemas.core.documents import differing, select
from schemas.core.errors import ShopError
from schemas.customers import ZERO_SUMS, Customer, CustomerFields
from schemas.journal import events
from schemas.text.search_terms import search_terms


class CustomerExists(ShopError):
    status, code, title = 409, "customer_exists", "There is such a customer already"
    extra: ClassVar[Mapping[str, Any]] = {"customer_id": {"type": "string"}}


@dataclass(frozen=True, slots=True)
class AddCustomer(Command):
    """Add a customer, or restore a removed one. An existing customer with the same fields is returned unchanged.

    :param draft: a loaded `CustomerBody`.
    :param number: the phone number in E.164; None without one.
    """

    customer_id: str
    draft: CustomerFields
    number: str | None

    @property
    def reads(self) -> Reads:
        return () if self.number is None else ((CUSTOMERS, self.number),)

    def apply(self, work: UnitOfWork) -> Customer:
        known = None if self.number is None else _owner(work, self.number)
        if known is not None and known["voided_at"] is None:
            if not differing(known, self.draft):
                return known
            raise _exists_error(known)
        described = {
            **self.draft,
            "phone_e164": self.number,
            "terms": search_terms(self.draft["name"], self.draft["phone"]),
        }
        if known is not None:
            customer = work.update(CUSTOMERS, known, **described, voided_at=None)
        else:
            numbers = {} if self.number is None else {"numbers": [self.number]}
            fresh = {**described, **numbers, "sums": {**ZERO_SUMS}, "last_visit": work.now}
            customer = work.add(CUSTOMERS, self.customer_id, fresh)
        return _emit(work, events.CREATE, customer)


@dataclass(frozen=True, slots=True)
class ChangeCustomer(DocumentCommand):
    """Change fields of a customer, who keeps the sales to an earlier number.

    :param changes: a loaded `CustomerChange`.
    :param number: the new phone number in E.164; None if it is removed or unchanged.
    """

    changes: Mapping[str, str]
    number: str | None
    kind: ClassVar[str] = CUSTOMERS

    @property
    def reads(self) -> Reads:
        own = (CUSTOMERS, self.document_id)
        return (own,) if self.number is None else (own, (CUSTOMERS, self.number))

    def apply(self, work: UnitOfWork) -> Customer:
        customer: Customer = self.find(work)
        changes = differing(customer, self.changes)
        if not changes:
            return customer
        if "phone" in changes:
            changes |= self._numbers(work, customer)
        merged = {**customer, **changes}
        customer = work.update(CUSTOMERS, customer, **changes, terms=search_terms(merged["name"], merged["phone"]))
        if not customer.get("numbers"):
            # Not stored if empty, since two empty lists are equal in the unique index.
            customer.pop("numbers", None)
        return _emit(work, events.UPDATE, customer)

    def _numbers(self, work: UnitOfWork, customer: Customer) -> dict[str, Any]:
        """Return the fields that change with the phone number; raise CustomerExists if another customer has it."""
        owner = None if self.number is None else _owner(work, self.number)
        if owner is not None and owner["_id"] != customer["_id"]:
            raise _exists_error(owner)
        # A number without sales was a typing mistake, and is free again.
        earlier = customer.get("numbers", []) if any(customer.get("sums", {}).values()) else []
        now = [] if self.number is None else [self.number]
        return {"phone_e164": self.number, "numbers": [*(each for each in earlier if each != self.number), *now]}


@dataclass(frozen=True, slots=True)
class RemoveCustomer(DocumentCommand):
    """Remove a customer from the list until the next sale to them. Their sums stay."""

    kind: ClassVar[str] = CUSTOMERS

    def apply(self, work: UnitOfWork) -> Customer:
        customer: Customer = self.find(work)
        return _emit(work, events.DELETE, work.update(CUSTOMERS, customer, voided_at=work.now))


def _owner(work: UnitOfWork, number: str) -> Customer | None:
    """Return the customer who has a number, also a removed one, as this group has changed it so far."""
    known = {**work.documents, **work.changed}
    owners = (each for (kind, _), each in known.items() if kind == CUSTOMERS and number in each.get("numbers", ()))
    return next(owners, None)


def _exists_error(owner: Customer) -> CustomerExists:
    detail = "There is a customer who has this phone number, or had it when they bought something."
    return CustomerExists(detail, customer_id=owner["_id"])


def _emit(work: UnitOfWork, action: str, customer: Customer) -> Customer:
    work.emit(CUSTOMERS, action, customer, select(customer, ("_id", *CustomerFields.__annotations__, "version")))
    return customer
