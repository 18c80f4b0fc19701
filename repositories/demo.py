"""`pos demo`: fills a store with made-up documents through the journal, and deletes them again."""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from repositories.database.running_services import check_not_running
from repositories.database.store_scope import store_filter
from repositories.event_log.earlier_events import refuse_unconverted
from repositories.journal.command import Command, Reads
from repositories.journal.journal import GROUP_LIMIT, Journal
from repositories.journal.unit_of_work import UnitOfWork
from schemas.core.collections import COUNTERS, CUSTOMERS, DOCUMENT_KINDS, LOG, NO_NUMBERS, TOTALS
from schemas.core.documents import Document
from schemas.core.principals import OWNER, Actor

# Long, because no customer waits, and the machine may be busy.
_DEADLINE_SECONDS = 120.0
#: The actor of made-up documents, and of no others.
DEMO_ACTOR: Final = Actor("pos demo", "pos demo", OWNER)
#: The position of a store, which every change moves.
_POSITION: Final = (*DOCUMENT_KINDS, "head", "hash")
#: What a demo writes. Settings, links and messages of its store are a person's, and stay.
_WRITTEN: Final = (*DOCUMENT_KINDS, CUSTOMERS, LOG, TOTALS)


@dataclass(frozen=True, slots=True)
class TimedCommand(Command):
    """Apply a command at its own moment instead of the moment of its group."""

    moment: datetime
    command: Command

    @classmethod
    def of(cls, moment: datetime, command: Command) -> Self:
        """Return a command of the demo's actor at a moment, with the command's keys."""
        return cls(moment, command, keys=command.keys, actor=DEMO_ACTOR)

    @property
    def reads(self) -> Reads:
        return self.command.reads

    def apply(self, work: UnitOfWork) -> Mapping[str, Any]:
        work.now = self.moment
        return self.command.apply(work)


async def mark_store(database: Database, store: str, facts: dict[str, Any], *, replace: bool) -> None:
    """Mark an empty store as a demo.

    :param facts: the parameters of the demo, stored in the store's counters.
    :param replace: empty the store first, if it has only made-up documents.
    :raises DatabaseRefused: the store has other documents, or a service runs on it.
    """
    await check_not_running(database, store)
    counters: Document = await database[COUNTERS].find_one({"_id": store}) or {}
    if replace and "demo" in counters:
        refuse_unconverted(counters)
        if not await _is_all_made_up(database, store, counters):
            raise DatabaseRefused(
                f"Store {store!r} was changed after `pos demo` filled it, and those changes would be lost: it stays. "
                "Name another one with --store."
            )
        await _empty(database, store)
    marked = await database[COUNTERS].update_one({"_id": store, "head": 0, **NO_NUMBERS}, {"$set": {"demo": facts}})
    if not marked.matched_count:
        hint = "replace them with --replace, or " if "demo" in counters else ""
        raise DatabaseRefused(
            f"Store {store!r} has documents, and a demo needs an empty store: {hint}name another with --store."
        )


async def fill(
    database: Database,
    store: str,
    zone: ZoneInfo,
    commands: Iterable[TimedCommand],
    on_progress: Callable[[Sequence[TimedCommand]], None],
) -> None:
    """Run commands in order, in groups as large as the journal takes. The next group is generated meanwhile.

    :param on_progress: called with each group that is committed.
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
            # Lets the journal start while the next group is generated.
            await asyncio.sleep(0)
            await settle(1)
        await settle(0)
    finally:
        await journal.close()
        # After a refusal, the outcome of the next group does not matter.
        await asyncio.gather(*(outcomes for _, outcomes in under_way), return_exceptions=True)


async def record_position(database: Database, store: str) -> None:
    """Store the position of a filled store, so that later changes are detected. Skip it if the store has been changed
    already."""
    counters: Document = await database[COUNTERS].find_one({"_id": store}) or {}
    if not await _has_other_documents(database, store):
        await database[COUNTERS].update_one(
            {"_id": store, "demo": {"$exists": True}}, {"$set": {"demo.place": _position(counters)}}
        )


def _position(counters: Document) -> Document:
    return {name: counters.get(name) for name in _POSITION}


async def _is_all_made_up(database: Database, store: str, counters: Document) -> bool:
    """Return whether a demo store has only made-up documents, even if `pos demo` was interrupted."""
    position = counters["demo"].get("place")
    return bool(position == _position(counters)) if position else not await _has_other_documents(database, store)


async def _has_other_documents(database: Database, store: str) -> bool:
    other = {"$ne": DEMO_ACTOR.id}
    theirs = {"store": store, "$or": [{"created_by.id": other}, {"changed_by.id": {"$exists": True, **other}}]}
    return any([await database[kind].find_one(theirs, {"_id": 1}) for kind in DOCUMENT_KINDS])


def _groups(commands: Iterator[TimedCommand]) -> Iterator[list[TimedCommand]]:
    while group := list(islice(commands, GROUP_LIMIT)):
        yield group


async def _empty(database: Database, store: str) -> None:
    """Delete a demo's documents. The counters come last, so that the store stays marked and this can be repeated."""
    for name in _WRITTEN:
        await database[name].delete_many(store_filter(name, store))
    empty = {**NO_NUMBERS, "head": 0, "epoch": secrets.token_hex(4)}
    await database[COUNTERS].update_one({"_id": store}, {"$set": empty, "$unset": {"hash": "", "at": ""}})
