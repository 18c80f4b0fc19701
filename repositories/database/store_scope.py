"""Filters that keep a query within one store."""

from collections.abc import Iterable
from typing import Final

from repositories.database.client import Filter
from schemas.core.collections import CUSTOMERS, DOCUMENT_KINDS, REGISTRY

#: Matches estimates and orders that this service wrote.
CURRENT_DOCUMENT: Final[Filter] = {"store": {"$type": "string"}, "number": {"$gte": 0}}
#: Matches estimates and orders that the earlier backend wrote into the same collections.
LEGACY_DOCUMENT: Final[Filter] = {"$nor": [CURRENT_DOCUMENT]}
#: Excludes documents of the earlier backend, which may carry the name of our store, from a query of lists. As a type
#: and not as a range, so that the index over numbers is not chosen for it.
HAS_NUMBER: Final[Filter] = {"number": {"$type": "number"}}


def store_filter(collection: str, store: str) -> Filter:
    """Return a filter, served by an index, for all documents of a store in a collection."""
    place = REGISTRY[collection].store_in[0]
    if place == "_id.store":
        # A range of `_id`, which has an index; a field inside it has none.
        return {"_id": {"$gte": {"store": store}, "$lt": {"store": store + "\x00"}}}
    # The earlier backend may still write estimates and orders, without a number.
    return {place: store, **({"number": {"$gte": 0}} if collection in DOCUMENT_KINDS else {})}


def by_ids(collection: str, store: str, ids: Iterable[str]) -> Filter:
    """Return a filter, served by indexes, for documents by their ids; customers also by their phone numbers."""
    by_id: Filter = {"_id": {"$in": list(ids)}, **(HAS_NUMBER if collection in DOCUMENT_KINDS else {})}
    if collection == CUSTOMERS:
        by_id = {"$or": [by_id, {"store": store, "numbers": {"$in": list(ids)}}]}
    return {**by_id, "store": store}
