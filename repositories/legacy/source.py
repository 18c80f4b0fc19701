"""The collections of the earlier backend. They are read without any trust in their content, and never written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database as SyncDatabase
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from repositories.database.client import APPLICATION, close_in_background, valid_address
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.raw_originals import LENIENT_CODEC, RAW_CODEC
from repositories.legacy.late_documents import id_bytes
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.legacy.conversion import ConvertedDocument, Defect, convert
from schemas.legacy.shapes import actual_kind
from schemas.legacy.values import shown
from schemas.text.safe_addresses import redact_driver_text, safe_address

BATCH: Final = 1_000
BACKUP_PREFIX: Final = "legacy_"


#: The filter for documents in a collection of estimates that may be sales: see `actual_kind`.
_MAY_BE_SALES: Final = {"$or": [{name: {"$nin": [None, ""]}} for name in ("sale_id", "sale_number")]}


class LegacyDocument(NamedTuple):
    """A document of the earlier backend.

    :ivar key: bytes that identify it among all of its kind.
    :ivar own_id: its `_id` as text.
    :ivar lies_in: the kind of the collection that it is in; some sales are among the estimates.
    """

    key: bytes
    own_id: str
    raw: RawBSONDocument
    document: Mapping[str, Any]
    lies_in: str


class Source:
    """The collections of the earlier backend, by kind."""

    def __init__(self, database: SyncDatabase[Any], names: Mapping[str, Sequence[str]]) -> None:
        self._database = database
        self.names = names

    def count(self, kind: str) -> int:
        """Return about how many documents of a kind there are: sales among the estimates count as both."""
        return sum(int(self._database[name].count_documents(where)) for name, where, _ in self._places(kind))

    def batches(self, kind: str) -> Iterator[list[LegacyDocument]]:
        """Yield all documents of a kind in batches, by collection and in the order of their ids."""
        for name, where, lies_in in self._places(kind):
            collection = self._database.get_collection(name, codec_options=RAW_CODEC)
            cursor = collection.find(where, batch_size=BATCH).sort("_id", 1)
            while batch := [_original(raw, kind, lies_in) for raw in islice(cursor, BATCH)]:
                found = [each for each in batch if actual_kind(lies_in, each.document) == kind]
                if found:
                    yield found

    def _places(self, kind: str) -> Iterator[tuple[str, Document, str]]:
        """Yield where documents of a kind are: a collection, a filter, and the kind of the collection."""
        for name in self.names[kind]:
            yield name, {}, kind
        if kind == ORDERS:
            for name in self.names[ESTIMATES]:
                yield name, _MAY_BE_SALES, ESTIMATES


def convert_original(kind: str, original: LegacyDocument, zone: ZoneInfo) -> ConvertedDocument:
    """Return the converted document, with a defect if it was in the collection of the other kind."""
    found = convert(kind, original.document, zone)
    if original.lies_in == kind:
        return found
    moved = Defect("sale_among_estimates", "status", shown(original.document.get("status")), "an order")
    return found._replace(defects=(moved, *found.defects))


def _original(raw: RawBSONDocument, kind: str, lies_in: str) -> LegacyDocument:
    document = bson.decode(raw.raw, LENIENT_CODEC)
    own_id = document.get("_id")
    # Documents of two collections may have the same id.
    key = id_bytes(own_id if lies_in == kind else {lies_in: own_id})
    return LegacyDocument(key, str(own_id), raw, document, lies_in)


@contextmanager
def open_source(name: str, database: SyncDatabase[Any]) -> Iterator[SyncDatabase[Any]]:
    """Open the database of `--from`: a name on the same server, or an address that ends in a name. Blocking.

    :raises DatabaseRefused: the address is invalid, or no server answers.
    """
    if not set(name) & set(":/@"):
        yield database.client[name]
        return
    with valid_address(name, "--from"):
        found = parse_uri(name)["database"]
        if not found:
            raise DatabaseRefused("--from has to end in the database's name, as mongodb://host/shop.")
        client: MongoClient[Any] = MongoClient(name, serverSelectionTimeoutMS=5_000, appname=APPLICATION)
    try:
        try:
            client.admin.command("ping")
        except PyMongoError as error:
            words = redact_driver_text(first_clause(error), name)
            raise DatabaseRefused(f"{safe_address(name)}, named by --from, does not answer: {words}.") from error
        yield client[found]
    finally:
        close_in_background(client)


def is_same_database(one: SyncDatabase[Any], other: SyncDatabase[Any]) -> bool:
    """Return whether two handles are the same database, by the UUIDs of the collections."""
    return bool(collection_uuids(one) & collection_uuids(other))


def is_reachable_by_name(source: SyncDatabase[Any], database: SyncDatabase[Any]) -> bool:
    """Return whether a source can be read later by its name alone, over another database's connection. Blocking."""
    # Without permission to read, it cannot.
    with suppress(OperationFailure):
        return source.client is database.client or is_same_database(source, database.client[source.name])
    return False


def collection_uuids(database: SyncDatabase[Any]) -> set[bytes]:
    return {bytes(each["info"]["uuid"]) for each in database.list_collections() if "uuid" in each.get("info", {})}
