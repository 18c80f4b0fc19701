"""The connection to MongoDB: its options, which make writes durable, and checks of the deployment."""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection, AsyncIOMotorDatabase
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from repositories.database.connection_pool import PoolMetrics
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.member_watch import MemberWatch
from schemas.text.safe_addresses import mongodb_url_error, redact_driver_text, safe_address

#: Documents of one batch: enough that the next batch arrives while this one is rendered. With more, other requests
# wait.
BATCH_SIZE: Final = 800


logger = logging.getLogger("pos")

#: Documents of any type: a variable for a collection or a document says which.
Client = AsyncIOMotorClient[Any]
Database = AsyncIOMotorDatabase[Any]
Collection = AsyncIOMotorCollection
Filter = dict[str, Any]


#: Names of facts about the whole database. Each change of an owner writes `owners`, which also tells whether the
#: database ever had one.
OWNERS: Final = "owners"
#: The proof of the key that passwords are hashed with.
KEY_PROOF: Final = "secret_key"

#: A field of a store's counters while an archive is restored into the store: it assigns no numbers meanwhile.
RESTORING: Final = "restoring"

APPLICATION: Final = "pos"

MINIMUM_VERSION: Final = (6, 0)

# `journal` matters twice: an acknowledged sale survives a power cut, and a change stream sees it without delay.
_OPTIONS: Final[dict[str, Any]] = {
    "w": "majority",
    "journal": True,
    "readConcernLevel": "majority",
    "serverSelectionTimeoutMS": 5_000,
    "connectTimeoutMS": 3_000,
    "socketTimeoutMS": 20_000,
    "waitQueueTimeoutMS": 2_000,
    # The longest time until the driver notices a changed topology while its monitoring connection stays open.
    "heartbeatFrequencyMS": 2_000,
    "maxPoolSize": 40,
    "tz_aware": True,
    "appname": APPLICATION,
}

_ALREADY_INITIALIZED: Final = 23
_LOCAL_MS: Final = 500

_NO_REPLICA_SET: Final = (
    "This MongoDB is a standalone server, but transactions and change streams need a replica set (one node is enough): "
    "start it with --replSet rs0 and run rs.initiate() once in mongosh."
)


def connect(url: str, pool: PoolMetrics | None = None) -> Client:
    """Return a client that acknowledges a write only when a majority has it on disk. It connects lazily.

    :raises DatabaseRefused: the URL is invalid.
    """
    watch = MemberWatch()
    with valid_address(url, "MONGODB_URL"):
        client: Client = AsyncIOMotorClient(url, event_listeners=[watch, *([pool] if pool else [])], **_OPTIONS)
    watch.client = client.delegate
    return client


def close_in_background(client: Client | MongoClient[Any]) -> None:
    """Close a client without waiting: the driver joins its monitor threads, which wake up only twice a second."""
    threading.Thread(target=client.close, name="close MongoDB client", daemon=True).start()


@contextmanager
def temporary_client(url: str, **options: Any) -> Iterator[MongoClient[Any]]:
    """Open a blocking client for the time of the block.

    :raises PyMongoError: the address or an option is invalid.
    """
    client = MongoClient[Any](url, **options)
    try:
        yield client
    finally:
        close_in_background(client)


@contextmanager
def valid_address(url: str, setting: str) -> Iterator[None]:
    """Reject an address that is invalid, or that the driver rejects in the block, without quoting its credentials.

    The driver's warnings quote the address too, so a sentence of our own is logged instead.

    :param setting: the name of the setting that holds the address, for the message.
    :raises DatabaseRefused: it is not a MongoDB address, or it is ambiguous.
    """
    defect = mongodb_url_error(url)
    if defect is not None:
        raise DatabaseRefused(f"{setting} {defect}")
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            yield
        if warned:
            logger.warning("%s: the driver does not know an option in it, or its value, and leaves it out.", setting)
    except (PyMongoError, ValueError, TypeError, OverflowError, OSError) as error:
        words = redact_driver_text(first_clause(error), url)
        # Without the cause, which quotes the address.
        raise DatabaseRefused(f"{setting}, {safe_address(url)}, cannot be used: {words}") from None


async def check_deployment(client: Client) -> None:
    """Check that the deployment has what the journal and the hub need.

    :raises DatabaseRefused: it is unreachable, too old, or a standalone server.
    """
    try:
        hello = await client.admin.command("hello")
        build = await client.admin.command("buildInfo")
    except PyMongoError as error:
        raise DatabaseRefused(f"The database at MONGODB_URL cannot be used: {first_clause(error)}") from error
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise DatabaseRefused(_NO_REPLICA_SET)
    version = tuple(build["versionArray"][:2])
    if version < MINIMUM_VERSION:
        raise DatabaseRefused(f"MongoDB {build['version']} is too old: 6.0 or newer is needed.")


def initiate_replica_set(url: str, name: str, host: str) -> bool:
    """Make a server that was started with --replSet the only member of its set, unless that is done already.

    Blocking, and without Motor: it runs once, before there is an event loop.

    :returns: whether the set exists; False if the server does not answer yet.
    """
    try:
        with temporary_client(url, serverSelectionTimeoutMS=_LOCAL_MS) as client:
            client.admin.command("replSetInitiate", {"_id": name, "members": [{"_id": 0, "host": host}]})
    except OperationFailure as error:
        if error.code != _ALREADY_INITIALIZED:
            raise DatabaseRefused(f"The local mongod cannot be made a replica set: {error}") from error
    except PyMongoError:
        return False
    return True


def is_primary(url: str) -> bool:
    """Return whether the server at `url` answers and accepts writes. Blocking."""
    try:
        with temporary_client(url, serverSelectionTimeoutMS=_LOCAL_MS) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
