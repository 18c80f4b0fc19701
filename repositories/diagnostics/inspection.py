"""The inspection of a database for `pos doctor`: collects facts, each separately and within seconds. Blocking.

It uses a client of its own with short timeouts, since nothing here may hang. It writes only into a collection of its
own, which it drops.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

import pymongo
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database as SyncDatabase
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from repositories.database.client import APPLICATION, KEY_PROOF, close_in_background, valid_address
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.store_scope import store_filter
from repositories.legacy.late_warnings import late_warnings
from repositories.migrations.indexes import index_models
from repositories.reporting.rollup_rows import row_range
from schemas.core.collections import (
    COUNTERS,
    DOCUMENT_KINDS,
    ESTIMATES,
    FACTS,
    IMPORTS,
    LEGACY_KINDS,
    LOG,
    ORDERS,
    TOTALS,
)
from schemas.core.documents import Document
from schemas.text.safe_addresses import redact_driver_text

#: The time limit of the inspection, and of one fact.
SECONDS: Final = 11.0
_COLLECT_SECONDS: Final = 3.0
_PROBE: Final = "doctor_"
_PROBE_NAME: Final = re.compile(_PROBE + r"(\d{10})_[0-9a-f]{8}")
_STALE_SECONDS: Final = 600
_AUTHENTICATION_FAILED, _UNAUTHORIZED = 18, 13

T = TypeVar("T")

#: A reason, and the pattern of the driver's messages for it.
_REASONS: Final = (
    ("dns", r"name or service not known|nodename nor servname|no address|dns|temporary failure in name|getaddrinfo"),
    ("tls", r"ssl|tls|certificate"),
    ("refused", r"refused|no such file"),
    ("no_primary", r"no primary available|no replica set members match"),
    ("timeout", r"timed out|timeout|no servers found|no replica set members (found|available)"),
)


class Unreachable(DatabaseRefused):
    """The database cannot be reached.

    :param reason: dns, tls, refused, auth, no_primary, timeout, invalid or other.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Server(NamedTuple):
    """A server. `clock`: the seconds that its clock is ahead of ours."""

    version: str
    set_name: str | None
    is_mongos: bool
    primary: str | None
    clock: float


class Writes(NamedTuple):
    """The results of test writes: empty, or the driver's message. `transaction`: None if there was none."""

    majority: str
    majority_ms: float
    transaction: str | None
    change_stream: str


class Inspection:
    """The facts about a database and one of its stores."""

    def __init__(self, database: SyncDatabase[Document], store: str, event_retention_days: int) -> None:
        self.database, self.store, self.event_retention_days = database, store, event_retention_days
        self.known: dict[Callable[[Any], Any], Any] = {}
        self._until = time.monotonic() + SECONDS

    def get(self, collect: Callable[[Any], T]) -> T | None:
        """Return a fact, collected once; None if it is forbidden, takes too long or does not exist (mongos has no
        oplog), or if documents edited by hand lack fields or have other types."""
        if collect not in self.known:
            self.known[collect] = None
            seconds = min(_COLLECT_SECONDS, self._until - time.monotonic())
            if seconds > 0:
                with suppress(PyMongoError, LookupError, TypeError), pymongo.timeout(seconds):
                    self.known[collect] = collect(self)
        fact: T | None = self.known[collect]
        return fact


@contextmanager
def inspecting(url: str, database_name: str, store: str, event_retention_days: int) -> Iterator[Inspection]:
    """Open a database for an inspection that ends after about `SECONDS` in any case.

    :raises Unreachable: the database does not answer.
    """
    try:
        with valid_address(url, "MONGODB_URL"):
            client: MongoClient[Document] = MongoClient(
                url,
                serverSelectionTimeoutMS=3_000,
                connectTimeoutMS=2_000,
                socketTimeoutMS=4_000,
                appname=f"{APPLICATION}-doctor",
                tz_aware=True,
            )
    except DatabaseRefused as error:
        raise Unreachable("dns" if "DNS" in str(error) else "invalid", str(error)) from error
    inspection = Inspection(client[database_name], store, event_retention_days)
    try:
        inspection.known[server] = server(inspection)
    except PyMongoError as error:
        raise Unreachable(_reason_of(error), redact_driver_text(first_clause(error), url)) from error
    else:
        yield inspection
    finally:
        close_in_background(client)


