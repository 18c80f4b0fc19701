"""The collections of the earlier backend, read as they are: nothing in them is trusted, and nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple

import bson
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database as SyncDatabase
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from repositories.database import APPLICATION, valid_address
from repositories.errors import DatabaseRefused, first_clause
from repositories.late_documents import key_of
from repositories.originals import LENIENT, RAW
from schemas.rollups import ESTIMATES, ORDERS
from schemas.safe_addresses import safe_address, safe_words

BATCH: Final = 1_000
KINDS: Final = (ESTIMATES, ORDERS)
BACKUP_PREFIX: Final = "legacy_"


class Original(NamedTuple):
    """key: the BSON of its `_id`; own: the same as text; raw: its bytes; document: as Python has it."""

    key: bytes
    own: str
    raw: RawBSONDocument
    document: Mapping[str, Any]


class Source:
    """Where the earlier backend's documents lie.

    :param names: the collections of each kind.
    """

    def __init__(self, database: SyncDatabase[Any], names: Mapping[str, Sequence[str]]) -> None:
        self._database = database
        self.names = names

    def count(self, kind: str) -> int:
        return sum(int(self._database[name].count_documents({})) for name in self.names[kind])

    def batches(self, kind: str) -> Iterator[list[Original]]:
        """All documents of a kind, in batches, those of a collection in the order of their ids."""
        for name in self.names[kind]:
            collection = self._database.get_collection(name, codec_options=RAW)
            cursor = collection.find({}, batch_size=BATCH).sort("_id", 1)
            while batch := [_original(raw) for raw in islice(cursor, BATCH)]:
                yield batch


def _original(raw: RawBSONDocument) -> Original:
    document = bson.decode(raw.raw, LENIENT)
    own = document.get("_id")
    return Original(key_of(own), str(own), raw, document)


@contextmanager
def opened_source(name: str, database: SyncDatabase[Any]) -> Iterator[SyncDatabase[Any]]:
    """The database that `--from` names: by its name, on the same server, or by an address that ends in its name.
    Blocking.

    :raises DatabaseRefused: that is no address, or nobody answers there.
    """
    if not set(name) & set(":/@"):
        yield database.client[name]
        return
    with valid_address(name, "--from"):
        found = parse_uri(name)["database"]
        if not found:
            raise DatabaseRefused("--from has to end in the database's name, as mongodb://host/shop.")
        client: MongoClient[Any] = MongoClient(name, serverSelectionTimeoutMS=5_000, appname=APPLICATION)
    with client:
        try:
            client.admin.command("ping")
        except PyMongoError as error:
            words = safe_words(first_clause(error), name)
            raise DatabaseRefused(f"{safe_address(name)}, named by --from, does not answer: {words}.") from error
        yield client[found]


def is_same(one: SyncDatabase[Any], other: SyncDatabase[Any]) -> bool:
    """Whether two are one database, however they are addressed: its collections have identities of their own."""
    return bool(identities(one) & identities(other))


def identities(database: SyncDatabase[Any]) -> set[bytes]:
    return {bytes(each["info"]["uuid"]) for each in database.list_collections() if "uuid" in each.get("info", {})}
