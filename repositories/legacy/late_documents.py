"""Late documents: documents of the earlier backend in our collections, which are counted and moved away.

An estimate or order of ours has the name of its store and a number. All other documents in these collections were
written by another program, and no command ever drops them.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import bson
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database as SyncDatabase
from pymongo.errors import BulkWriteError

from repositories.database.errors import DatabaseRefused, is_duplicate
from repositories.database.raw_originals import LENIENT_CODEC, RAW_CODEC
from repositories.database.store_scope import LEGACY_DOCUMENT
from schemas.core.collections import IMPORTS
from schemas.core.documents import Document

#: The prefix of the collections for documents that were written after the originals were renamed.
LATE_PREFIX: Final = "late_"

_BATCH: Final = 500
_INVALID: Final = 121


class _Conflict(Exception):
    """A unique index or a validation rule of the destination refuses one of several documents."""


def _is_validation_failure(error: BulkWriteError) -> bool:
    """Return whether a validation rule of the collection refused documents."""
    return any(each["code"] == _INVALID for each in error.details["writeErrors"])


def id_of(raw: RawBSONDocument) -> Any:
    """Return the `_id` of a document whose other fields may be unreadable."""
    return bson.decode(raw.raw, LENIENT_CODEC).get("_id")


def id_bytes(own_id: Any) -> bytes:
    """Return an `_id` as bytes, which are different for any two ids."""
    return bson.encode({"_id": own_id})


def count_late(database: SyncDatabase[Any], kind: str) -> int:
    """Count documents of the earlier backend in one of our collections, with the index that begins with `store`."""
    stores = database[kind].distinct("store")
    return database[kind].count_documents({"store": {"$in": [None, *stores]}, **LEGACY_DOCUMENT})


class Move:
    """A move of documents from one collection to another, in batches. Each batch is a transaction, so that every
    document is always in one of the two.

    :param destinations: the destination; then further collections, where an identical document counts as moved.
    :param where: the filter for the documents.
    :param permit: the filter that the state of the import must match in each transaction. A command that changes the
        state stops the move.
    """

    def __init__(
        self, database: SyncDatabase[Any], origin: str, destinations: Sequence[str], where: Document, permit: Document
    ) -> None:
        self._database = database
        self._origin = database.get_collection(origin, codec_options=RAW_CODEC)
        self._destinations = [database.get_collection(name, codec_options=RAW_CODEC) for name in destinations]
        self._where = where
        self._permit = permit

    def run(self) -> list[str]:
        """Move all documents.

        :returns: the ids of those that stay, because the destination refuses them or has another document of that id.
        :raises DatabaseRefused: the state of the import has changed.
        """
        ids = [id_of(raw) for raw in self._origin.find(self._where, {"_id": 1})]
        staying: list[Any] = []
        for chunk in (ids[place : place + _BATCH] for place in range(0, len(ids), _BATCH)):
            try:
                staying += self._move_in_transaction(chunk)
            except _Conflict:
                staying += [own_id for own_id in chunk if not self._is_moved(own_id)]
        return [str(own_id) for own_id in staying]

    def _is_moved(self, own_id: Any) -> bool:
        try:
            return not self._move_in_transaction([own_id])
        except _Conflict:
            return False

    def _move_in_transaction(self, ids: Sequence[Any]) -> list[Any]:
        with self._database.client.start_session() as session:
            staying: list[Any] = session.with_transaction(partial(self._move, ids))
            return staying

    def _move(self, ids: Sequence[Any], session: ClientSession) -> list[Any]:
        """Move a batch, and return the ids of the documents that stay.

        :raises _Conflict: the destination refuses one of them.
        """
        permitted = self._database[IMPORTS].update_one(self._permit, {"$inc": {"moves": 1}}, session=session)
        if not permitted.matched_count:
            raise DatabaseRefused(
                "Another `pos import-legacy` is running on this store: wait for it, and run this again."
            )
        wanted = {"_id": {"$in": list(ids)}}
        existing: dict[bytes, set[bytes]] = {}
        for place in self._destinations:
            for raw in place.find(wanted, session=session):
                existing.setdefault(id_bytes(id_of(raw)), set()).add(raw.raw)
        found = {id_bytes(id_of(raw)): raw for raw in self._origin.find({**self._where, **wanted}, session=session)}
        fresh = [raw for key, raw in found.items() if key not in existing]
        staying = [id_of(raw) for key, raw in found.items() if key in existing and raw.raw not in existing[key]]
        try:
            if fresh:
                self._destinations[0].insert_many(fresh, session=session)
        except BulkWriteError as error:
            if not is_duplicate(error) and not _is_validation_failure(error):
                raise
            raise _Conflict from error
        gone = [own_id for raw in found.values() if (own_id := id_of(raw)) not in staying]
        if gone:
            self._origin.delete_many({"_id": {"$in": gone}}, session=session)
        return staying
