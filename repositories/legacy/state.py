"""The state of an import, one document for each store in `adoption`, and the location of its originals.

`step` is begun, done or undoing; `renamed` the kinds whose originals had our collection names; `summary` the report.
"""

from datetime import UTC, datetime
from typing import Any, Final

from pymongo.database import Database as SyncDatabase

from repositories.database.client import Database
from repositories.database.store_scope import LEGACY_DOCUMENT, store_filter
from repositories.legacy.late_documents import LATE_PREFIX
from repositories.legacy.source import BACKUP_PREFIX, Source
from schemas.core.collections import COUNTERS, LEGACY_KINDS
from schemas.core.documents import Document

DROPPING: Final = "Its backup is being dropped, or that was cut off: run `pos import-legacy --drop-backup` again first."


def new_state(store: str, of_source: Document, renamed: list[str]) -> Document:
    """Return the state of a new import.

    :param of_source: its fields about the source: `from`, `in_place` and `is_here`.
    """
    return {"_id": store, "step": "begun", **of_source, "renamed": renamed, "begun_at": datetime.now(UTC)}


async def infer_state(database: Database, fresh: Document) -> Document | None:
    """Return the state of a store without an import, in whose collections the earlier backend has written.

    :param fresh: the state of an import that would begin now.
    :returns: None if the store is not of this kind.
    """
    store = fresh["_id"]
    if not fresh["in_place"] or await database[COUNTERS].find_one({"_id": store}) is None:
        return None
    has_own = any([await database[kind].find_one(store_filter(kind, store)) for kind in LEGACY_KINDS])
    has_late = any([await database[kind].find_one(LEGACY_DOCUMENT, {"_id": 1}) for kind in LEGACY_KINDS])
    is_shop = has_own and has_late
    return {**fresh, "step": "done", "is_own": True, "summary": {"defects": {}}} if is_shop else None


def locate_originals(source: SyncDatabase[Any], state: Document | None) -> Source:
    """Return the collections of the originals. Blocking.

    For an import in place, these are the collection of the kind or, once it was renamed, the backup, and the collection
    of late documents.
    """
    if state is None or not state["in_place"]:
        return Source(source, {kind: (kind,) for kind in LEGACY_KINDS})
    here = set(source.list_collection_names())
    names: dict[str, list[str]] = {}
    for kind in LEGACY_KINDS:
        backup = BACKUP_PREFIX + kind
        # A collection with our name that did not exist before the import is ours.
        first = [backup] if backup in here else [kind] if kind in state["renamed"] and state["step"] == "begun" else []
        names[kind] = first + [name for name in (LATE_PREFIX + kind,) if name in here]
    return Source(source, names)
