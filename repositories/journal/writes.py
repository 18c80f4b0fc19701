"""The write operations of a group of commands, besides those of counters and events."""

from collections import defaultdict

from pymongo import DeleteOne, ReplaceOne, UpdateOne

from repositories.journal.customer_sums import customer_replacements
from repositories.journal.unit_of_work import UnitOfWork
from repositories.reporting.rollup_rows import row_id
from schemas.core.collections import CUSTOMERS, REQUESTS, TOTALS
from schemas.core.documents import Document

Update = ReplaceOne[Document] | UpdateOne | DeleteOne


def collect_inserts(work: UnitOfWork, stored_before: set[str]) -> dict[str, list[Document]]:
    """Return the new documents besides the events, by collection."""
    inserts: dict[str, list[Document]] = defaultdict(list)
    for (kind, document_id), document in work.changed.items():
        if (kind, document_id) not in work.documents and kind != CUSTOMERS:
            inserts[kind].append(document)
    inserts[REQUESTS] = [request for key, request in work.stored_answers.items() if key not in stored_before]
    return inserts


def collect_updates(work: UnitOfWork, stored_before: set[str]) -> dict[str, list[Update]]:
    """Return the changes of existing documents, by collection."""
    updates: dict[str, list[Update]] = defaultdict(list)
    for (kind, document_id), document in work.changed.items():
        if (kind, document_id) in work.documents and kind != CUSTOMERS:
            updates[kind].append(ReplaceOne({"_id": document_id}, document))
    for rollup, row in work.rollup_deltas().items():
        updates[TOTALS].append(UpdateOne({"_id": row_id(work.store, rollup)}, {"$inc": row}, upsert=True))
    updates[CUSTOMERS].extend(customer_replacements(work))
    for key, document_id in work.released_keys.items():
        updates[REQUESTS].append(DeleteOne({"store": work.store, "key": key, "answer._id": document_id}))
    for key, request in work.stored_answers.items():
        if key in stored_before:
            updates[REQUESTS].append(ReplaceOne({"store": work.store, "key": key}, request, upsert=True))
    return updates