def server(at: Inspection) -> Server:
    admin = at.database.client.admin
    # Any member may answer, which distinguishes a set without a primary from no set.
    before = datetime.now(UTC)
    hello = admin.command("hello", read_preference=ReadPreference.NEAREST)
    after = datetime.now(UTC)
    clock = (hello["localTime"].replace(tzinfo=UTC) - before - (after - before) / 2).total_seconds()
    # This checks the password as well; `hello` needs none.
    version = admin.command("buildInfo", read_preference=ReadPreference.NEAREST)["version"]
    with pymongo.timeout(_COLLECT_SECONDS):
        admin.command("connectionStatus", read_preference=ReadPreference.NEAREST)
    return Server(version, hello.get("setName"), hello.get("msg") == "isdbgrid", hello.get("primary"), clock)


def writes(at: Inspection) -> Writes:
    """Test a write, a transaction and a change stream in a collection that is dropped again."""
    now = int(time.time())
    for name in at.database.list_collection_names(filter={"name": {"$regex": f"^{_PROBE}"}}):
        # Left by an inspection that was killed.
        found = _PROBE_NAME.fullmatch(name)
        if found is not None and now - int(found[1]) > _STALE_SECONDS:
            at.database.drop_collection(name)
    probe = at.database.get_collection(
        f"{_PROBE}{now}_{secrets.token_hex(4)}", write_concern=WriteConcern(w="majority", j=True, wtimeout=2_500)
    )
    try:
        began = time.perf_counter()
        majority = _error_of(lambda: probe.insert_one({"_id": 0}))
        majority_ms = (time.perf_counter() - began) * 1000
        return Writes(majority, majority_ms, *_watch_transaction(probe))
    finally:
        with suppress(PyMongoError), pymongo.timeout(_COLLECT_SECONDS):
            probe.drop()


def _watch_transaction(probe: Any) -> tuple[str | None, str]:
    """Return the errors of a transaction, and of the change stream that has to report its write."""
    transaction = None
    try:
        with probe.watch(max_await_time_ms=500) as stream:
            transaction = _error_of(lambda: _run_transaction(probe))
            give_up = time.monotonic() + 2
            while not transaction and time.monotonic() < give_up:
                if stream.try_next() is not None:
                    return "", ""
    except PyMongoError as error:
        return transaction, first_clause(error)
    return transaction, "" if transaction else "the change stream did not report the change within two seconds"


def _run_transaction(probe: Any) -> None:
    with (
        probe.database.client.start_session() as session,
        session.start_transaction(ReadConcern("snapshot"), WriteConcern(w="majority", j=True)),
    ):
        probe.insert_one({"_id": 1}, session=session)


def _error_of(work: Callable[[], object]) -> str:
    """Return the driver's message if the work fails, else an empty string."""
    try:
        work()
    except PyMongoError as error:
        return first_clause(error)
    return ""


def oplog_hours(at: Inspection) -> float:
    """Return how many hours back the oplog reaches."""
    oplog = at.database.client["local"]["oplog.rs"]
    first, last = (oplog.find({}, {"ts": 1}).sort("$natural", way).limit(1)[0]["ts"].time for way in (1, -1))
    return float(last - first) / 3600


def disk_free(at: Inspection) -> int | None:
    stats = at.database.command("dbStats")
    # 0 for a database that does not exist yet.
    return int(stats["fsTotalSize"] - stats["fsUsedSize"]) if stats["fsTotalSize"] else None


