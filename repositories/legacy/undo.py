"""`pos import-legacy --undo` and `--drop-backup`: the way back, as long as nobody has sold; and the end of it.

Nothing is dropped but what adopting wrote. What the earlier backend has written since goes back beside the originals,
also while it goes on writing.
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
from repositories.legacy.source import BACKUP_PREFIX, KINDS, Source
from repositories.legacy.state import DROPPING
from repositories.messaging.uploads import legacy_files_filter
from repositories.migrations.indexes import refuse_restoring
from schemas.core.collections import ADOPTION, COUNTERS, CUSTOMERS, ORIGINALS, TOTALS, UPLOADS
from schemas.core.documents import Document

_BUSY: Final = "Another `pos import-legacy` is running on this store: wait for it, and run this again."
_NOT_IMPORTED: Final = "Store {store!r} was not adopted from the earlier backend."
#: Where our documents stand while the originals take their names again.
_UNDONE_PREFIX: Final = "undone_"
_NAMESPACE_NOT_FOUND, _NAMESPACE_EXISTS = 26, 48
_BATCH: Final = 1_000
#: How often the originals try to take their names again, between two sales of the earlier backend.
_MAX_TRIES: Final = 500


async def undo(database: Database, store: str) -> dict[str, int]:
    """Take away what was adopted, and give the originals their names back. Safe to repeat after a cut.

    :returns: how many documents could not go back beside the originals, by the collection where they stay.
    :raises DatabaseRefused: something was sold since, which would be lost; a service runs; the store is being restored.
    """
    state = await database[ADOPTION].find_one({"_id": store})
    if state is None:
        raise DatabaseRefused(_NOT_IMPORTED.format(store=store))
    await refuse_restoring(database, store)
    await check_not_running(database, store)
    if state.get("is_own"):
        raise DatabaseRefused("This store had sales of its own before it took any over: it stays.")
    here = set(await database.list_collection_names())
    others = {"$and": [CURRENT_DOCUMENT, {"store": {"$ne": store}}]}
    # What has our name and a backup beside it is ours, and not an original that has its name again.
    ours = [kind for kind in KINDS if kind not in state["renamed"] or BACKUP_PREFIX + kind in here]
    if state["in_place"] and any([await database[kind].find_one(others) for kind in ours]):
        raise DatabaseRefused("Another store lives in this database now, beside the adopted one: undoing would end it.")
    # From here on no process opens the store; and without its counters none that is open sells in it.
    await _begin_undoing(database, state)
    await database[COUNTERS].delete_one({"_id": store, "head": 0})
    counters = await database[COUNTERS].find_one({"_id": store})
    if counters is not None:
        await database[ADOPTION].update_one({"_id": store}, {"$set": {"step": "done"}})
        raise DatabaseRefused(
            f"{counters['head']:,} changes were made since the shop was taken over, and would be lost: it stays."
        )
    staying: dict[str, int] = {}
    for kind in KINDS:
        if state["in_place"]:
            staying |= await asyncio.to_thread(_restore_originals, database.delegate, state, kind)
        else:
            await asyncio.to_thread(_delete_imported, database.delegate, store, kind, kind)
    for name in (TOTALS, CUSTOMERS, ORIGINALS):
        await database[name].delete_many(store_filter(name, store))
    await database[UPLOADS].delete_many(legacy_files_filter(store))
    await database[ADOPTION].delete_one({"_id": store})
    return staying


async def _begin_undoing(database: Database, state: Document) -> None:
    """Take the store for the way back.

    :raises DatabaseRefused: its backup is being dropped, or was; another command is at work on it.
    """
    store = state["_id"]
    unchanged = {"_id": store, "step": state["step"], "is_dropping": None}
    if not (await database[ADOPTION].update_one(unchanged, {"$set": {"step": "undoing"}})).matched_count:
        raise DatabaseRefused(DROPPING if state.get("is_dropping") else _BUSY)
    # Only now nobody drops it any more.
    here = set(await database.list_collection_names())
    if state["step"] == "done" and any(BACKUP_PREFIX + kind not in here for kind in state["renamed"]):
        await database[ADOPTION].update_one({"_id": store}, {"$set": {"step": "done"}})
        raise DatabaseRefused("The backup of the originals was dropped: there is nothing to go back to.")


def _restore_originals(database: SyncDatabase[Any], state: Document, kind: str) -> dict[str, int]:
    """Give the originals of a kind their name again, and put beside them what came since. Blocking."""
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
            # Empty, and nobody writes there any more.
            database[name].drop()
    return staying


def _swap_collections(database: SyncDatabase[Any], state: Document, kind: str) -> list[str]:
    """Rename our collection away, and the originals back, between two writes of the earlier backend.

    :returns: the names under which ours lies now, also after an earlier try.
    :raises DatabaseRefused: there is no such moment; another command has come to the end of the way back.
    """
    for _ in range(_MAX_TRIES):
        has_backup = _exists(database, BACKUP_PREFIX + kind)
        # Without a backup, they have their name again, or there were none, and all of this kind came since.
        if has_backup or (kind not in state["renamed"] and database[kind].find_one(store_filter(kind, state["_id"]))):
            aside = _unused_name(database, kind)
            mine = {"_id": state["_id"], "step": "undoing"}
            if not database[ADOPTION].update_one(mine, {"$addToSet": {f"asides.{kind}": aside}}).matched_count:
                raise DatabaseRefused(_BUSY)
            _rename(database, kind, aside)
        if not has_backup or _rename(database, BACKUP_PREFIX + kind, kind):
            row = database[ADOPTION].find_one({"_id": state["_id"]}) or {}
            return list(row.get("asides", {}).get(kind, ()))
    raise DatabaseRefused("The earlier backend keeps writing: stop it, and run `pos import-legacy --undo` again.")


def _delete_imported(database: SyncDatabase[Any], store: str, kind: str, name: str) -> None:
    """Delete what adopting wrote into a collection, and nothing else: each has its original in `adopted`."""
    rows = database[ORIGINALS].find({**store_filter(ORIGINALS, store), "kind": kind}, {"_id": 1}, batch_size=_BATCH)
    while ids := [row["_id"]["id"] for row in islice(rows, _BATCH)]:
        database[name].delete_many({**store_filter(kind, store), "_id": {"$in": ids}})


def _unused_name(database: SyncDatabase[Any], kind: str) -> str:
    here = set(database.list_collection_names())
    return next(name for number in range(1, len(here) + 2) if (name := f"{_UNDONE_PREFIX}{kind}_{number}") not in here)


def _exists(database: SyncDatabase[Any], name: str) -> bool:
    return name in database.list_collection_names(filter={"name": name})


def _rename(database: SyncDatabase[Any], name: str, other: str) -> bool:
    """Whether a collection has another name now; False where that one is taken, or where there is none to rename."""
    try:
        database[name].rename(other)
    except OperationFailure as error:
        if error.code in (_NAMESPACE_EXISTS, _NAMESPACE_NOT_FOUND):
            return False
        raise
    return True


async def drop_backup(database: Database, store: str) -> list[str]:
    """Drop the originals of a finished adoption in place; their copies in `adopted` stay.

    :returns: the names of what was dropped.
    :raises DatabaseRefused: nothing was adopted, or not to its end; something has no copy; the store is being restored.
    """
    state = await database[ADOPTION].find_one({"_id": store})
    if state is None or state["step"] != "done":
        raise DatabaseRefused(_NOT_IMPORTED.format(store=store))
    await refuse_restoring(database, store)
    here = set(await database.list_collection_names())
    kinds = KINDS if state["in_place"] else ()
    names = {
        kind: [prefix + kind for prefix in (BACKUP_PREFIX, LATE_PREFIX) if prefix + kind in here] for kind in kinds
    }
    # From here on nothing more is brought there, and nothing taken from there.
    begun = await database[ADOPTION].update_one({"_id": store, "step": "done"}, {"$set": {"is_dropping": True}})
    if not begun.matched_count:
        raise DatabaseRefused(_BUSY)
    try:
        for kind in names:
            await asyncio.to_thread(_refuse_uncopied, database.delegate, store, kind, Source(database.delegate, names))
    except DatabaseRefused:
        await database[ADOPTION].update_one({"_id": store}, {"$unset": {"is_dropping": ""}})
        raise
    dropped = [name for kind in reversed(KINDS) for name in names.get(kind, ())]
    for name in dropped:
        await database[name].drop()
    await database[ADOPTION].update_one({"_id": store}, {"$unset": {"is_dropping": ""}})
    return dropped


def _refuse_uncopied(database: SyncDatabase[Any], store: str, kind: str, originals: Source) -> None:
    """:raises DatabaseRefused: there are originals of which `adopted` has no copy."""
    count = sum(len(batch) for batch in unimported(database, store, kind, originals))
    if count:
        raise DatabaseRefused(f"{count:,} {kind} are not imported: run `pos import-legacy` first.")
    partly = {"store": store, "kind": kind, "$or": [{"original": None}, {"is_too_large": True}]}
    if database[ORIGINALS].find_one(partly, {"_id": 1}) is not None:
        raise DatabaseRefused(f"Some of the original {kind} are too large to be kept twice: the backup stays.")
