"""The check for collections of another program under our names, before anything is written.

Every document in a collection of ours has certain fields. A collection belongs to another program if a document lacks
them, if it is not an ordinary collection, or if it has an index that would refuse our documents.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from pymongo import IndexModel
from pymongo.database import Database as SyncDatabase

from repositories.database.errors import DatabaseRefused
from repositories.database.store_scope import LEGACY_DOCUMENT
from schemas.core.collections import (
    ADOPTION,
    ATTEMPTS,
    COUNTERS,
    CREDENTIALS,
    CUSTOMERS,
    DEVICES,
    ESTIMATES,
    FACTS,
    LINK_VIEWS,
    LINKS,
    LOG,
    MESSAGES,
    ORDERS,
    ORIGINALS,
    RATE_COUNTS,
    RATE_WINDOWS,
    SETTINGS,
    TOTALS,
    UPLOADS,
    USERS,
)
from schemas.core.documents import Document


def _has_fields(*names: str) -> Document:
    """Return a filter for documents of a store that have all these fields."""
    return {"store": {"$type": "string"}, **{name: {"$exists": True} for name in names}}


_DATED: Final[Document] = {"expires_at": {"$type": "date"}}
#: The filter that every document of ours matches, by collection.
_EXPECTED: Final[dict[str, Document]] = {
    ADOPTION: {"_id": {"$type": "string"}, "step": {"$type": "string"}},
    ATTEMPTS: _DATED,
    COUNTERS: {"_id": {"$type": "string"}, "head": {"$exists": True}},
    CREDENTIALS: {"owner": {"$exists": True}},
    CUSTOMERS: _has_fields("terms", "version"),
    DEVICES: _has_fields("name", "belongs_to"),
    FACTS: {"_id": {"$type": "string"}},
    LINKS: _has_fields("token", "document_id"),
    LOG: {"_id.store": {"$type": "string"}, "events": {"$type": "array"}},
    LINK_VIEWS: _has_fields("views"),
    MESSAGES: _has_fields("outbox", "state"),
    ORIGINALS: {"_id.store": {"$type": "string"}, "_id.kind": {"$type": "string"}},
    RATE_COUNTS: {"_id": {"$type": "string"}, "expireAt": {"$exists": True}},
    RATE_WINDOWS: {"_id": {"$type": "string"}},
    SETTINGS: _has_fields("version"),
    TOTALS: {"_id.store": {"$type": "string"}, "_id.period": {"$type": "string"}},
    UPLOADS: _DATED,
    USERS: {"login": {"$type": "string"}, "role": {"$type": "string"}},
}


def refuse_occupied(
    database: SyncDatabase[Any], models: Mapping[str, Sequence[IndexModel]], except_for: Collection[str] = ()
) -> None:
    """Refuse a database in which another program has collections of our names. Blocking.

    :param models: our indexes, by collection.
    :param except_for: collections whose documents may be anything.
    :raises DatabaseRefused: it has; the message says which, and where to go instead.
    """
    names = list(_occupied(database, models, except_for))
    if names:
        name = database.name
        raise DatabaseRefused(
            f"The database {name!r} has collections of another program under names that this service needs: "
            f"{', '.join(names)}. Nothing was changed. Rename them, or take another database: set DATABASE_NAME to a "
            f"new name; to import what the earlier backend wrote here, run `pos import-legacy --from {name}` with it."
        )


def _occupied(
    database: SyncDatabase[Any], models: Mapping[str, Sequence[IndexModel]], except_for: Collection[str]
) -> Iterator[str]:
    for each in sorted(database.list_collections(), key=lambda found: str(found["name"])):
        name = each["name"]
        if name not in _EXPECTED and name not in (ESTIMATES, ORDERS):
            continue
        if each.get("type", "collection") != "collection" or each.get("options", {}).get("capped"):
            yield f"{name} (no ordinary collection)"
        elif name in except_for:
            continue
        elif database[name].find_one(
            LEGACY_DOCUMENT if name in (ESTIMATES, ORDERS) else {"$nor": [_EXPECTED[name]]}, {"_id": 1}
        ):
            yield name
        else:
            own = {model.document["name"]: dict(model.document["key"]) for model in models.get(name, ())}
            if any(_is_in_the_way(found, own) for found in database[name].list_indexes()):
                yield f"{name} (an index of it is in the way)"


def _is_in_the_way(found: Any, own: dict[str, dict[str, Any]]) -> bool:
    """Return whether an index prevents the creation of one of ours, or may refuse our documents."""
    name, key = found["name"], dict(found["key"])
    if name in own:
        return key != own[name]
    return bool(found.get("unique")) and key not in own.values()