def index_defects(at: Inspection) -> tuple[list[str], list[str]]:
    """Return the names of the indexes that are missing, and of those that differ from their definition."""
    missing, different = [], []
    for collection, models in index_models(at.event_retention_days).items():
        there = {each["name"]: each for each in at.database[collection].list_indexes()}
        for model in models:
            wanted = {**model.document, "key": dict(model.document["key"])}
            found = there.get(wanted["name"])
            if found is None:
                missing.append(f"{collection}.{wanted['name']}")
            elif {name: dict(found[name]) if name == "key" else found.get(name) for name in wanted} != wanted:
                different.append(f"{collection}.{wanted['name']}")
    return missing, different


def counters(at: Inspection) -> Document:
    """Return the store's counters; empty if the store does not exist."""
    return at.database[COUNTERS].find_one({"_id": at.store}) or {}


def key_proof(at: Inspection) -> str | None:
    """Return the stored proof of SECRET_KEY."""
    return (at.database[FACTS].find_one({"_id": KEY_PROOF}) or {}).get("proof")


def highest(at: Inspection) -> Document:
    """Return the highest number of a document by kind, and as `head` the newest sequence number of an event."""
    numbers = {kind: _last(at, kind, "number") or 0 for kind in DOCUMENT_KINDS}
    last = _newest_log_document(at)
    return {**numbers, "head": last and last["_id"]["last"]}


def _last(at: Inspection, collection: str, name: str) -> Any:
    found = at.database[collection].find(store_filter(collection, at.store), {name: 1}).sort(name, -1).limit(1)
    return next((each[name] for each in found), None)


def _newest_log_document(at: Inspection) -> Document | None:
    return at.database[LOG].find_one(store_filter(LOG, at.store), {"events.at": 1}, sort=[("_id", -1)])


def newest(at: Inspection) -> datetime | None:
    """Return the time of the newest document or event."""
    last = _newest_log_document(at)
    moments = [*(_last(at, kind, "created_at") for kind in DOCUMENT_KINDS), last and last["events"][-1]["at"]]
    return max((each for each in moments if each is not None), default=None)


def import_step(at: Inspection) -> str | None:
    """Return the step that the import of the earlier backend's documents has reached."""
    state = at.database[IMPORTS].find_one({"_id": at.store})
    return state["step"] if state else None


def late(at: Inspection) -> list[str]:
    """Return where the earlier backend has written since the import, a sentence each."""
    return late_warnings(at.database, at.store)


def unimported(at: Inspection) -> list[str]:
    """Return less than `late`, but quickly, by an index."""
    return [f"There are {kind}." for kind in LEGACY_KINDS if at.database[kind].find_one({"store": None}, {"_id": 1})]


def differing_sums(at: Inspection) -> list[str]:
    """Return the kinds whose yearly rollups differ from the documents, in count or amount."""
    by_totals = dict.fromkeys(DOCUMENT_KINDS, (0, 0))
    for row in at.database[TOTALS].find(row_range(at.store, "0000", "9999")):
        for kind in DOCUMENT_KINDS:
            for added in row.get(kind, {}).values():
                count, amount = by_totals[kind]
                amount += sum(added.get(name, 0) for name in ("total", "sold", "paid"))
                by_totals[kind] = (count + added.get("count", 0), amount)
    by_documents = {}
    for kind, amount_of in ((ESTIMATES, "$total"), (ORDERS, {"$add": ["$total", "$amount_paid"]})):
        group = {"_id": None, "count": {"$sum": 1}, "amount": {"$sum": amount_of}}
        live = {**store_filter(kind, at.store), "voided_at": None}
        found = at.database[kind].aggregate([{"$match": live}, {"$group": group}]).to_list()
        by_documents[kind] = (found[0]["count"], found[0]["amount"]) if found else (0, 0)
    return [kind for kind in DOCUMENT_KINDS if by_totals[kind] != by_documents[kind]]


def _reason_of(error: PyMongoError) -> str:
    if isinstance(error, OperationFailure):
        return "auth" if error.code in (_AUTHENTICATION_FAILED, _UNAUTHORIZED) else "other"
    text = str(error).lower()
    if "authentication failed" in text:
        return "auth"
    return next((reason for reason, words in _REASONS if re.search(words, text)), "other")
