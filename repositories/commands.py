"""The changes of state that a shop knows, as pure functions over a unit of work.

A command says which documents it must see (`reads`), under which keys its answer is remembered (`keys`), whose it is
(`by`), and what it does (`apply`). It refuses before it changes anything, so a refusal never touches its neighbours in
the group.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from repositories.errors import AlreadyConverted, NotFound, StaleVersion
from repositories.unit_of_work import UnitOfWork
from schemas import events, statuses
from schemas.customers import NUMBER
from schemas.documents import Document
from schemas.errors import InvalidBody
from schemas.idempotency import RequestKey, reopening
from schemas.money import MAX_TOTAL, MINOR_PER_UNIT
from schemas.numbers import format_number
from schemas.phones import normalised
from schemas.principals import THE_SERVICE, Actor
from schemas.rollups import ESTIMATES, ORDERS
from schemas.search import terms_of

Reads = Sequence[tuple[str, str]]


class Command(Protocol):
    """One change of state, or one refusal of it."""

    @property
    def reads(self) -> Reads:
        """The (kind, id) of each document that the command must see."""
        ...

    @property
    def keys(self) -> tuple[RequestKey, ...]:
        """The keys under which the answer is remembered; empty: it is not."""
        ...

    @property
    def by(self) -> Actor:
        """Who does it: `UnitOfWork.by` while it is applied."""
        ...

    def apply(self, work: UnitOfWork) -> Document:
        """Does it, and answers with a document or its digest.

        :raises ShopError: it cannot be done; nothing was changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Create:
    """A new estimate or a new sale.

    draft: as `schemas.documents.draft` or `draft_sale` makes it.
    """

    kind: str
    document_id: str
    draft: Document
    keys: tuple[RequestKey, ...] = ()
    by: Actor = THE_SERVICE
    reads: ClassVar[Reads] = ()

    def apply(self, work: UnitOfWork) -> Document:
        fresh = _fresh_estimate() if self.kind == ESTIMATES else _fresh_order(self.draft["payment_mode"])
        fresh["retry_keys"] = reopening(self.keys)
        document = work.insert(self.kind, self.document_id, {**self.draft, **_found_by(work, self.draft), **fresh})
        return work.emit(self.kind, events.CREATE, document)


@dataclass(frozen=True, slots=True)
class Convert:
    """An estimate becomes an order, once.

    amount_paid: minor units, None for the total. sale_by: None for the estimate's.
    """

    estimate_id: str
    order_id: str
    payment_mode: str
    amount_paid: int | None = None
    sale_by: str | None = None
    keys: tuple[RequestKey, ...] = ()
    by: Actor = THE_SERVICE

    @property
    def reads(self) -> Reads:
        return ((ESTIMATES, self.estimate_id),)

    def apply(self, work: UnitOfWork) -> Document:
        estimate = live(work, ESTIMATES, self.estimate_id)
        refuse_converted(estimate)
        refuse_oversized(estimate)
        order = work.insert(
            ORDERS,
            self.order_id,
            {
                **{name: estimate[name] for name in _COPIED},
                **_found_by(work, estimate),
                "sale_by": self.sale_by or estimate["sale_by"],
                "amount_paid": estimate["total"] if self.amount_paid is None else self.amount_paid,
                "payment_mode": self.payment_mode,
                **_fresh_order(self.payment_mode),
                "estimate_id": estimate["_id"],
                "estimate_number": estimate["number"],
                "retry_keys": reopening(self.keys),
            },
        )
        work.update(ESTIMATES, estimate, converted=True, order_id=order["_id"], order_number=order["number"])
        return work.emit(
            ESTIMATES,
            events.CONVERT,
            estimate,
            events.digest(ORDERS, order),
            order_id=order["_id"],
            order_number=order["number"],
        )


