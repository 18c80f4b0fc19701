"""Warnings about late documents, which the earlier backend wrote after the import.

Documents are compared by id and collection, not by their count: a deleted document would hide a new one.
"""

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from pymongo.collection import Collection
from pymongo.database import Database as SyncDatabase
from pymongo.errors import OperationFailure

from repositories.database.raw_originals import RAW_CODEC
from repositories.legacy.late_documents import LATE_PREFIX, count_late, id_bytes, id_of
from schemas.core.collections import IMPORTS, LEGACY_KINDS, ORIGINALS
from schemas.core.documents import Document

_BATCH: Final = 1_000
_IDENTITY: Final = {"original._id": 1, "kind": 1, "lies_in": 1}


def late_warnings(database: SyncDatabase[Any], store: str) -> list[str]:
    """Return a sentence for each collection where the earlier backend has written since the import. Blocking."""
    found = [
        f"{kind}: {count:,} of the earlier backend lie here, which no list and no report shows: stop it, and run "
        "`pos import-legacy`."
        for kind in LEGACY_KINDS
        if (count := count_late(database, kind))
    ]
    state = database[IMPORTS].find_one({"_id": store, "step": "done"})
    if state is None:
        return found
    if state["in_place"]:
        return [*found, *_warn_of_moved(database, store)]
    # Without permission to read the source, nothing is known.
    with suppress(OperationFailure):
        return [*found, *_warn_of_source(database, state)]
    return found


def _warn_of_moved(database: SyncDatabase[Any], store: str) -> Iterator[str]:
    """Yield warnings about documents that an interrupted import has moved away."""
    for kind in LEGACY_KINDS:
        count = _count_unimported(database, store, kind, database[LATE_PREFIX + kind])
        if count:
            yield f"{LATE_PREFIX + kind}: {count:,} of the earlier backend are not imported: run `pos import-legacy`."


def _warn_of_source(database: SyncDatabase[Any], state: Document) -> Iterator[str]:
    """Yield a warning if another database of the same server has documents that were not imported."""
    store, name = state["_id"], state["from"]
    source = database.client[name]
    count = sum(_count_unimported(database, store, kind, source[kind]) for kind in LEGACY_KINDS)
    # Earlier versions did not store `is_here`: if no document is known, it is another database of the same name.
    if count > 0 and state.get("is_here", count < sum(source[kind].count_documents({}) for kind in LEGACY_KINDS)):
        yield (
            f"{count:,} estimates and orders were written into {name!r} since its import: stop the earlier "
            f"backend, and run `pos import-legacy --from {name}` again."
        )


def _count_unimported(database: SyncDatabase[Any], store: str, kind: str, collection: Collection[Any]) -> int:
    """Count the documents of a collection that have no copy in `adopted`."""
    kept_rows = database.get_collection(ORIGINALS, codec_options=RAW_CODEC)
    # Earlier versions stored no copy of originals that are too large.
    count = -database[ORIGINALS].count_documents({"store": store, "kind": kind, "original": None})
    rows = collection.with_options(RAW_CODEC).find({}, {"_id": 1}, batch_size=_BATCH)
    while ids := [id_of(raw) for raw in islice(rows, _BATCH)]:
        wanted = {"store": store, "kind": {"$in": list(LEGACY_KINDS)}, "original._id": {"$in": ids}}
        found = kept_rows.find(wanted, _IDENTITY)
        known = {id_bytes(id_of(row["original"])) for row in found if row.get("lies_in", row["kind"]) == kind}
        count += sum(id_bytes(own_id) not in known for own_id in ids)
    return max(0, count)
