"""`pos import-legacy --undo`, possible until the first sale, and `--drop-backup`, after which it is not possible.

Undo deletes only what the import wrote. Late documents go back to the originals, even while the earlier backend
continues to write.
"""

import asyncio
from itertools import islice
from typing import Any, Final

from pymongo.database import Database as SyncDatabase
from pymongo.errors import OperationFailure

from repositories.database.client import Database
from repositories.database.errors import DatabaseRefused
from repositories.database.running_services import check_not_running
from repositories.database.store_scope import CURRENT_DOCUMENT, store_filter
from repositories.legacy.late_documents import LATE_PREFIX, Move
from repositories.legacy.late_import import unimported
from repositories.legacy.source import BACKUP_PREFIX, Source
from repositories.legacy.state import DROPPING
from repositories.messaging.uploads import legacy_files_filter
from repositories.migrations.indexes import refuse_restoring
from schemas.core.collections import COUNTERS, CUSTOMERS, IMPORTS, LEGACY_KINDS, ORIGINALS, TOTALS, UPLOADS
from schemas.core.documents import Document

_BUSY: Final = "Another `pos import-legacy` is running on this store: wait for it, and run this again."
_NOT_IMPORTED: Final = "Store {store!r} was not imported from the earlier backend."
#: The prefix of our collections while the originals get their names back.
_UNDONE_PREFIX: Final = "undone_"
_NAMESPACE_NOT_FOUND, _NAMESPACE_EXISTS = 26, 48
_BATCH: Final = 1_000
#: The number of attempts to rename the originals back between two writes of the earlier backend.
_MAX_TRIES: Final = 500


async def undo(database: Database, store: str) -> dict[str, int]:
    """Delete the imported documents and rename the originals back. Safe to repeat after an interruption.

    :returns: by collection, how many documents could not be moved back to the originals.
    :raises DatabaseRefused: the store has been changed since, a service runs on it, or it is being restored.
    """
    state = await database[IMPORTS].find_one({"_id": store})
    if state is None:
        raise DatabaseRefused(_NOT_IMPORTED.format(store=store))
    await refuse_restoring(database, store)
    await check_not_running(database, store)
    if state.get("is_own"):
        raise DatabaseRefused("This store had sales of its own before the import: it stays.")
    here = set(await database.list_collection_names())
    others = {"$and": [CURRENT_DOCUMENT, {"store": {"$ne": store}}]}
    # A collection with our name and a backup is ours; without a backup it is an original that was renamed back.
    ours = [kind for kind in LEGACY_KINDS if kind not in state["renamed"] or BACKUP_PREFIX + kind in here]
    if state["in_place"] and any([await database[kind].find_one(others) for kind in ours]):
        raise DatabaseRefused("This database now has another store, which undoing the import would destroy.")
    # From here on no process can open the store, and without counters no running process can sell in it.
    await _begin_undoing(database, state)
    await database[COUNTERS].delete_one({"_id": store, "head": 0})
    counters = await database[COUNTERS].find_one({"_id": store})
    if counters is not None:
        await database[IMPORTS].update_one({"_id": store}, {"$set": {"step": "done"}})
        raise DatabaseRefused(
            f"{counters['head']:,} changes were made since the import, and would be lost: the store stays."
        )
    staying: dict[str, int] = {}
    for kind in LEGACY_KINDS:
        if state["in_place"]:
            staying |= await asyncio.to_thread(_restore_originals, database.delegate, state, kind)
        else:
            await asyncio.to_thread(_delete_imported, database.delegate, store, kind, kind)
    for name in (TOTALS, CUSTOMERS, ORIGINALS):
        await database[name].delete_many(store_filter(name, store))
    await database[UPLOADS].delete_many(legacy_files_filter(store))
    await database[IMPORTS].delete_one({"_id": store})
    return staying


async def _begin_undoing(database: Database, state: Document) -> None:
    """Mark the import as being undone.

    :raises DatabaseRefused: its backup is being or was dropped, or another command runs on the store.
    """
    store = state["_id"]
    unchanged = {"_id": store, "step": state["step"], "is_dropping": None}
    if not (await database[IMPORTS].update_one(unchanged, {"$set": {"step": "undoing"}})).matched_count:
        raise DatabaseRefused(DROPPING if state.get("is_dropping") else _BUSY)
    # Checked only now: from here on no command drops the backup.
    here = set(await database.list_collection_names())
    if state["step"] == "done" and any(BACKUP_PREFIX + kind not in here for kind in state["renamed"]):
        await database[IMPORTS].update_one({"_id": store}, {"$set": {"step": "done"}})
        raise DatabaseRefused("The backup of the originals was dropped: there is nothing to go back to.")


def _restore_originals(database: SyncDatabase[Any], state: Document, kind: str) -> dict[str, int]:
    """Rename the originals of a kind back, and move late documents to them. Blocking.

    :returns: by collection, how many documents could not be moved.
    """
    store = state["_id"]
    asides = _swap_collections(database, state, kind)
    for name in asides:
        _delete_imported(database, store, kind, name)
    staying = {}
    for name in (*asides, LATE_PREFIX + kind):
        stuck = Move(database, name, (kind,), {}, {"_id": store, "step": "undoing"}).run()
        if stuck:
            staying[name] = len(stuck)
        elif database[name].find_one({}) is None:
            # Empty, and no program writes to it any more.
            database[name].drop()
    return staying


