"""The totals that reports read are the sums over the documents, after any sequence of changes."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from repositories.auditing.verification import verify
from repositories.journal.command import Command
from repositories.journal.transaction import apply_command
from repositories.journal.unit_of_work import Counters, UnitOfWork
from repositories.sales.commands import ChangeStatus, ConvertEstimate, CreateDocument, ReplaceEstimate
from repositories.sales.void_commands import VoidEstimate, VoidOrder
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.core.errors import ShopError
from schemas.journal.documents import EventDocument
from schemas.sales.bodies import EstimateBody, SaleBody
from schemas.sales.documents import draft, draft_sale
from schemas.sales.statuses import ORDER_STATUSES, payment_group
from tests.support.clock import Clock
from tests.support.payloads import estimate_body, line
from tests.support.shop import OpenShop

KOLKATA = ZoneInfo("Asia/Kolkata")
STAFF = ("Ravi", "Meera")
MODES = ("Cash", "UPI: Asha", "Barter")


@dataclass
class Books:
    """A store in memory that applies group commits as the journal does in a database."""

    counters: Counters = field(default_factory=Counters)
    documents: dict[tuple[str, str], Document] = field(default_factory=dict)
    totals: Counter[tuple[Any, str]] = field(default_factory=Counter)
    events: list[EventDocument] = field(default_factory=list)

    def commit(self, commands: list[Command], now: datetime) -> Sequence[object]:
        work = UnitOfWork("main", KOLKATA, now, self.counters, dict(self.documents), {})
        outcomes = [apply_command(command, work) for command in commands]
        for key, row in work.rollup_deltas().items():
            for measure, amount in row.items():
                self.totals[key, measure] += amount
        self.documents.update(work.changed)
        self.events += work.events
        return outcomes

    def ids(self, kind: str) -> list[str]:
        return [document_id for each, document_id in self.documents if each == kind]


def sums(books: Books) -> Counter[tuple[Any, str]]:
    """Return the totals of the raw documents, computed independently."""
    found: Counter[tuple[Any, str]] = Counter()
    for (kind, _), document in books.documents.items():
        if document["voided_at"] is not None:
            continue
        day = document["business_date"]
        for period in (day, day[:7], day[:4]):
            if kind == ESTIMATES:
                status = "Converted" if document["order_id"] else "Pending"
                key, amounts = (period, document["sale_by"], ""), {"total": document["total"]}
            else:
                status = document["status"]
                key = (period, document["sale_by"], payment_group(document["payment_mode"]))
                amounts = {"paid": document["amount_paid"], "sold": document["total"]}
            for name, amount in {"count": 1, **amounts}.items():
                found[key, f"{kind}.{status}.{name}"] += amount
    return found


prices = st.integers(0, 10_000_00).map(lambda n: n / 100)
choices = st.integers(0, 10**6)
steps = st.tuples(
    st.sampled_from(["quote", "sell", "convert", "edit", "status", "void", "void order"]), choices, prices
)


def command_of(books: Books, step: tuple[str, int, float], number: int) -> Command | None:
    """Return a step's command on a randomly chosen document; None where there is none yet."""
    what, choice, price = step
    body = estimate_body([line(price)], sale_by=STAFF[choice % 2])
    payment = MODES[choice % 3]
    estimates, orders = books.ids(ESTIMATES), books.ids(ORDERS)
    if what == "quote":
        return CreateDocument(ESTIMATES, f"EST-{number}", draft(EstimateBody().load(body)))
    if what == "sell":
        sale = draft_sale(SaleBody().load({**body, "payment_mode": payment, "amount_paid": price / 2}))
        return CreateDocument(ORDERS, f"ORDER-{number}", sale)
    if what in ("status", "void order"):
        order_id = orders[choice % len(orders)] if orders else None
        if order_id is None:
            return None
        if what == "status":
            return ChangeStatus(order_id, ORDER_STATUSES[choice % len(ORDER_STATUSES)])
        return VoidOrder(order_id, books.documents[ORDERS, order_id]["estimate_id"], keep_estimate=choice % 2 == 0)
    if not estimates:
        return None
    estimate_id = estimates[choice % len(estimates)]
    if what == "convert":
        return ConvertEstimate(
            estimate_id, f"ORDER-{number}", payment, amount_paid=choice % 1_000, sale_by=STAFF[choice % 2]
        )
    if what == "edit":
        return ReplaceEstimate(estimate_id, draft(EstimateBody().load(body)))
    return VoidEstimate(estimate_id)


@given(sequence=st.lists(steps, min_size=1, max_size=40), group=st.integers(1, 8))
def test_totals_are_the_sums_over_the_documents_after_any_sequence(
    sequence: list[tuple[str, int, float]], group: int
) -> None:
    books = Books()
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    waiting: list[Command] = []
    for number, step in enumerate(sequence):
        command = command_of(books, step, number)
        if command is not None:
            waiting.append(command)
        if len(waiting) >= group or number == len(sequence) - 1:
            books.commit(waiting, now)
            waiting = []
            now += timedelta(hours=5)
    assert +books.totals == +sums(books)
    assert [event["seq"] for event in books.events] == list(range(1, books.counters.head + 1))
    for kind, last in books.counters.numbers.items():
        given_numbers = sorted(document["number"] for (each, _), document in books.documents.items() if each == kind)
        assert given_numbers == list(range(1, last + 1))
    for (kind, _), document in books.documents.items():
        if kind == ORDERS and document["estimate_id"] and document["voided_at"] is None:
            assert books.documents[ESTIMATES, document["estimate_id"]]["order_id"] == document["_id"]


def test_a_refusal_changes_nothing() -> None:
    books = Books()
    outcomes = books.commit(
        [VoidEstimate("EST-1"), ChangeStatus("ORDER-1", "Refunded")], datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert all(isinstance(outcome, ShopError) for outcome in outcomes)
    assert (books.documents, books.events, books.totals) == ({}, [], Counter())


async def test_a_store_without_rollups_of_years_gets_them_once(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    for moment in ("2024-12-31T23:59:00+05:30", "2025-01-01T00:01:00+05:30", "2025-07-01T12:00:00+05:30"):
        clock.at(moment)
        await shop.sale(sale_by="Ravi")
        await shop.estimate(sale_by="Meera")
    whole = await shop.get("/api/reports/date-range?start_date=2024-01-01&end_date=2025-12-31")
    years = {"_id.store": shop.store, "_id.span": "year"}
    kept = await shop.database.totals.find(years).to_list(None)
    assert len(kept) == 4
    await shop.database.totals.delete_many(years)
    await shop.database.counters.update_one({"_id": shop.store}, {"$unset": {"totals": 1}})
    await asyncio.gather(*(open_shop(clock=clock, store_id=shop.store) for _ in range(3)))
    assert await shop.database.totals.count_documents(years) == 4
    assert await verify(shop.database, shop.store) == []
    again = await open_shop(clock=clock, store_id=shop.store)
    assert await again.get("/api/reports/date-range?start_date=2024-01-01&end_date=2025-12-31") == whole
