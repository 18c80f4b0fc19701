"""The stores of a database. A store is there when it has counters."""

from repositories.database import COUNTERS, Database
from repositories.errors import answered


async def store_exists(database: Database, name: str) -> bool:
    """Whether somebody founded a store of that name.

    :raises Unavailable: the database is away.
    """
    async with answered():
        return await database[COUNTERS].find_one({"_id": name}, {"_id": 1}) is not None
