"""Customers of what was written before there were any: each document is given its number, and counted, once.

A document with `phone_e164` has been counted; one without has not, and one of null counts for nobody, until the rule of
phone numbers finds one in its text. So this can be cut off and repeated at will, and go on beside processes that sell,
old and new.
"""

from collections.abc import Callable
from functools import partial
from typing import Final

from motor.motor_asyncio import AsyncIOMotorClientSession
from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.store_scope import store_filter
from repositories.journal.customer_sums import (
    CUSTOMER_FIELDS,
    CustomerDelta,
    customer_fields,
    customer_writes,
    index_by_number,
    numbers_filter,
)
from schemas.core.collections import COUNTERS, CUSTOMERS, ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.customers import PHONE_FIELD, contribution
from schemas.text.phones import normalize_phone

_BATCH: Final = 500
_FIELDS: Final = (
    "number",
    PHONE_FIELD,
    "customer_name",
    "customer_phone",
    "customer_address",
    "created_at",
    "voided_at",
)
_COUNTED: Final = ("status", "total", "amount_paid")
#: Which rule of phone numbers everything was counted by; raised when a rule finds numbers that the one before did not.
_RULE: Final = 2
#: What the counters of a store say as soon as everything was counted by it.
BUILT: Final = {"customers": _RULE}

OnProgress = Callable[[int], None]


async def has_customers(database: Database, store: str) -> bool:
    """Return whether everything was counted once, by today's rule of phone numbers; a process of an earlier version may
    have sold something since."""
    return await database[COUNTERS].find_one({"_id": store, **BUILT}, {"_id": 1}) is not None


async def count_documents(database: Database, store: str) -> int:
    """How many documents `build_customers` looks at."""
    return sum([await database[kind].count_documents(store_filter(kind, store)) for kind in (ESTIMATES, ORDERS)])


async def build_customers(
    database: Database, store: str, region: str, on_progress: OnProgress = lambda _: None
) -> None:
    """Counts what was not counted yet, and makes the customers that are missing.

    :raises PyMongoError: callers translate.
    """
    async with await database.client.start_session() as session:
        for kind in (ESTIMATES, ORDERS):
            after: int | None = 0
            while after is not None:
                after = await _count_batch(session, database, store, region, kind, after, on_progress)
    await database[COUNTERS].update_one({"_id": store}, {"$set": BUILT})


async def build_missing_customers(database: Database, store: str, region: str) -> None:
    """As `build_customers`, where that was never done to the end.

    :raises DatabaseRefused: it cannot be done now.
    """
    try:
        if not await has_customers(database, store):
            await build_customers(database, store, region)
    except PyMongoError as error:
        raise DatabaseRefused(f"The customers cannot be counted: {first_clause(error)}") from error


async def _count_batch(
    session: AsyncIOMotorClientSession,
    database: Database,
    store: str,
    region: str,
    kind: str,
    after: int,
    on_progress: OnProgress,
) -> int | None:
    """Counts a batch that follows a number, in one transaction; the last number of it, None at the end."""
    criteria = {"store": store, "number": {"$gt": after}}

    async def count(session: AsyncIOMotorClientSession) -> list[Document]:
        fields = (*_FIELDS, *_COUNTED)
        found = database[kind].find(criteria, fields, session=session).sort("number", 1).limit(_BATCH)
        batch = await found.to_list(_BATCH)
        uncounted = [each for each in batch if _is_uncounted(each, region)]
        if uncounted:
            marks = [UpdateOne({"_id": each["_id"]}, {"$set": {PHONE_FIELD: each[PHONE_FIELD]}}) for each in uncounted]
            await database[kind].bulk_write(marks, ordered=False, session=session)
            await _write(session, database, store, counts_of(kind, uncounted))
        return batch

    batch: list[Document] = await session.with_transaction(count)
    on_progress(len(batch))
    return batch[-1]["number"] if len(batch) == _BATCH else None


def _is_uncounted(document: Document, region: str) -> bool:
    """Return whether a document counts for nobody yet, and give it the number that it counts for."""
    if document.get(PHONE_FIELD) is not None:
        return False
    was_seen = PHONE_FIELD in document
    document[PHONE_FIELD] = normalize_phone(document["customer_phone"], region)
    return not was_seen or document[PHONE_FIELD] is not None


def counts_of(kind: str, documents: list[Document]) -> dict[str, CustomerDelta]:
    """By number, what was not counted yet. Who was taken away since stays away: they are old sales."""
    counts: dict[str, CustomerDelta] = {}
    for document in documents:
        if document[PHONE_FIELD] is None:
            continue
        count = counts.setdefault(document[PHONE_FIELD], CustomerDelta(restores=False))
        count.create = count.create or partial(customer_fields, document, document["created_at"])
        count.visited_at = max(document["created_at"], count.visited_at or document["created_at"])
        added = contribution(kind, document)
        count.add(added[1] if added else {})
    return counts


async def _write(
    session: AsyncIOMotorClientSession, database: Database, store: str, counts: dict[str, CustomerDelta]
) -> None:
    owners = (
        await database[CUSTOMERS].find(numbers_filter(store, counts), CUSTOMER_FIELDS, session=session).to_list(None)
    )
    updates, fresh = customer_writes(store, counts, index_by_number(owners))
    if updates:
        await database[CUSTOMERS].bulk_write(updates, ordered=False, session=session)
    if fresh:
        await database[CUSTOMERS].insert_many(fresh, session=session)
