"""Commands that void a document: it leaves all lists and reports, and its number stays used."""

from dataclasses import dataclass
from typing import ClassVar

from repositories.journal.command import DocumentCommand, Reads
from repositories.journal.unit_of_work import UnitOfWork
from repositories.sales.commands import check_unconverted
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.journal import events


@dataclass(frozen=True, slots=True)
class VoidEstimate(DocumentCommand):
    """Void an unconverted estimate.

    :param voided_by: who decided it, as the client names them; None for the actor.
    """

    reason: str | None = None
    voided_by: str | None = None
    kind: ClassVar[str] = ESTIMATES

    def apply(self, work: UnitOfWork) -> Document:
        estimate = self.find(work)
        check_unconverted(estimate)
        voided = work.void(ESTIMATES, estimate, self.reason, self.voided_by)
        return work.emit(ESTIMATES, events.DELETE, voided)


@dataclass(frozen=True, slots=True)
class VoidOrder(DocumentCommand):
    """Void an order, and void or reopen the estimate that it came from.

    :param estimate_id: the order's estimate. It never changes, so it is known before the group reads the order.
    :param keep_estimate: whether the estimate is reopened.
    """

    estimate_id: str | None
    keep_estimate: bool = False
    reason: str | None = None
    voided_by: str | None = None
    kind: ClassVar[str] = ORDERS

    @property
    def reads(self) -> Reads:
        order = (ORDERS, self.document_id)
        return (order,) if self.estimate_id is None else (order, (ESTIMATES, self.estimate_id))

    def apply(self, work: UnitOfWork) -> Document:
        order = self.find(work)
        voided = work.void(ORDERS, order, self.reason, self.voided_by)
        answer = work.emit(ORDERS, events.DELETE, voided)
        estimate = None if self.estimate_id is None else work.find(ESTIMATES, self.estimate_id)
        if estimate is None:
            return answer
        if self.keep_estimate:
            estimate = work.update(ESTIMATES, estimate, converted=False, order_id=None, order_number=None)
            work.emit(ESTIMATES, events.UPDATE, estimate)
        else:
            estimate = work.void(ESTIMATES, estimate, self.reason, self.voided_by)
            work.emit(ESTIMATES, events.DELETE, estimate)
        return answer
