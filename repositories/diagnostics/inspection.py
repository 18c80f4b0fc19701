"""The inspection of a database for `pos doctor`: collects facts, each separately and within seconds.

It uses a client of its own with short timeouts, since nothing here may hang. It writes only into a collection of its
own, which it drops.
"""

import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

import pymongo
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.database import Database as SyncDatabase
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from repositories.database.client import APPLICATION, KEY_PROOF, close_in_background, valid_address
from repositories.database.errors import DatabaseRefused, first_clause
from repositories.database.store_scope import store_filter
from repositories.diagnostics.facts import DatabaseFacts
from repositories.legacy.late_warnings import late_warnings
from repositories.migrations.indexes import index_models
from repositories.reporting.rollup_rows import row_range
from schemas.core.collections import ADOPTION, COUNTERS, ESTIMATES, FACTS, LOG, ORDERS, TOTALS
from schemas.core.documents import Document
from schemas.text.safe_addresses import redact_driver_text

#: The time limit of the inspection, and of one collector.
SECONDS: Final = 11.0
_COLLECT_SECONDS: Final = 3.0
_PROBE: Final = "doctor_"
_PROBE_NAME: Final = re.compile(_PROBE + r"(\d{10})_[0-9a-f]{8}")
_STALE_SECONDS: Final = 600
_AUTHENTICATION_FAILED, _UNAUTHORIZED = 18, 13
_KINDS: Final = (ESTIMATES, ORDERS)

#: A reason, and the pattern of the driver's messages for it.
_REASONS: Final = (
    ("dns", r"name or service not known|nodename nor servname|no address|dns|temporary failure in name|getaddrinfo"),
    ("tls", r"ssl|tls|certificate"),
    ("refused", r"refused|no such file"),
    ("no_primary", r"no primary available|no replica set members match"),
    ("timeout", r"timed out|timeout|no servers found|no replica set members (found|available)"),
)


def collect_facts(url: str, database_name: str, store: str, event_retention_days: int) -> DatabaseFacts:
    """Return the facts about a database. Blocking; ends after about `SECONDS` in any case."""
    facts = DatabaseFacts()
    began = time.monotonic()
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
        facts.detail = str(error)
        facts.unreachable = "dns" if "DNS" in str(error) else "invalid"
        return facts
    try:
        _collect_server(client, facts)
    except PyMongoError as error:
        facts.unreachable, facts.detail = _reason_of(error), redact_driver_text(first_clause(error), url)
    else:
        _collect_all(client[database_name], store, event_retention_days, facts, began + SECONDS)
    finally:
        close_in_background(client)
    facts.seconds = time.monotonic() - began
    return facts


def _collect_server(client: MongoClient[Document], facts: DatabaseFacts) -> None:
    """Collect the server's facts. Any member may answer, which distinguishes a set without a primary from no set."""
    before = datetime.now(UTC)
    hello = client.admin.command("hello", read_preference=ReadPreference.NEAREST)
    after = datetime.now(UTC)
    facts.clock = (hello["localTime"].replace(tzinfo=UTC) - before - (after - before) / 2).total_seconds()
    facts.set_name = hello.get("setName")
    facts.is_mongos = hello.get("msg") == "isdbgrid"
    facts.primary = hello.get("primary")
    # This checks the password as well; `hello` needs none.
    facts.version = client.admin.command("buildInfo", read_preference=ReadPreference.NEAREST)["version"]
    with pymongo.timeout(_COLLECT_SECONDS):
        client.admin.command("connectionStatus", read_preference=ReadPreference.NEAREST)


def _collect_all(
    database: SyncDatabase[Document], store: str, event_retention_days: int, facts: DatabaseFacts, until: float
) -> None:
    collectors: list[Callable[[], None]] = [
        lambda: _collect_writes(database, facts),
        lambda: _collect_oplog(database, facts),
        lambda: _collect_disk(database, facts),
        lambda: _collect_indexes(database, event_retention_days, facts),
        lambda: _collect_counters(database, store, facts),
        lambda: _collect_times(database, store, facts),
        lambda: _collect_legacy_import(database, store, facts),
        lambda: _collect_late(database, store, facts),
        lambda: _collect_totals(database, store, facts),
    ]
    for collect in collectors:
        seconds = min(_COLLECT_SECONDS, until - time.monotonic())
        if seconds <= 0:
            return
        # A fact stays unknown if it is forbidden, takes too long or does not exist (mongos has no oplog), or if
        # documents edited by hand lack fields or have other types.
        with suppress(PyMongoError, LookupError, TypeError), pymongo.timeout(seconds):
            collect()


def _collect_writes(database: SyncDatabase[Document], facts: DatabaseFacts) -> None:
    if facts.set_name is None and not facts.is_mongos:
        return
    if facts.primary is None and not facts.is_mongos:
        facts.majority = "there is no primary"
        return
    now = int(time.time())
    for name in database.list_collection_names(filter={"name": {"$regex": f"^{_PROBE}"}}):
        # Left by an inspection that was killed.
        found = _PROBE_NAME.fullmatch(name)
        if found is not None and now - int(found[1]) > _STALE_SECONDS:
            database.drop_collection(name)
    probe = database.get_collection(
        f"{_PROBE}{now}_{secrets.token_hex(4)}", write_concern=WriteConcern(w="majority", j=True, wtimeout=2_500)
    )
    try:
        began = time.perf_counter()
        facts.majority = _error_of(lambda: probe.insert_one({"_id": 0}))
        facts.majority_ms = (time.perf_counter() - began) * 1000
        facts.change_stream = _error_of(lambda: _watch_transaction(probe, facts))
    finally:
        with suppress(PyMongoError), pymongo.timeout(_COLLECT_SECONDS):
            probe.drop()


