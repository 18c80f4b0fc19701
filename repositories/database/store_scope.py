"""Filters that keep a query within one store."""

from collections.abc import Iterable
from typing import Final

from schemas.core.collections import CUSTOMERS, ESTIMATES, LOG, ORDERS, ORIGINALS, TOTALS
from schemas.core.documents import Document

#: Matches estimates and orders that this service wrote.
CURRENT_DOCUMENT: Final[Document] = {"store": {"$type": "string"}, "number": {"$gte": 0}}
#: Matches estimates and orders that the earlier backend wrote into the same collections.
LEGACY_DOCUMENT: Final[Document] = {"$nor": [CURRENT_DOCUMENT]}
#: Excludes documents of the earlier backend, which may carry the name of our store, from a query of lists. As a
# type and
#: not as a range, so that the index over numbers is not chosen for it.
HAS_NUMBER: Final[Document] = {"number": {"$type": "number"}}


def store_filter(collection: str, store: str) -> Document:
    """Return a filter, served by an index, for all documents of a store in a collection."""
    if collection in (TOTALS, ORIGINALS, LOG):
        # A range of `_id`, which has an index; a field inside it has none.
        return {"_id": {"$gte": {"store": store}, "$lt": {"store": store + "\x00"}}}
    if collection in (ESTIMATES, ORDERS):
        # The earlier backend may still write here, without a number.
        return {"store": store, "number": {"$gte": 0}}
    return {"store": store}


def by_ids(collection: str, store: str, ids: Iterable[str]) -> Document:
    """Return a filter, served by indexes, for documents by their ids; customers also by their phone numbers."""
    by_id: Document = {"_id": {"$in": list(ids)}, **(HAS_NUMBER if collection in (ESTIMATES, ORDERS) else {})}
    if collection == CUSTOMERS:
        by_id = {"$or": [by_id, {"store": store, "numbers": {"$in": list(ids)}}]}
    return {**by_id, "store": store}
