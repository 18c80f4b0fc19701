"""Uploads: PDFs to be sent, stored until they expire and found by the hash of their token.

They are not part of the store's documents, so they are in no archive and have no events.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from repositories.database.client import Database
from repositories.database.errors import OutcomeUnknown, Unavailable, read_deadline
from schemas.core.calendar import Clock
from schemas.core.collections import UPLOADS
from schemas.core.errors import ShopError
from schemas.core.tokens import hash_token

UPLOAD_DAYS: Final = 30
#: Files imported from the earlier backend do not expire: customers have the links.
_NEVER: Final = datetime(2999, 1, 1, tzinfo=UTC)
_TOKEN_BYTES: Final = 24


class Upload(NamedTuple):
    name: str
    content: bytes


class StoredUpload(NamedTuple):
    """The token of a stored file, and when the file expires."""

    token: str
    until: datetime


def legacy_files_filter(store: str) -> dict[str, Any]:
    """Return the filter for the files of a store that were imported from the earlier backend."""
    return {"store": store, "brought": True}


class Uploads:
    """The uploads of all stores."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = database[UPLOADS]
        self._clock = clock

    @asynccontextmanager
    async def stored(self, store: str, upload: Upload) -> AsyncIterator[StoredUpload]:
        """Store a file; delete it if the block raises an error of the shop."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        expires_at = self._clock() + timedelta(days=UPLOAD_DAYS)
        stored = {"_id": hash_token(token), "store": store, **upload._asdict(), "expires_at": expires_at}
        async with read_deadline():
            await self._collection.insert_one(stored)
        try:
            yield StoredUpload(token, expires_at)
        except OutcomeUnknown:
            # The message may have been queued, and needs the file then.
            raise
        except ShopError:
            await self.delete(token)
            raise

    async def add_legacy_file(self, store: str, token: str, upload: Upload) -> None:
        """Store a file of the earlier backend under the token of its links. Idempotent."""
        stored = {**legacy_files_filter(store), **upload._asdict(), "expires_at": _NEVER}
        async with read_deadline():
            await self._collection.update_one({"_id": hash_token(token)}, {"$setOnInsert": stored}, upsert=True)

    async def find(self, token: str) -> Upload | None:
        """Return the file of a token, None if there is none or it has expired."""
        async with read_deadline():
            found = await self._collection.find_one({"_id": hash_token(token), "expires_at": {"$gt": self._clock()}})
        return None if found is None else Upload(found["name"], bytes(found["content"]))

    async def until(self, store: str, token: str) -> datetime | None:
        """Return when the store's file of a token expires; None if there is none or it has expired."""
        named = {"_id": hash_token(token), "store": store, "expires_at": {"$gt": self._clock()}}
        async with read_deadline():
            found = await self._collection.find_one(named, {"expires_at": 1})
        return None if found is None else found["expires_at"]

    async def delete(self, token: str) -> None:
        """Delete a file whose token was not given out. If the database cannot be reached, the file expires later."""
        with suppress(Unavailable):
            async with read_deadline():
                await self._collection.delete_one({"_id": hash_token(token)})
