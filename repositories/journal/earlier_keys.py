"""Idempotency keys in the formats of earlier versions that a store may still hold."""

from contextlib import suppress
from typing import Final

from repositories.database.client import Database
from repositories.database.errors import Unavailable, read_deadline
from schemas.core.collections import REQUESTS
from schemas.journal.idempotency import LEGACY_PREFIXES

#: Keys with these prefixes, as ranges of the index; `;` follows `:` in ASCII.
_RANGES: Final = [{"key": {"$gte": prefix, "$lt": prefix.replace(":", ";")}} for prefix in LEGACY_PREFIXES]


class EarlierKeys:
    """Whether requests to a store must be looked up under earlier keys too.

    Read once, when the store is opened: nothing writes such keys any more, and they expire after 30 days.
    """

    def __init__(self, database: Database, store: str) -> None:
        self._requests = database[REQUESTS]
        self._store = store
        #: True until known: an unnecessary look-up costs little.
        self.are_present = True

    async def refresh(self) -> None:
        """Read whether there are any. Keep the present value if the database is away."""
        with suppress(Unavailable):
            async with read_deadline():
                found = await self._requests.find_one({"store": self._store, "$or": _RANGES}, {"_id": 1})
            self.are_present = found is not None
