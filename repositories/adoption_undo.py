"""`pos adopt --undo` and `--drop-backup`: the way back, as long as nobody has sold; and the end of it."""

from repositories.adoption_checks import refuse_running
from repositories.adoption_source import BACKUP_PREFIX, KINDS
from repositories.database import ADOPTION, COUNTERS, ORIGINALS, TOTALS, UPLOADS, Database
from repositories.errors import DatabaseRefused
from repositories.indexes import refuse_restoring
from repositories.stores import of_store
from repositories.uploads import brought_to
from schemas.rollups import CUSTOMERS

_NOT_ADOPTED = "Store {store!r} was not adopted from the earlier backend."


async def undo(database: Database, store: str) -> None:
    """Takes away what was adopted, and gives the originals their names back. Safe to repeat after a cut.

    :raises DatabaseRefused: something was sold since, which would be lost; a service runs; the store is being restored.
    """
    state = await database[ADOPTION].find_one({"_id": store})
    if state is None:
        raise DatabaseRefused(_NOT_ADOPTED.format(store=store))
    await refuse_restoring(database, store)
    await refuse_running(database, store)
    here = set(await database.list_collection_names())
    # What has our name and a backup beside it is ours, and not an original that has its name again.
    ours = [kind for kind in KINDS if kind not in state["renamed"] or BACKUP_PREFIX + kind in here]
    if state["in_place"] and any([await database[kind].find_one({"store": {"$nin": [None, store]}}) for kind in ours]):
        raise DatabaseRefused("Another store lives in this database now, beside the adopted one: undoing would end it.")
    if state["step"] == "done" and any(BACKUP_PREFIX + kind not in here for kind in state["renamed"]):
        raise DatabaseRefused("The backup of the originals was dropped: there is nothing to go back to.")
    # From here on no process opens the store; and without its counters none that is open sells in it.
    await database[ADOPTION].update_one({"_id": store}, {"$set": {"step": "undoing"}})
    await database[COUNTERS].delete_one({"_id": store, "head": 0})
    counters = await database[COUNTERS].find_one({"_id": store})
    if counters is not None:
        await database[ADOPTION].update_one({"_id": store}, {"$set": {"step": "done"}})
        raise DatabaseRefused(
            f"{counters['head']:,} changes were made since the shop was taken over, and would be lost: it stays."
        )
    # In place our collections are dropped whole, when the originals take their names again.
    for name in (ORIGINALS,) if state["in_place"] else (*KINDS, ORIGINALS):
        await database[name].delete_many(of_store(name, store))
    for name in (TOTALS, CUSTOMERS):
        await database[name].delete_many(of_store(name, store))
    await database[UPLOADS].delete_many(brought_to(store))
    for kind in KINDS if state["in_place"] else ():
        if kind in state["renamed"] and BACKUP_PREFIX + kind in here:
            await database[BACKUP_PREFIX + kind].rename(kind, dropTarget=True)
        elif kind not in state["renamed"]:
            await database[kind].drop()
    await database[ADOPTION].delete_one({"_id": store})


async def drop_backup(database: Database, store: str) -> list[str]:
    """Drops the renamed originals of a finished adoption in place; their copies in `adopted` stay. The names.

    :raises DatabaseRefused: nothing was adopted, or not to its end; the store is being restored.
    """
    state = await database[ADOPTION].find_one({"_id": store})
    if state is None or state["step"] != "done":
        raise DatabaseRefused(_NOT_ADOPTED.format(store=store))
    await refuse_restoring(database, store)
    names = [BACKUP_PREFIX + kind for kind in state["renamed"]]
    for name in names:
        await database[name].drop()
    return names
