"""The stores of a database: which there are, and what is theirs."""

from repositories.database import COUNTERS, ORIGINALS, TOTALS, Database
from repositories.errors import answered
from schemas.documents import Document


def of_store(collection: str, store: str) -> Document:
    """A filter, which an index serves, for all that a store has in a collection of documents."""
    if collection in (TOTALS, ORIGINALS):
        # A range of `_id`, which has an index; a field inside of it has none.
        return {"_id": {"$gte": {"store": store}, "$lt": {"store": store + "\x00"}}}
    return {"store": store}


async def store_exists(database: Database, name: str) -> bool:
    """Whether somebody founded a store of that name: it has counters then.

    :raises Unavailable: the database is away.
    """
    async with answered():
        return await database[COUNTERS].find_one({"_id": name}, {"_id": 1}) is not None