def _watch_transaction(probe: Any, facts: DatabaseFacts) -> None:
    """Check that a change stream reports the write of a transaction.

    :raises OperationFailure: it does not.
    """
    with probe.watch(max_await_time_ms=500) as stream:
        facts.transaction = _error_of(lambda: _run_transaction(probe))
        if facts.transaction:
            return
        give_up = time.monotonic() + 2
        while time.monotonic() < give_up:
            if stream.try_next() is not None:
                return
    raise OperationFailure("the change stream did not report the change within two seconds")


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


def _collect_oplog(database: SyncDatabase[Document], facts: DatabaseFacts) -> None:
    oplog = database.client["local"]["oplog.rs"]
    first, last = (oplog.find({}, {"ts": 1}).sort("$natural", way).limit(1)[0]["ts"].time for way in (1, -1))
    facts.oplog_hours = (last - first) / 3600


def _collect_disk(database: SyncDatabase[Document], facts: DatabaseFacts) -> None:
    stats = database.command("dbStats")
    # 0 for a database that does not exist yet.
    if stats["fsTotalSize"]:
        facts.disk_free = int(stats["fsTotalSize"] - stats["fsUsedSize"])


def _collect_indexes(database: SyncDatabase[Document], event_retention_days: int, facts: DatabaseFacts) -> None:
    missing, different = [], []
    for collection, models in index_models(event_retention_days).items():
        there = {each["name"]: each for each in database[collection].list_indexes()}
        for model in models:
            wanted = {**model.document, "key": dict(model.document["key"])}
            found = there.get(wanted["name"])
            if found is None:
                missing.append(f"{collection}.{wanted['name']}")
            elif {name: dict(found[name]) if name == "key" else found.get(name) for name in wanted} != wanted:
                different.append(f"{collection}.{wanted['name']}")
    facts.indexes_missing, facts.indexes_different = missing, different


def _collect_counters(database: SyncDatabase[Document], store: str, facts: DatabaseFacts) -> None:
    facts.counters = database[COUNTERS].find_one({"_id": store})
    facts.are_counters_known = True
    facts.key_proof = (database[FACTS].find_one({"_id": KEY_PROOF}) or {}).get("proof")
    facts.highest = {kind: _last(database, kind, store, "number") or 0 for kind in _KINDS}
    newest = _newest_log_document(database, store)
    facts.newest_event = None if newest is None else newest["_id"]["last"]


def _last(database: SyncDatabase[Document], collection: str, store: str, name: str) -> Any:
    found = database[collection].find(store_filter(collection, store), {name: 1}).sort(name, -1).limit(1).to_list()
    return found[0][name] if found else None


def _newest_log_document(database: SyncDatabase[Document], store: str) -> Document | None:
    return database[LOG].find_one(store_filter(LOG, store), {"events.at": 1}, sort=[("_id", -1)])


def _collect_times(database: SyncDatabase[Document], store: str, facts: DatabaseFacts) -> None:
    found = [_last(database, kind, store, "created_at") for kind in _KINDS]
    newest = _newest_log_document(database, store)
    moments = [each for each in (*found, newest and newest["events"][-1]["at"]) if each is not None]
    facts.newest = max(moments, default=None)


def _collect_legacy_import(database: SyncDatabase[Document], store: str, facts: DatabaseFacts) -> None:
    state = database[ADOPTION].find_one({"_id": store})
    facts.adoption = state["step"] if state else None
    # A quick check with an index, in case `_collect_late` does not finish in time.
    facts.late = [f"There are {kind}." for kind in _KINDS if database[kind].find_one({"store": None}, {"_id": 1})]


def _collect_late(database: SyncDatabase[Document], store: str, facts: DatabaseFacts) -> None:
    facts.late = late_warnings(database, store)


def _collect_totals(database: SyncDatabase[Document], store: str, facts: DatabaseFacts) -> None:
    """Collect the counts and amounts of all documents, once from the yearly rollups and once from the documents."""
    by_totals = dict.fromkeys(_KINDS, (0, 0))
    for row in database[TOTALS].find(row_range(store, "0000", "9999")):
        for kind in _KINDS:
            for sums in row.get(kind, {}).values():
                count, amount = by_totals[kind]
                by_totals[kind] = (
                    count + sums.get("count", 0),
                    amount + sums.get("total", 0) + sums.get("sold", 0) + sums.get("paid", 0),
                )
    by_documents = {}
    for kind, amount_of in ((ESTIMATES, "$total"), (ORDERS, {"$add": ["$total", "$amount_paid"]})):
        group = {"_id": None, "count": {"$sum": 1}, "amount": {"$sum": amount_of}}
        found = list(
            database[kind].aggregate([{"$match": {**store_filter(kind, store), "voided_at": None}}, {"$group": group}])
        )
        by_documents[kind] = (found[0]["count"], found[0]["amount"]) if found else (0, 0)
    facts.by_totals, facts.by_documents = by_totals, by_documents


def _reason_of(error: PyMongoError) -> str:
    if isinstance(error, OperationFailure):
        return "auth" if error.code in (_AUTHENTICATION_FAILED, _UNAUTHORIZED) else "other"
    said = str(error).lower()
    if "authentication failed" in said:
        return "auth"
    return next((reason for reason, words in _REASONS if re.search(words, said)), "other")
