"""Rollup rows, added up: counts and amounts by status and by way of payment. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.money import to_json
from schemas.rollups import ESTIMATES, ORDERS, Row
from schemas.statuses import CONVERTED, EARNING, PENDING


@dataclass(slots=True)
class Tally:
    """A count and an amount in minor units."""

    count: int = 0
    amount: int = 0

    def add(self, count: int, amount: int) -> None:
        self.count += count
        self.amount += amount

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.count + other.count, self.amount + other.amount)

    def shown(self, amount_name: str = "amount") -> dict[str, Any]:
        return {"count": self.count, amount_name: to_json(self.amount)}


def _tallies() -> defaultdict[str, Tally]:
    return defaultdict(Tally)


@dataclass(slots=True)
class Sums:
    """estimates, orders: by status; payments: what the shop keeps, by group; sold: in minor units."""

    estimates: defaultdict[str, Tally] = field(default_factory=_tallies)
    orders: defaultdict[str, Tally] = field(default_factory=_tallies)
    payments: defaultdict[str, Tally] = field(default_factory=_tallies)
    sold: int = 0

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Sums":
        sums = cls()
        for row in rows:
            sums.add(row)
        return sums

    @classmethod
    def by(cls, key: Callable[[Row], str], rows: Iterable[Row]) -> "defaultdict[str, Sums]":
        """The sums of those rows that have a key in common, by that key."""
        apart: defaultdict[str, Sums] = defaultdict(cls)
        for row in rows:
            apart[key(row)].add(row)
        return apart

    @classmethod
    def of_all(cls, parts: Iterable["Sums"]) -> "Sums":
        """What parts come to together."""
        whole = cls()
        for part in parts:
            for tallies, more in (
                (whole.estimates, part.estimates),
                (whole.orders, part.orders),
                (whole.payments, part.payments),
            ):
                for name, tally in more.items():
                    tallies[name].add(tally.count, tally.amount)
            whole.sold += part.sold
        return whole

    def add(self, row: Row) -> None:
        key, measures, sign = row
        for status, sums in measures.get(ESTIMATES, {}).items():
            self.estimates[status].add(sign * sums.get("count", 0), sign * sums.get("total", 0))
        for status, sums in measures.get(ORDERS, {}).items():
            count, paid = sign * sums.get("count", 0), sign * sums.get("paid", 0)
            self.orders[status].add(count, paid)
            if status in EARNING:
                self.payments[key.group].add(count, paid)
                self.sold += sign * sums.get("sold", 0)

    @property
    def estimated(self) -> Tally:
        return self.estimates[PENDING] + self.estimates[CONVERTED]

    @property
    def earned(self) -> Tally:
        kept = [self.orders[status] for status in EARNING if status in self.orders]
        return Tally(sum(tally.count for tally in kept), sum(tally.amount for tally in kept))

    @property
    def listed(self) -> Tally:
        """As a list shows orders: every live one is counted, and what the shop keeps is added up."""
        return Tally(sum(tally.count for tally in self.orders.values()), self.earned.amount)
