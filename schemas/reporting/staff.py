"""Members of staff by revenue: a page of them, and the sum of all others. Pure.

The name of a seller is free text, so there may be any number of names; pages keep a report small.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from schemas.core.money import to_json
from schemas.core.pagination import Cursor
from schemas.reporting.sums import CountAndAmount, Sums

Json = dict[str, Any]

#: The most members of staff that a report shows by name.
MAX_STAFF: Final = 200
NO_STAFF: Final = "Unknown"
#: More than any revenue.
_NO_AMOUNT: Final = 2**63


class _Member(NamedTuple):
    name: str
    estimated: CountAndAmount
    earned: CountAndAmount

    @property
    def is_active(self) -> bool:
        return bool(self.estimated.count + self.earned.count)


@dataclass(frozen=True, slots=True)
class StaffCursor(Cursor):
    """Where a page begins: after all members with a higher revenue (minor units), and `passed` with this one."""

    revenue: int
    passed: int

    def is_valid(self) -> bool:
        return abs(self.revenue) < _NO_AMOUNT and 0 < self.passed < _NO_AMOUNT


class StaffPage(NamedTuple):
    """A page of members of staff.

    :ivar shown: the members of the page, as reports show them.
    :ivar others: the sum of all other members.
    :ivar total: the number of all members.
    :ivar following: where the next page begins; None after the last page.
    """

    shown: list[Json]
    others: Json
    total: int
    following: StaffCursor | None


def staff_page(by_staff: Mapping[str, Sums], limit: int = MAX_STAFF, after: StaffCursor | None = None) -> StaffPage:
    """Return a page of the members of staff with any document, and the sum of all others, before and after the page."""
    everyone = (_Member(name or NO_STAFF, sums.estimated, sums.earned) for name, sums in by_staff.items())
    members = sorted((each for each in everyone if each.is_active), key=lambda each: (-each.earned.amount, each.name))
    begin = 0 if after is None else _begin(members, after)
    page = members[begin : begin + limit]
    others = [*members[:begin], *members[begin + limit :]]
    has_more = begin + limit < len(members)
    return StaffPage(
        [{"staff_name": each.name, **_figures(each.estimated, each.earned)} for each in page],
        {
            "count": len(others),
            **_figures(_sum(each.estimated for each in others), _sum(each.earned for each in others)),
        },
        len(members),
        _place_behind(members[: begin + limit]) if has_more else None,
    )


def _begin(members: list[_Member], after: StaffCursor) -> int:
    higher = sum(each.earned.amount > after.revenue for each in members)
    equal = sum(each.earned.amount == after.revenue for each in members)
    return higher + min(after.passed, equal)


def _place_behind(members: list[_Member]) -> StaffCursor:
    revenue = members[-1].earned.amount
    return StaffCursor(revenue, sum(each.earned.amount == revenue for each in members))


def _sum(tallies: Iterable[CountAndAmount]) -> CountAndAmount:
    whole = CountAndAmount()
    for tally in tallies:
        whole.add(tally.count, tally.amount)
    return whole


def _figures(estimated: CountAndAmount, earned: CountAndAmount) -> Json:
    return {
        "estimates_count": estimated.count,
        "estimates_total": to_json(estimated.amount),
        "orders_count": earned.count,
        "orders_total": to_json(earned.amount),
        "total_transactions": estimated.count + earned.count,
        "total_revenue": to_json(earned.amount),
        # The names that the existing app's report screen reads.
        "total_sales": earned.count,
        "total_amount": to_json(earned.amount),
    }
