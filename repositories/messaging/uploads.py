"""PDFs that were uploaded to be sent: kept until they expire, and found by the hash of their token.

They are no part of the books, so they are in no archive, and no event tells of them.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from repositories.database.client import Database
from repositories.database.errors import OutcomeUnknown, Unavailable, read_deadline
from schemas.core.collections import UPLOADS
from schemas.core.errors import ShopError
from schemas.core.tokens import hash_token

UPLOAD_DAYS: Final = 30
#: What was brought from the earlier backend does not expire: its customers have the links.
_NEVER: Final = datetime(2999, 1, 1, tzinfo=UTC)
_TOKEN_BYTES: Final = 24


class Upload(NamedTuple):
    name: str
    content: bytes


class StoredUpload(NamedTuple):
    """token: by which a file is found, and until: when it is not any more."""

    token: str
    until: datetime


def legacy_files_filter(store: str) -> dict[str, Any]:
    """Return what finds the files that were brought to a store from the earlier backend."""
    return {"store": store, "brought": True}


class Uploads:
    """Those of all stores.

    :param clock: the present instant, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._collection = database[UPLOADS]
        self._clock = clock

    @asynccontextmanager
    async def kept(self, store: str, upload: Upload) -> AsyncIterator[StoredUpload]:
        """Keeps a file, unless what it is for is refused meanwhile.

        :raises Unavailable: the database is away.
        """
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        expires_at = self._clock() + timedelta(days=UPLOAD_DAYS)
        kept = {"_id": hash_token(token), "store": store, **upload._asdict(), "expires_at": expires_at}
        async with read_deadline():
            await self._collection.insert_one(kept)
        try:
            yield StoredUpload(token, expires_at)
        except OutcomeUnknown:
            # It may be needed.
            raise
        except ShopError:
            await self.drop(token)
            raise

    async def add_legacy_file(self, store: str, token: str, upload: Upload) -> None:
        """Keep a file of the earlier backend under the name that its links have; done again, it is the same.

        :raises Unavailable: the database is away.
        """
        kept = {**legacy_files_filter(store), **upload._asdict(), "expires_at": _NEVER}
        async with read_deadline():
            await self._collection.update_one({"_id": hash_token(token)}, {"$setOnInsert": kept}, upsert=True)

    async def find(self, token: str) -> Upload | None:
        """The file of that token, unless it has expired.

        :raises Unavailable: the database is away.
        """
        async with read_deadline():
            found = await self._collection.find_one({"_id": hash_token(token), "expires_at": {"$gt": self._clock()}})
        return None if found is None else Upload(found["name"], bytes(found["content"]))

    async def until(self, store: str, token: str) -> datetime | None:
        """When the store's file of that token expires; None where there is none, or it has.

        :raises Unavailable: the database is away.
        """
        named = {"_id": hash_token(token), "store": store, "expires_at": {"$gt": self._clock()}}
        async with read_deadline():
            found = await self._collection.find_one(named, {"expires_at": 1})
        return None if found is None else found["expires_at"]

    async def drop(self, token: str) -> None:
        """Takes a file away that nobody was told of; one that cannot be, expires."""
        with suppress(Unavailable):
            async with read_deadline():
                await self._collection.delete_one({"_id": hash_token(token)})
