"""The collections of the earlier backend, read as they are: nothing in them is trusted, and nothing is written."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import bson
from bson import CodecOptions
from bson.codec_options import DatetimeConversion
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.database import Database as SyncDatabase
from pymongo.errors import PyMongoError
from pymongo.uri_parser import parse_uri

from repositories.database import APPLICATION, valid_address
from repositories.errors import DatabaseRefused, first_clause
from repositories.originals import RAW
from schemas.rollups import ESTIMATES, ORDERS
from schemas.safe_addresses import safe_address, safe_words

BATCH: Final = 1_000
KINDS: Final = (ESTIMATES, ORDERS)
BACKUP_PREFIX: Final = "legacy_"

#: Dates beyond the calendar and broken text are read too, instead of being refused.
_LENIENT: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    tz_aware=True,
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    unicode_decode_error_handler="replace",
)


class Original(NamedTuple):
    """key: the BSON of its `_id`; own: the same as text; raw: its bytes; document: as Python has it."""

    key: bytes
    own: str
    raw: RawBSONDocument
    document: Mapping[str, Any]


class Source:
    """Where the earlier backend's documents lie.

    :param names: the collection of each kind.
    """

    def __init__(self, database: SyncDatabase[Any], names: Mapping[str, str]) -> None:
        self._database = database
        self.names = names

    def count(self, kind: str) -> int:
        return int(self._database[self.names[kind]].count_documents({}))

    def batches(self, kind: str) -> Iterator[list[Original]]:
        """All documents of a kind, in the order of their ids, in batches."""
        collection = self._database.get_collection(self.names[kind], codec_options=RAW)
        batch: list[Original] = []
        for raw in collection.find({}, batch_size=BATCH).sort("_id", 1):
            document = bson.decode(raw.raw, _LENIENT)
            identity = document.get("_id")
            batch.append(Original(bson.encode({"_id": identity}), str(identity), raw, document))
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


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
