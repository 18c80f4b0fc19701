"""The plan of a generated store, in order: sales, estimates and their changes. The same seed gives the same plan."""

import random
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from heapq import heappop, heappush
from typing import Final
from zoneinfo import ZoneInfo

from app.demo.carts import Carts
from app.demo.people import STAFF
from app.demo.seasons import moments
from repositories.demo import TimedCommand
from repositories.journal.command import Command
from repositories.sales.commands import ChangeStatus, ConvertEstimate, CreateDocument, ReplaceEstimate
from repositories.sales.void_commands import VoidEstimate, VoidOrder
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.public_ids import new_id
from schemas.sales.bodies import EstimateBody, SaleBody
from schemas.sales.documents import draft, draft_sale
from schemas.sales.statuses import CANCELLED, REFUNDED

_MILLISECOND: Final = timedelta(milliseconds=1)
#: Time before the end for steps of the same millisecond, which are moved apart.
_SECOND: Final = timedelta(seconds=1)
_BODY, _SALE = EstimateBody(), SaleBody()

#: Percentage of orders that come from an estimate, and estimates without an order for each hundred orders.
_FROM_ESTIMATES, _LOST = 0.3, 0.15
#: The result of a visit: a sale at once, an estimate only, or an estimate that is ordered at this time.
SALE: Final = "sale"
LOST: Final = "lost"
Fate = str | datetime


def makes_order(step: TimedCommand) -> bool:
    """Return whether a step creates one of the requested orders."""
    command = step.command
    return isinstance(command, ConvertEstimate) or (isinstance(command, CreateDocument) and command.kind == ORDERS)


class Plan:
    """The steps of a store from one day to another, both inclusive.

    :param orders: the number of orders, including cancelled, refunded and voided ones.
    :param until: no step happens from this time on.
    """

    def __init__(self, trade: str, orders: int, days: list[date], zone: ZoneInfo, until: datetime, seed: int) -> None:
        self._chance = random.Random(f"{trade} {orders} {days[0]} {days[-1]} {zone.key} {seed}")  # noqa: S311
        self._carts = Carts(self._chance, trade, max(20, orders // 6))
        self._orders, self._days, self._zone, self._until = orders, days, zone, until
        self._later: list[tuple[datetime, int, Command]] = []
        self._count = 0

    def steps(self) -> Iterator[TimedCommand]:
        """Yield all steps in order, each in another millisecond."""
        lost = round(self._orders * _LOST)
        every = moments(self._chance, self._orders + lost, self._days, self._zone, self._until)
        last = every[0] - _MILLISECOND if every else self._until
        for step in self._in_order(zip(every, self._fates(every, lost), strict=True)):
            last = max(step.moment, last + _MILLISECOND)
            yield TimedCommand.of(last, step.command)

    def _fates(self, visits: Sequence[datetime], lost: int) -> list[Fate]:
        """Return the result of each visit. An estimate that would be ordered after the end stays open; an earlier
        visit without a result becomes a sale instead, so that the number of orders is exact."""
        chance = self._chance
        is_lost = [True] * lost + [False] * (len(visits) - lost)
        chance.shuffle(is_lost)
        fates: list[Fate] = [LOST if each else self._fate(moment) for moment, each in zip(visits, is_lost, strict=True)]
        end = self._until - _SECOND
        late = [place for place, fate in enumerate(fates) if isinstance(fate, datetime) and fate >= end]
        instead = chance.sample([place for place, each in enumerate(is_lost) if each], min(lost, len(late)))
        for place in late:
            fates[place] = LOST if instead else SALE
            if instead:
                fates[instead.pop()] = SALE
        return fates

    def _fate(self, moment: datetime) -> Fate:
        if not self._happens(_FROM_ESTIMATES):
            return SALE
        return self._soon(moment, self._chance.choice((0.02, 0.1, 1, 3, 6)))

    def _in_order(self, visits: Iterator[tuple[datetime, Fate]]) -> Iterator[TimedCommand]:
        for now, fate in visits:
            while self._later and self._later[0][0] <= now:
                due, _, command = heappop(self._later)
                yield TimedCommand.of(due, command)
            yield TimedCommand.of(now, self._visit(now, fate))
        while self._later:
            due, _, command = heappop(self._later)
            yield TimedCommand.of(due, command)

    def _visit(self, now: datetime, fate: Fate) -> Command:
        """Plan one visit: a sale, or an estimate and its changes."""
        chance = self._chance
        if fate == SALE:
            order_id = self._id(ORDERS, now)
            self._second_thoughts(order_id, None, now)
            return CreateDocument(ORDERS, order_id, draft_sale(_SALE.load(self._carts.sale())))
        estimate_id, cart = self._id(ESTIMATES, now), self._carts.cart()
        changed = self._soon(now, 0.01)
        if self._happens(0.1) and (isinstance(fate, str) or changed < fate):
            self._push(changed, ReplaceEstimate(estimate_id, draft(_BODY.load(self._carts.cart(cart)))))
        if isinstance(fate, datetime):
            order_id = self._id(ORDERS, fate)
            seller = chance.choice((None, None, STAFF[0]))
            self._push(fate, ConvertEstimate(estimate_id, order_id, self._carts.payment(), sale_by=seller))
            self._second_thoughts(order_id, estimate_id, fate)
        elif self._happens(0.15):
            self._then(changed, 5, VoidEstimate(estimate_id, "Not wanted any more", chance.choice(STAFF)))
        return CreateDocument(ESTIMATES, estimate_id, draft(_BODY.load(cart)))

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

    def _then(self, now: datetime, days: float, command: Command) -> None:
        """Plan a command within some days."""
        self._push(self._soon(now, days), command)

    def _push(self, moment: datetime, command: Command) -> None:
        """Plan a command at a time, unless it is after the end."""
        if moment < self._until - _SECOND:
            # The order of the plan decides between two steps of the same time.
            self._count += 1
            heappush(self._later, (moment, self._count, command))

    def _soon(self, now: datetime, days: float) -> datetime:
        """Return a time within some days, usually in opening hours."""
        later = now + timedelta(days=int(days), minutes=self._chance.uniform(1, 1 + 1440 * min(days, 0.1)))
        return later.replace(microsecond=later.microsecond // 1000 * 1000)

    def _id(self, prefix: str, now: datetime) -> str:
        return new_id(prefix, now, self._chance.randbytes)