def _swap_collections(database: SyncDatabase[Any], state: Document, kind: str) -> list[str]:
    """Rename our collection away and the originals back, between two writes of the earlier backend.

    :returns: the new names of our collection, including those of earlier attempts.
    :raises DatabaseRefused: the earlier backend never pauses, or another command has completed the undo.
    """
    for _ in range(_MAX_TRIES):
        has_backup = _exists(database, BACKUP_PREFIX + kind)
        # Without a backup, the originals have their name again, or there were none and all of this kind are late.
        if has_backup or (kind not in state["renamed"] and database[kind].find_one(store_filter(kind, state["_id"]))):
            aside = _unused_name(database, kind)
            mine = {"_id": state["_id"], "step": "undoing"}
            if not database[IMPORTS].update_one(mine, {"$addToSet": {f"asides.{kind}": aside}}).matched_count:
                raise DatabaseRefused(_BUSY)
            _rename(database, kind, aside)
        if not has_backup or _rename(database, BACKUP_PREFIX + kind, kind):
            row = database[IMPORTS].find_one({"_id": state["_id"]}) or {}
            return list(row.get("asides", {}).get(kind, ()))
    raise DatabaseRefused("The earlier backend keeps writing: stop it, and run `pos import-legacy --undo` again.")


def _delete_imported(database: SyncDatabase[Any], store: str, kind: str, name: str) -> None:
    """Delete the imported documents from a collection: those with a copy of the original in `adopted`."""
    rows = database[ORIGINALS].find({**store_filter(ORIGINALS, store), "kind": kind}, {"_id": 1}, batch_size=_BATCH)
    while ids := [row["_id"]["id"] for row in islice(rows, _BATCH)]:
        database[name].delete_many({**store_filter(kind, store), "_id": {"$in": ids}})


def _unused_name(database: SyncDatabase[Any], kind: str) -> str:
    here = set(database.list_collection_names())
    return next(name for number in range(1, len(here) + 2) if (name := f"{_UNDONE_PREFIX}{kind}_{number}") not in here)


def _exists(database: SyncDatabase[Any], name: str) -> bool:
    return name in database.list_collection_names(filter={"name": name})


def _rename(database: SyncDatabase[Any], name: str, other: str) -> bool:
    """Rename a collection; return False if the new name is taken or the collection does not exist."""
    try:
        database[name].rename(other)
    except OperationFailure as error:
        if error.code in (_NAMESPACE_EXISTS, _NAMESPACE_NOT_FOUND):
            return False
        raise
    return True


async def drop_backup(database: Database, store: str) -> list[str]:
    """Drop the originals of a complete import in place; their copies in `adopted` stay.

    :returns: the names of the dropped collections.
    :raises DatabaseRefused: there is no complete import, an original has no copy, or the store is being restored.
    """
    state = await database[IMPORTS].find_one({"_id": store})
    if state is None or state["step"] != "done":
        raise DatabaseRefused(_NOT_IMPORTED.format(store=store))
    await refuse_restoring(database, store)
    here = set(await database.list_collection_names())
    kinds = LEGACY_KINDS if state["in_place"] else ()
    names = {
        kind: [prefix + kind for prefix in (BACKUP_PREFIX, LATE_PREFIX) if prefix + kind in here] for kind in kinds
    }
    # From here on no command moves documents to or from these collections.
    begun = await database[IMPORTS].update_one({"_id": store, "step": "done"}, {"$set": {"is_dropping": True}})
    if not begun.matched_count:
        raise DatabaseRefused(_BUSY)
    try:
        for kind in names:
            await asyncio.to_thread(_refuse_uncopied, database.delegate, store, kind, Source(database.delegate, names))
    except DatabaseRefused:
        await database[IMPORTS].update_one({"_id": store}, {"$unset": {"is_dropping": ""}})
        raise
    dropped = [name for kind in reversed(LEGACY_KINDS) for name in names.get(kind, ())]
    for name in dropped:
        await database[name].drop()
    await database[IMPORTS].update_one({"_id": store}, {"$unset": {"is_dropping": ""}})
    return dropped


def _refuse_uncopied(database: SyncDatabase[Any], store: str, kind: str, originals: Source) -> None:
    """Raise DatabaseRefused if originals have no complete copy in `adopted`."""
    count = sum(len(batch) for batch in unimported(database, store, kind, originals))
    if count:
        raise DatabaseRefused(f"{count:,} {kind} are not imported: run `pos import-legacy` first.")
    partly = {"store": store, "kind": kind, "$or": [{"original": None}, {"is_too_large": True}]}
    if database[ORIGINALS].find_one(partly, {"_id": 1}) is not None:
        raise DatabaseRefused(f"Some of the original {kind} are too large to be kept twice: the backup stays.")
