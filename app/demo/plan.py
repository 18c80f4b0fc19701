"""Everything that happens in the shop, in order: sales, estimates, and what becomes of them. The same for a seed."""

import random
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from heapq import heappop, heappush
from typing import Final
from zoneinfo import ZoneInfo

from app.demo.carts import Carts
from app.demo.people import STAFF
from app.demo.seasons import moments
from repositories.commands import ChangeStatus, Command, Convert, Create, ReplaceEstimate
from repositories.demonstration import At
from repositories.void_commands import VoidEstimate, VoidOrder
from schemas.documents import EstimateBody, SaleBody, draft, draft_sale
from schemas.public_ids import ESTIMATE_PREFIX, ORDER_PREFIX, new_id
from schemas.rollups import ESTIMATES, ORDERS
from schemas.statuses import CANCELLED, REFUNDED

_MILLISECOND: Final = timedelta(milliseconds=1)
_BODY, _SALE = EstimateBody(), SaleBody()

#: Out of a hundred orders so many come from an estimate; and for a hundred orders so many estimates come to nothing.
_FROM_ESTIMATES, _LOST = 0.3, 0.15


def makes_order(step: At) -> bool:
    """Whether it is one of those that the plan was asked for."""
    command = step.command
    return isinstance(command, Convert) or (isinstance(command, Create) and command.kind == ORDERS)


class Plan:
    """A shop's life from one day to another, both included.

    :param orders: how many are made, those that are cancelled, refunded or voided included.
    :param until: nothing happens from this instant on.
    """

    def __init__(self, trade: str, orders: int, days: list[date], zone: ZoneInfo, until: datetime, seed: int) -> None:
        self._chance = random.Random(f"{trade} {orders} {days[0]} {days[-1]} {zone.key} {seed}")  # noqa: S311
        self._carts = Carts(self._chance, trade, max(20, orders // 6))
        self._orders, self._days, self._zone, self._until = orders, days, zone, until
        self._later: list[tuple[datetime, int, Command]] = []
        self._count = 0

    def steps(self) -> Iterator[At]:
        """Everything that happens, in order; no two steps of one millisecond."""
        lost = round(self._orders * _LOST)
        every = moments(self._chance, self._orders + lost, self._days, self._zone, self._until)
        is_lost = [True] * lost + [False] * self._orders
        self._chance.shuffle(is_lost)
        last = every[0] - _MILLISECOND if every else self._until
        for step in self._in_order(zip(every, is_lost, strict=True)):
            last = max(step.moment, last + _MILLISECOND)
            yield At(last, step.command)

    def _in_order(self, visits: Iterator[tuple[datetime, bool]]) -> Iterator[At]:
        for moment, is_lost in visits:
            now = min(moment, self._until - timedelta(seconds=1))
            while self._later and self._later[0][0] <= now:
                due, _, command = heappop(self._later)
                yield At(due, command)
            yield At(now, self._visit(now, is_lost=is_lost))
        while self._later:
            due, _, command = heappop(self._later)
            yield At(due, command)

    def _visit(self, now: datetime, *, is_lost: bool) -> Command:
        """Somebody comes in: a sale, or an estimate and what becomes of it."""
        chance = self._chance
        if not is_lost and not self._happens(_FROM_ESTIMATES):
            order_id = self._id(ORDER_PREFIX, now)
            self._second_thoughts(order_id, None, now)
            return Create(ORDERS, order_id, draft_sale(_SALE.load(self._carts.sale())))
        estimate_id, cart = self._id(ESTIMATE_PREFIX, now), self._carts.cart()
        begun = now
        if self._happens(0.1):
            begun = self._then(now, 0.01, ReplaceEstimate(estimate_id, draft(_BODY.load(self._carts.cart(cart)))))
        if not is_lost:
            at = self._soon(begun, chance.choice((0.02, 0.1, 1, 3, 6)))
            order_id = self._id(ORDER_PREFIX, at)
            convert = Convert(
                estimate_id, order_id, self._carts.payment(), sale_by=chance.choice((None, None, STAFF[0]))
            )
            self._push(at, convert)
            self._second_thoughts(order_id, estimate_id, at)
        elif self._happens(0.15):
            self._then(begun, 5, VoidEstimate(estimate_id, "Not wanted any more", chance.choice(STAFF)))
        return Create(ESTIMATES, estimate_id, draft(_BODY.load(cart)))

    def _second_thoughts(self, order_id: str, estimate_id: str | None, now: datetime) -> None:
        (fate,) = self._chance.choices(("", CANCELLED, REFUNDED, "voided"), (955, 20, 15, 10))
        if fate == CANCELLED:
            self._then(now, 0.1, ChangeStatus(order_id, CANCELLED))
        elif fate == REFUNDED:
            self._then(now, 4, ChangeStatus(order_id, REFUNDED))
        elif fate:
            who = self._chance.choice(STAFF)
            self._then(now, 0.05, VoidOrder(order_id, estimate_id, self._happens(0.3), "Typed in twice", who))

    def _happens(self, share: float) -> bool:
        return self._chance.random() < share

    def _then(self, now: datetime, days: float, command: Command) -> datetime:
        """Does something within so many days, and says when."""
        moment = self._soon(now, days)
        self._push(moment, command)
        return moment

    def _push(self, moment: datetime, command: Command) -> None:
        # What is later in the plan is later in the shop, also where two things fall on the end.
        self._count += 1
        heappush(self._later, (moment, self._count, command))

    def _soon(self, now: datetime, days: float) -> datetime:
        """Within so many days, in the hours of the shop as a rule, and before the end."""
        later = now + timedelta(days=int(days), minutes=self._chance.uniform(1, 1 + 1440 * min(days, 0.1)))
        return min(later.replace(microsecond=later.microsecond // 1000 * 1000), self._until - timedelta(seconds=1))

    def _id(self, prefix: str, now: datetime) -> str:
        return new_id(prefix, now, self._chance.randbytes)