@dataclass(frozen=True, slots=True)
class ReplaceEstimate:
    """The body of an unconverted estimate is written anew. versions: those that If-Match accepts, None for any."""

    estimate_id: str
    draft: Document
    versions: frozenset[int] | None = None
    by: Actor = THE_SERVICE
    keys: ClassVar[tuple[RequestKey, ...]] = ()

    @property
    def reads(self) -> Reads:
        return ((ESTIMATES, self.estimate_id),)

    def apply(self, work: UnitOfWork) -> Document:
        estimate = live(work, ESTIMATES, self.estimate_id)
        refuse_stale(estimate, self.versions)
        refuse_converted(estimate)
        estimate = work.update(ESTIMATES, estimate, **self.draft, **_found_by(work, self.draft))
        work.emit(ESTIMATES, events.UPDATE, estimate)
        return estimate


@dataclass(frozen=True, slots=True)
class ChangeStatus:
    """An order goes from one status to another; to the one that it has already, nothing happens."""

    order_id: str
    status: str
    versions: frozenset[int] | None = None
    by: Actor = THE_SERVICE
    keys: ClassVar[tuple[RequestKey, ...]] = ()

    @property
    def reads(self) -> Reads:
        return ((ORDERS, self.order_id),)

    def apply(self, work: UnitOfWork) -> Document:
        order = live(work, ORDERS, self.order_id)
        refuse_stale(order, self.versions)
        if order["status"] == self.status:
            return order
        statuses.check_transition(order["status"], self.status)
        if self.status not in statuses.EARNING and order["estimate_id"] is None:
            # The sale does not stand any more: its cart may be sold anew.
            work.forget(order.get("retry_keys", ()), order["_id"])
        order = work.update(ORDERS, order, status=self.status)
        work.emit(ORDERS, events.UPDATE, order)
        return order


#: What an order takes over from its estimate.
_COPIED = (
    "customer_name",
    "customer_phone",
    "customer_address",
    "items",
    "subtotal",
    "discount",
    "discount_percentage",
    "round_off",
    "total",
)


def _found_by(work: UnitOfWork, draft: Document) -> Document:
    """What the `q` filter finds a document by, and the number that says for which customer it counts."""
    phone = draft["customer_phone"]
    return {"terms": terms_of(draft["customer_name"], phone), NUMBER: normalised(phone, work.region)}


def _fresh_estimate() -> Document:
    return {"converted": False, "order_id": None, "order_number": None}


def _fresh_order(payment_mode: str) -> Document:
    return {
        "status": statuses.COMPLETED,
        "payment_group": statuses.payment_group(payment_mode),
        "estimate_id": None,
        "estimate_number": None,
    }


def live(work: UnitOfWork, kind: str, document_id: str) -> Document:
    """:raises NotFound: there is none, or it is voided."""
    document = work.find(kind, document_id)
    if document is None:
        raise NotFound(f"There is no such {events.TYPES[kind]}.")
    return document


def refuse_converted(estimate: Document) -> None:
    """:raises AlreadyConverted: names the order; None where it is not known."""
    if not estimate["converted"]:
        return
    number = None if estimate["order_number"] is None else format_number(estimate["order_number"])
    named = "" if number is None else f", sale {number}"
    detail = f"This estimate has already been converted to an order{named}."
    raise AlreadyConverted(detail, order_id=estimate["order_id"], sale_number=number)


def refuse_oversized(estimate: Document) -> None:
    """:raises InvalidBody: it was written before totals were bounded, and is more than a bill may be."""
    if estimate["total"] > MAX_TOTAL:
        most = f"must be at most {MAX_TOTAL // MINOR_PER_UNIT:,}"
        detail = f"total: {most}. Please change the lines of this estimate."
        raise InvalidBody(detail, [{"pointer": "/total", "detail": most}])


def refuse_stale(document: Document, versions: frozenset[int] | None) -> None:
    """:raises StaleVersion: it is of none of these versions; None stands for any."""
    if versions is not None and document["version"] not in versions:
        raise StaleVersion(
            "Somebody else has changed this in the meantime. Please load it again.", version=document["version"]
        )
