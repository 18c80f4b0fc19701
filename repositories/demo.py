"""`pos demo`: a store filled with made-up documents, through the journal, and taken away again."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from repositories.database.running_services import check_not_running
from repositories.database.store_scope import store_filter
from repositories.journal.command import Command, Reads
from repositories.journal.journal import GROUP_LIMIT, Journal
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import COUNTERS, CUSTOMERS, ESTIMATES, EVENTS, ORDERS, REQUESTS, TOTALS
from schemas.core.documents import Document
from schemas.core.principals import OWNER, Actor

# A busy machine may take its time; nobody waits at a counter.
_DEADLINE_SECONDS = 120.0
#: Whom made-up documents are by, which nobody else ever is.
DEMO_ACTOR: Final = Actor("pos demo", "pos demo", OWNER)
#: Where a store stands: whatever is sold or changed moves it.
_POSITION: Final = (ESTIMATES, ORDERS, "head", "hash")


@dataclass(frozen=True, slots=True)
class TimedCommand(Command):
    """Apply a command at a moment of its own, instead of that of its group."""

    moment: datetime
    command: Command

    @classmethod
    def of(cls, moment: datetime, command: Command) -> Self:
        """Return a command with its keys, at a moment, by the actor of made-up documents."""
        return cls(moment, command, keys=command.keys, actor=DEMO_ACTOR)

    @property
    def reads(self) -> Reads:
        return self.command.reads

    def apply(self, work: UnitOfWork) -> Document:
        work.now = self.moment
        return self.command.apply(work)


async def mark_store(database: Database, store: str, facts: dict[str, Any], *, replace: bool) -> None:
    """Marks an empty store as one of made-up documents.

    :param facts: what it is made from, kept in its counters.
    :param replace: whether one that was marked before, and holds nothing else, is emptied first.
    :raises DatabaseRefused: the store has documents, or something came to the made-up ones; a service runs on it.
    """
    await check_not_running(database, store)
    counters: Document = await database[COUNTERS].find_one({"_id": store}) or {}
    if replace and "demo" in counters:
        if not await _is_all_made_up(database, store, counters):
            raise DatabaseRefused(
                f"Store {store!r} was changed after `pos demo` had filled it, and that would be lost: it stays. Name "
                "another one with --store."
            )
        await _empty(database, store)
    marked = await database[COUNTERS].update_one(
        {"_id": store, "head": 0, ESTIMATES: 0, ORDERS: 0}, {"$set": {"demo": facts}}
    )
    if not marked.matched_count:
        hint = "fill it anew with --replace, or " if "demo" in counters else ""
        raise DatabaseRefused(
            f"Store {store!r} has documents, and made-up ones never go among them: {hint}name another with --store."
        )


async def fill(
    database: Database,
    store: str,
    zone: ZoneInfo,
    commands: Iterable[TimedCommand],
    on_progress: Callable[[Sequence[TimedCommand]], None],
) -> None:
    """Carries out commands in order, in groups as large as the journal takes; the next is thought up meanwhile.

    :param tell: told each group that is in the books.
    :raises ShopError: one of them was refused.
    """
    journal = Journal(database, store=store, zone=zone, clock=lambda: datetime.now(UTC), deadline=_DEADLINE_SECONDS)
    under_way: deque[tuple[Sequence[TimedCommand], asyncio.Future[Any]]] = deque()

    async def settle(limit: int) -> None:
        while len(under_way) > limit:
            group, outcomes = under_way[0]
            await outcomes
            on_progress(group)
            under_way.popleft()

    try:
        for group in _groups(iter(commands)):
            under_way.append((group, asyncio.gather(*map(journal.enqueue, group))))
            # Lets the journal begin, while the next group is made.
            await asyncio.sleep(0)
            await settle(1)
        await settle(0)
    finally:
        await journal.close()
        # After a refusal, what became of the next group is of no interest.
        await asyncio.gather(*(outcomes for _, outcomes in under_way), return_exceptions=True)


async def record_position(database: Database, store: str) -> None:
    """Keeps where a filled store stands, so that what comes after is known from it. Nothing where somebody else came
    between, which leaves it to the documents."""
    counters: Document = await database[COUNTERS].find_one({"_id": store}) or {}
    if not await _has_other_documents(database, store):
        await database[COUNTERS].update_one(
            {"_id": store, "demo": {"$exists": True}}, {"$set": {"demo.place": _position(counters)}}
        )


def _position(counters: Document) -> Document:
    return {name: counters.get(name) for name in _POSITION}


async def _is_all_made_up(database: Database, store: str, counters: Document) -> bool:
    """Whether a marked store has nothing but what `pos demo` made, also where it was cut off."""
    position = counters["demo"].get("place")
    return bool(position == _position(counters)) if position else not await _has_other_documents(database, store)


async def _has_other_documents(database: Database, store: str) -> bool:
    theirs = {"store": store, "changed_by.id": {"$ne": DEMO_ACTOR.id}}
    return any([await database[kind].find_one(theirs, {"_id": 1}) for kind in (ESTIMATES, ORDERS)])


def _groups(commands: Iterator[TimedCommand]) -> Iterator[list[TimedCommand]]:
    while group := list(islice(commands, GROUP_LIMIT)):
        yield group


async def _empty(database: Database, store: str) -> None:
    """The counters last, under a new epoch: until then the store stays marked, and this can be repeated."""
    for name in (ESTIMATES, ORDERS, CUSTOMERS, EVENTS, REQUESTS, TOTALS):
        await database[name].delete_many(store_filter(name, store))
    await database[COUNTERS].update_one(
        {"_id": store},
        {"$set": {ESTIMATES: 0, ORDERS: 0, "head": 0, "epoch": secrets.token_hex(4)}, "$unset": {"hash": "", "at": ""}},
    )
