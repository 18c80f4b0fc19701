"""Filters that keep a query within one store."""

from collections.abc import Iterable
from typing import Final

from schemas.core.collections import CUSTOMERS, ESTIMATES, ORDERS, ORIGINALS, TOTALS
from schemas.core.documents import Document


def store_filter(collection: str, store: str) -> Document:
    """A filter, which an index serves, for all that a store has in a collection of documents."""
    if collection in (TOTALS, ORIGINALS):
        # A range of `_id`, which has an index; a field inside of it has none.
        return {"_id": {"$gte": {"store": store}, "$lt": {"store": store + "\x00"}}}
    if collection in (ESTIMATES, ORDERS):
        # The earlier backend may still write here, and what it writes has no number of ours.
        return {"store": store, "number": {"$gte": 0}}
    return {"store": store}


def by_ids(collection: str, store: str, ids: Iterable[str]) -> Document:
    """A filter, which indexes serve, for what ids name; customers are named by their phone numbers as well."""
    by_id: Document = {"_id": {"$in": list(ids)}, **(HAS_NUMBER if collection in (ESTIMATES, ORDERS) else {})}
    if collection == CUSTOMERS:
        by_id = {"$or": [by_id, {"store": store, "numbers": {"$in": list(ids)}}]}
    return {**by_id, "store": store}


CURRENT_DOCUMENT: Final[Document] = {"store": {"$type": "string"}, "number": {"$gte": 0}}
LEGACY_DOCUMENT: Final[Document] = {"$nor": [CURRENT_DOCUMENT]}
#: The same of lists, which no other index should serve: the earlier backend may have written the name of our store.
HAS_NUMBER: Final[Document] = {"number": {"$type": "number"}}
