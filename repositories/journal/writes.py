"""The write operations of a group of commands, except its counters and new log documents."""

from collections import defaultdict

from pymongo import ReplaceOne, UpdateOne

from repositories.journal.customer_sums import customer_replacements
from repositories.journal.unit_of_work import UnitOfWork
from repositories.reporting.rollup_rows import row_id
from schemas.core.collections import CUSTOMERS, LOG, TOTALS
from schemas.core.documents import Document

Update = ReplaceOne[Document] | UpdateOne


def collect_inserts(work: UnitOfWork) -> dict[str, list[Document]]:
    """Return the new documents, by collection."""
    inserts: dict[str, list[Document]] = defaultdict(list)
    for (kind, document_id), document in work.changed.items():
        if (kind, document_id) not in work.documents and kind != CUSTOMERS:
            inserts[kind].append(document)
    return inserts


def collect_updates(work: UnitOfWork) -> dict[str, list[Update]]:
    """Return the changes of existing documents, by collection."""
    updates: dict[str, list[Update]] = defaultdict(list)
    for (kind, document_id), document in work.changed.items():
        if (kind, document_id) in work.documents and kind != CUSTOMERS:
            updates[kind].append(ReplaceOne({"_id": document_id}, document))
    for rollup, row in work.rollup_deltas().items():
        updates[TOTALS].append(UpdateOne({"_id": row_id(work.store, rollup)}, {"$inc": row}, upsert=True))
    updates[CUSTOMERS].extend(customer_replacements(work))
    for key, owner in work.released_keys.items():
        request = {"key": key, **({} if owner is None else {"id": owner})}
        criteria = {"_id.store": work.store, "requests.key": key}
        updates[LOG].append(UpdateOne(criteria, {"$pull": {"requests": request}}))
    return updates
