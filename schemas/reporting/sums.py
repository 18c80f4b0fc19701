"""Sums of rollup rows: counts and amounts by status and by payment group. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from schemas.core.collections import DOCUMENT_KINDS, ESTIMATES, ORDERS
from schemas.core.money import to_json
from schemas.reporting.rollups import RollupKey, Row
from schemas.sales.statuses import CONVERTED, PENDING, REVENUE_STATUSES
from schemas.text.folding import name_key


@dataclass(slots=True)
class CountAndAmount:
    """A count and an amount in minor units."""

    count: int = 0
    amount: int = 0

    def add(self, count: int, amount: int) -> None:
        self.count += count
        self.amount += amount

    def __add__(self, other: "CountAndAmount") -> "CountAndAmount":
        return CountAndAmount(self.count + other.count, self.amount + other.amount)

    def shown(self, amount_name: str = "amount") -> dict[str, Any]:
        return {"count": self.count, amount_name: to_json(self.amount)}


def _tallies() -> defaultdict[str, CountAndAmount]:
    return defaultdict(CountAndAmount)


@dataclass(slots=True)
class Sums:
    """The sums of rollup rows.

    :ivar estimates: by status.
    :ivar orders: by status.
    :ivar payments: of orders in `REVENUE_STATUSES`, by payment group.
    :ivar sold: the totals of these orders, in minor units.
    """

    estimates: defaultdict[str, CountAndAmount] = field(default_factory=_tallies)
    orders: defaultdict[str, CountAndAmount] = field(default_factory=_tallies)
    payments: defaultdict[str, CountAndAmount] = field(default_factory=_tallies)
    sold: int = 0

    @classmethod
    def of(cls, rows: Iterable[Row]) -> "Sums":
        sums = cls()
        for row in rows:
            sums.add(row)
        return sums

    @classmethod
    def by(cls, key: Callable[[Row], str], rows: Iterable[Row]) -> "defaultdict[str, Sums]":
        """Return the sums of rows by a key."""
        apart: defaultdict[str, Sums] = defaultdict(cls)
        for row in rows:
            apart[key(row)].add(row)
        return apart

    @classmethod
    def by_name(cls, name: Callable[[Row], str], rows: Iterable[Row]) -> "dict[str, Sums]":
        """Return the sums of rows by name. Spellings with the same `name_key` are one name, under the spelling with the
        most documents; among equals, the first by characters."""
        spellings = cls.by(name, rows)
        alike: defaultdict[str, list[str]] = defaultdict(list)
        for spelling in spellings:
            alike[name_key(spelling)].append(spelling)
        return {
            min(ones, key=lambda each: (-spellings[each].documents, each)): (
                spellings[ones[0]] if len(ones) == 1 else cls.of_all(spellings[each] for each in ones)
            )
            for ones in alike.values()
        }

    @classmethod
    def of_all(cls, parts: Iterable["Sums"]) -> "Sums":
        """Return the sum of several sums."""
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
            if status in REVENUE_STATUSES:
                self.payments[key.group].add(count, paid)
                self.sold += sign * sums.get("sold", 0)

    @property
    def estimated(self) -> CountAndAmount:
        return self.estimates[PENDING] + self.estimates[CONVERTED]

    @property
    def earned(self) -> CountAndAmount:
        kept = [self.orders[status] for status in REVENUE_STATUSES if status in self.orders]
        return CountAndAmount(sum(tally.count for tally in kept), sum(tally.amount for tally in kept))

    @property
    def documents(self) -> int:
        """Return the number of documents of every status."""
        return sum(tally.count for tallies in (self.estimates, self.orders) for tally in tallies.values())

    @property
    def listed(self) -> CountAndAmount:
        """Return the orders as their list counts them: the number of all, and the amount of the revenue statuses."""
        return CountAndAmount(sum(tally.count for tally in self.orders.values()), self.earned.amount)


def merge_name_spellings(rows: list[Row]) -> list[Row]:
    """Return rollup rows with one spelling for each name of staff, and one row for each key."""
    spellings = {name_key(each): each for each in Sums.by_name(lambda row: row.key.staff, rows)}
    if len(spellings) == len({row.key.staff for row in rows}):
        return rows
    merged: dict[RollupKey, dict[str, Any]] = {}
    for key, measures, sign in rows:
        row = merged.setdefault(key._replace(staff=spellings[name_key(key.staff)]), {})
        for kind in DOCUMENT_KINDS:
            for status, sums in measures.get(kind, {}).items():
                together = row.setdefault(kind, {}).setdefault(status, {})
                for name, amount in sums.items():
                    together[name] = together.get(name, 0) + sign * amount
    return [Row(key, measures) for key, measures in merged.items()]
