"""The backfill of customers: gives each older document its normalized phone number and counts it for a customer, once.

A document with `phone_e164` has been counted; one without the field has not. One with null belongs to no customer,
until a newer rule finds a phone number in its text. So this can be interrupted and repeated at any time, and can run
beside processes that sell, of older and newer versions.
"""

from collections.abc import Callable, Iterable
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
    customer_writes,
    index_by_number,
    new_customer,
    numbers_filter,
)
from schemas.core.collections import COUNTERS, CUSTOMERS, DOCUMENT_KINDS
from schemas.core.principals import SERVICE_ACTOR
from schemas.customers import contribution
from schemas.sales.documents import SalesDocument
from schemas.text.phones import normalize_phone

_BATCH: Final = 500
_FIELDS: Final = (
    "number",
    "phone_e164",
    "customer_name",
    "customer_phone",
    "customer_address",
    "created_at",
    "voided_at",
)
_COUNTED: Final = ("status", "total", "amount_paid")
#: The version of the rule for phone numbers, increased when the rule finds more numbers than before.
_RULE: Final = 2
#: The fields of a store's counters after a complete backfill.
BUILT: Final = {"customers": _RULE}

OnProgress = Callable[[int], None]


async def has_customers(database: Database, store: str) -> bool:
    """Return whether a backfill with the current rule was completed.

    A process of an earlier version may have added uncounted documents since.
    """
    return await database[COUNTERS].find_one({"_id": store, **BUILT}, {"_id": 1}) is not None


async def count_documents(database: Database, store: str) -> int:
    """Return the number of documents that `build_customers` reads."""
    return sum([await database[kind].count_documents(store_filter(kind, store)) for kind in DOCUMENT_KINDS])


async def build_customers(
    database: Database, store: str, region: str, on_progress: OnProgress = lambda _: None
) -> None:
    """Count the documents that were not counted yet, and create missing customers.

    :param on_progress: called with the number of documents of each batch.
    :raises PyMongoError: callers translate.
    """
    async with await database.client.start_session() as session:
        for kind in DOCUMENT_KINDS:
            after: int | None = 0
            while after is not None:
                after = await _count_batch(session, database, store, region, kind, after, on_progress)
    await database[COUNTERS].update_one({"_id": store}, {"$set": BUILT})


async def build_missing_customers(database: Database, store: str, region: str) -> None:
    """Run `build_customers` unless it was completed before; raise DatabaseRefused if that is not possible now."""
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
    """Count the batch after a document number, in one transaction.

    :returns: the last number of the batch, None at the end.
    """
    criteria = {"store": store, "number": {"$gt": after}}

    async def count(session: AsyncIOMotorClientSession) -> list[SalesDocument]:
        fields = (*_FIELDS, *_COUNTED)
        found = database[kind].find(criteria, fields, session=session).sort("number", 1).limit(_BATCH)
        batch = await found.to_list(_BATCH)
        uncounted = [each for each in batch if _is_uncounted(each, region)]
        if uncounted:
            marks = [
                UpdateOne({"_id": each["_id"]}, {"$set": {"phone_e164": each["phone_e164"]}}) for each in uncounted
            ]
            await database[kind].bulk_write(marks, ordered=False, session=session)
            await _write(session, database, store, counts_of(uncounted))
        return batch

    batch: list[SalesDocument] = await session.with_transaction(count)
    on_progress(len(batch))
    return batch[-1]["number"] if len(batch) == _BATCH else None


def _is_uncounted(document: SalesDocument, region: str) -> bool:
    """Set the normalized phone number of a document; return whether the document has to be counted or marked."""
    if document.get("phone_e164") is not None:
        return False
    was_seen = "phone_e164" in document
    document["phone_e164"] = normalize_phone(document["customer_phone"], region)
    return not was_seen or document["phone_e164"] is not None


def counts_of(documents: Iterable[SalesDocument]) -> dict[str, CustomerDelta]:
    """Return the changes to customers, by phone number. They do not restore a deleted customer: the sales are old."""
    counts: dict[str, CustomerDelta] = {}
    for document in documents:
        if document["phone_e164"] is None:
            continue
        count = counts.setdefault(document["phone_e164"], CustomerDelta(restores=False))
        new = partial(new_customer, document, document["created_at"], SERVICE_ACTOR.signature)
        count.create = count.create or new
        count.visited_at = max(document["created_at"], count.visited_at or document["created_at"])
        added = contribution(document)
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
