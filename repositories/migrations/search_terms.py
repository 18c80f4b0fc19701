"""The rebuild of search terms that an earlier rule made (`schemas/text/search_terms.py`).

It works in batches and writes a document only if its terms differ and if it was not changed meanwhile. So it can be
interrupted and repeated at any time, beside processes that sell.
"""

from collections.abc import Callable
from typing import Final

from pymongo import UpdateOne
from pymongo.errors import PyMongoError

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.store_scope import store_filter
from schemas.core.collections import COUNTERS, CUSTOMERS, DOCUMENT_KINDS, REGISTRY
from schemas.core.documents import Document
from schemas.text.search_terms import TERMS_VERSION, search_terms

_BATCH: Final = 1_000
#: The fields that the terms are made of, by collection.
_FIELDS: Final = {**dict.fromkeys(DOCUMENT_KINDS, ("customer_name", "customer_phone")), CUSTOMERS: ("name", "phone")}
#: The fields of a store's counters when all terms were made by the current rule.
BUILT: Final = {"terms_rule": TERMS_VERSION}

OnProgress = Callable[[int], None]


async def has_terms(database: Database, store: str) -> bool:
    """Return whether the current rule made all terms of a store."""
    return await database[COUNTERS].find_one({"_id": store, **BUILT}, {"_id": 1}) is not None


async def build_terms(database: Database, store: str, on_progress: OnProgress = lambda _: None) -> None:
    """Rebuild the terms of all documents and customers that differ from the current rule.

    :raises PyMongoError: callers translate.
    """
    for kind in _FIELDS:
        last: object = None
        while (batch := await _rebuild_batch(database, store, kind, last)) != []:
            last = batch[-1][REGISTRY[kind].key]
            on_progress(len(batch))
    await database[COUNTERS].update_one({"_id": store}, {"$set": BUILT})


async def build_missing_terms(database: Database, store: str) -> None:
    """Run `build_terms` unless the current rule completed it; raise DatabaseRefused if that is not possible now."""
    try:
        if not await has_terms(database, store):
            await build_terms(database, store)
    except PyMongoError as error:
        raise DatabaseRefused(f"The search cannot be prepared: {first_clause(error)}") from error


async def _rebuild_batch(database: Database, store: str, kind: str, last: object) -> list[Document]:
    """Rebuild the terms of a batch, and return the batch as read.

    :param last: the key of the last document before the batch, None for the first batch.
    """
    place, fields = REGISTRY[kind].key, _FIELDS[kind]
    criteria = store_filter(kind, store) if last is None else {"store": store, place: {"$gt": last}}
    found = database[kind].find(criteria, (place, "version", "terms", *fields)).sort(place, 1).limit(_BATCH)
    batch: list[Document] = await found.to_list(_BATCH)
    changes = [change for document in batch if (change := _change(document, *fields)) is not None]
    if changes:
        await database[kind].bulk_write(changes, ordered=False)
    return batch


def _change(document: Document, name: str, phone: str) -> UpdateOne | None:
    terms = search_terms(document[name], document[phone])
    # A document whose terms are empty keeps none: its customer's name was removed.
    if not document.get("terms", terms) or document.get("terms") == terms:
        return None
    return UpdateOne({"_id": document["_id"], "version": document["version"]}, {"$set": {"terms": terms}})
