"""Whether a store still remembers answers under keys that versions before today's rules gave."""

from contextlib import suppress
from typing import Final

from repositories.database.client import Database
from repositories.database.errors import Unavailable, read_deadline
from schemas.core.collections import REQUESTS
from schemas.journal.idempotency import EARLIER

#: The names that begin so, as ranges of the index; `;` is what follows `:`.
_RANGES: Final = [{"key": {"$gte": prefix, "$lt": prefix.replace(":", ";")}} for prefix in EARLIER]


class EarlierKeys:
    """Says whether requests to a store are to be looked up under earlier names too. Read once, as the store is opened:
    nothing writes such keys any more, and they are gone when 30 days are over."""

    def __init__(self, database: Database, store: str) -> None:
        self._requests = database[REQUESTS]
        self._store = store
        #: True until it is known: a look too many costs little.
        self.are_present = True

    async def refresh(self) -> None:
        """Read whether there are any. A database that is away leaves it at what it was."""
        with suppress(Unavailable):
            async with read_deadline():
                found = await self._requests.find_one({"store": self._store, "$or": _RANGES}, {"_id": 1})
            self.are_present = found is not None
