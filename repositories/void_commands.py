"""The commands that take a document out of every list and report. Its number stays spent."""

from dataclasses import dataclass

from repositories.commands import Reads, live, refuse_converted, refuse_stale
from repositories.unit_of_work import UnitOfWork
from schemas import events
from schemas.documents import Document
from schemas.idempotency import RequestKey
from schemas.principals import THE_SERVICE, Actor
from schemas.rollups import ESTIMATES, ORDERS


@dataclass(frozen=True, slots=True)
class VoidEstimate:
    """An unconverted estimate leaves every list and report."""

    estimate_id: str
    reason: str | None = None
    who: str | None = None
    versions: frozenset[int] | None = None
    by: Actor = THE_SERVICE
    keys: tuple[RequestKey, ...] = ()

    @property
    def reads(self) -> Reads:
        return ((ESTIMATES, self.estimate_id),)

    def apply(self, work: UnitOfWork) -> Document:
        estimate = live(work, ESTIMATES, self.estimate_id)
        refuse_stale(estimate, self.versions)
        refuse_converted(estimate)
        voided = work.void(ESTIMATES, estimate, self.reason, self.who)
        return work.emit(ESTIMATES, events.DELETE, voided)


@dataclass(frozen=True, slots=True)
class VoidOrder:
    """An order leaves every list and report, and the estimate that it came from goes with it, or opens again.

    estimate_id: the order's, known before the group reads, since it never changes.
    """

    order_id: str
    estimate_id: str | None
    keep_estimate: bool = False
    reason: str | None = None
    who: str | None = None
    versions: frozenset[int] | None = None
    by: Actor = THE_SERVICE
    keys: tuple[RequestKey, ...] = ()

    @property
    def reads(self) -> Reads:
        order = (ORDERS, self.order_id)
        return (order,) if self.estimate_id is None else (order, (ESTIMATES, self.estimate_id))

    def apply(self, work: UnitOfWork) -> Document:
        order = live(work, ORDERS, self.order_id)
        refuse_stale(order, self.versions)
        voided = work.void(ORDERS, order, self.reason, self.who)
        answer = work.emit(ORDERS, events.DELETE, voided)
        estimate = None if self.estimate_id is None else work.find(ESTIMATES, self.estimate_id)
        if estimate is None:
            return answer
        if self.keep_estimate:
            estimate = work.update(ESTIMATES, estimate, converted=False, order_id=None, order_number=None)
            work.emit(ESTIMATES, events.UPDATE, estimate)
        else:
            estimate = work.void(ESTIMATES, estimate, self.reason, self.who)
            work.emit(ESTIMATES, events.DELETE, estimate)
        return answer
