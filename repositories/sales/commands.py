"""Commands that create and change estimates and orders."""

from dataclasses import dataclass
from typing import ClassVar, Final, cast

from repositories.database.errors import AlreadyConverted
from repositories.journal.command import DOCUMENT_BYTES, Command, DocumentCommand
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.document_numbers import format_number
from schemas.core.errors import InvalidBody
from schemas.core.money import MAX_TOTAL, MINOR_PER_UNIT
from schemas.journal import events
from schemas.journal.idempotency import releasable_keys
from schemas.sales import statuses
from schemas.sales.documents import (
    Draft,
    Estimate,
    EstimateFields,
    Order,
    OrderFields,
    SaleDraft,
    SalesDocument,
    Searchable,
    Summary,
    draft_of,
    summarize,
)
from schemas.text.phones import normalize_phone
from schemas.text.search_terms import search_terms

_LINE_BYTES: Final = 100
_BYTES_PER_CHARACTER: Final = 3


@dataclass(frozen=True, slots=True)
class CreateDocument(Command):
    """Create an estimate or a sale.

    :param draft: the result of `schemas.sales.documents.draft` or `draft_sale`.
    """

    kind: str
    document_id: str
    draft: Draft
    is_forwardable: ClassVar[bool] = True

    @property
    def bytes_written(self) -> int:
        return _draft_bytes(self.draft)

    def apply(self, work: UnitOfWork) -> Summary:
        fields = (
            _estimate_fields(work, self.draft)
            if self.kind == ESTIMATES
            else _order_fields(work, cast("SaleDraft", self.draft))
        )
        document: SalesDocument = work.insert(self.kind, self.document_id, fields, releasable_keys(self.keys))
        return emit(work, self.kind, events.CREATE, document)


@dataclass(frozen=True, slots=True)
class ConvertEstimate(DocumentCommand):
    """Convert an estimate to an order, once.

    :param amount_paid: in minor units; None for the total.
    :param sale_by: None for that of the estimate.
    """

    order_id: str
    payment_mode: str
    amount_paid: int | None = None
    sale_by: str | None = None
    kind: ClassVar[str] = ESTIMATES
    is_forwardable: ClassVar[bool] = True
    #: It reads the estimate, writes it again, and writes an order of the same size.
    copies_of_reads: ClassVar[int] = 3

    def apply(self, work: UnitOfWork) -> Summary:
        estimate: Estimate = self.find(work)
        check_unconverted(estimate)
        check_total(estimate)
        draft: SaleDraft = {
            **draft_of(estimate),
            "sale_by": self.sale_by or estimate["sale_by"],
            "amount_paid": estimate["total"] if self.amount_paid is None else self.amount_paid,
            "payment_mode": self.payment_mode,
        }
        fields = _order_fields(work, draft, estimate)
        order: Order = work.insert(ORDERS, self.order_id, fields, releasable_keys(self.keys))
        work.update(ESTIMATES, estimate, converted=True, order_id=order["_id"], order_number=order["number"])
        return work.emit(ESTIMATES, events.CONVERT, estimate, summarize(order), order)


@dataclass(frozen=True, slots=True)
class ReplaceEstimate(DocumentCommand):
    """Replace the body of an unconverted estimate."""

    draft: Draft
    kind: ClassVar[str] = ESTIMATES

    @property
    def bytes_written(self) -> int:
        """Return the size of the draft twice: it is stored, and an event contains it."""
        return 2 * _draft_bytes(self.draft)

    def apply(self, work: UnitOfWork) -> Estimate:
        estimate: Estimate = self.find(work)
        check_unconverted(estimate)
        estimate = work.update(ESTIMATES, estimate, **self.draft, **_searchable(work, self.draft))
        emit(work, ESTIMATES, events.UPDATE, estimate)
        return estimate


@dataclass(frozen=True, slots=True)
class ChangeStatus(DocumentCommand):
    """Change the status of an order, unless the order has that status already."""

    status: str
    kind: ClassVar[str] = ORDERS

    def apply(self, work: UnitOfWork) -> Order:
        order: Order = self.find(work)
        if order["status"] == self.status:
            return order
        statuses.check_transition(order["status"], self.status)
        if self.status not in statuses.REVENUE_STATUSES and order["estimate_id"] is None:
            # The sale is cancelled, so its cart may be sold again.
            work.release_keys(order.get("retry_keys", ()), order["_id"])
        order = work.update(ORDERS, order, status=self.status)
        emit(work, ORDERS, events.UPDATE, order)
        return order


def emit(work: UnitOfWork, kind: str, action: str, document: SalesDocument) -> Summary:
    """Append an event of a document to the log, and return the document's summary."""
    return work.emit(kind, action, document, summarize(document))


def _draft_bytes(draft: Draft) -> int:
    texts = [item["name"] for item in draft["items"]]
    name_bytes = sum([len(text) if text.isascii() else _BYTES_PER_CHARACTER * len(text) for text in texts])
    return DOCUMENT_BYTES + _LINE_BYTES * len(texts) + name_bytes


def _searchable(work: UnitOfWork, draft: Draft) -> Searchable:
    phone = draft["customer_phone"]
    return {"terms": search_terms(draft["customer_name"], phone), "phone_e164": normalize_phone(phone, work.region)}


def _estimate_fields(work: UnitOfWork, draft: Draft) -> EstimateFields:
    return {
        **draft,
        **_searchable(work, draft),
        "converted": False,
        "order_id": None,
        "order_number": None,
    }


def _order_fields(work: UnitOfWork, draft: SaleDraft, estimate: Estimate | None = None) -> OrderFields:
    return {
        **draft,
        **_searchable(work, draft),
        "status": statuses.COMPLETED,
        "payment_group": statuses.payment_group(draft["payment_mode"]),
        "estimate_id": None if estimate is None else estimate["_id"],
        "estimate_number": None if estimate is None else estimate["number"],
    }


def check_unconverted(estimate: Estimate) -> None:
    """Raise AlreadyConverted, which names the order if it is known, if an estimate has been converted."""
    if not estimate["converted"]:
        return
    number = None if estimate["order_number"] is None else format_number(estimate["order_number"])
    suffix = "" if number is None else f", sale {number}"
    detail = f"This estimate has already been converted to an order{suffix}."
    raise AlreadyConverted(detail, order_id=estimate["order_id"], sale_number=number)


def check_total(estimate: Estimate) -> None:
    """Raise InvalidBody if an estimate's total is not allowed for a bill: earlier versions did not limit totals."""
    if estimate["total"] > MAX_TOTAL:
        defect = f"must be at most {MAX_TOTAL // MINOR_PER_UNIT:,}"
        detail = f"total: {defect}. Please change the lines of this estimate."
        raise InvalidBody(detail, [{"pointer": "/total", "detail": defect}])
