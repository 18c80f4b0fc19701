"""The check for collections of another program under our names, before anything is written.

Every document in a collection of ours has certain fields. A collection belongs to another program if a document lacks
them, if it is not an ordinary collection, or if it has an index that would refuse our documents.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from pymongo import IndexModel
from pymongo.database import Database as SyncDatabase

from repositories.database.errors import DatabaseRefused
from repositories.database.store_scope import CURRENT_DOCUMENT
from schemas.core.collections import DOCUMENT_KINDS, REGISTRY
from schemas.core.documents import Document

#: The name of a type in a query of the database.
_TYPES: Final = {str: "string", int: "number"}


def _expected(name: str) -> Document:
    """Return the filter that every document of ours matches."""
    if name in DOCUMENT_KINDS:
        return CURRENT_DOCUMENT
    known = REGISTRY[name]
    types: dict[str, type] = dict.fromkeys(known.store_in, str)
    types |= {f"_id.{member}": each for member, each in known.id_members.items()} or {"_id": str}
    required = (*known.required, *([] if known.owner is None else [known.owner]))
    return {
        **{name: {"$type": _TYPES[each]} for name, each in types.items()},
        **{name: {"$exists": True} for name in required},
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
        if name not in REGISTRY:
            continue
        if each.get("type", "collection") != "collection" or each.get("options", {}).get("capped"):
            yield f"{name} (no ordinary collection)"
        elif name in except_for:
            continue
        elif database[name].find_one({"$nor": [_expected(name)]}, {"_id": 1}):
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
