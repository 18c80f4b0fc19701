"""A store as versions before the log wrote it: one document for each event, with a hash of its own, and one for each
idempotency key, with its answer."""

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

from bson import encode

from repositories.database.client import Database
from repositories.database.store_scope import store_filter
from schemas.archive import format as archive_format
from schemas.archive.format import ArchiveWriter, Manifest
from schemas.core.collections import COMPARED_KINDS
from schemas.journal.events import event_data
from tests.support.event_log import groups_of

Json = dict[str, Any]


def chained(events: Iterable[Json], unhashed: int = 0) -> list[Json]:
    """Return events with the hashes of earlier versions.

    :param unhashed: the number of oldest events that are older than the chain.
    """
    newest, at = bytes(32), None
    rows: list[Json] = []
    for event in events:
        if len(rows) < unhashed:
            rows.append({name: value for name, value in event.items() if name != "by"})
            continue
        row = {**event, "prev_at": at, "prev": newest}
        newest, at = earlier_hash(row), event["at"]
        rows.append({**row, "hash": newest})
    return rows


def earlier_hash(event: Json) -> bytes:
    content = {name: value for name, value in event.items() if name not in ("_id", "store", "hash")}
    return sha256(encode(content)[4:-1]).digest()


async def make_earlier(database: Database, store: str, *, unhashed: int = 0, retention_days: int = 90) -> None:
    """Rewrite the log of a store as earlier versions stored it."""
    groups = await groups_of(database, store)
    events = [{**event, "data": event_data(event)} for group in groups for event in group["events"]]
    rows = chained(({"store": store, **event} for event in events), unhashed)
    answers = {event["seq"]: event["data"] for event in events}
    requests = [
        {
            "store": store,
            "key": each["key"],
            "fingerprint": each.get("fingerprint", each["key"].rpartition(":")[2]),
            "answer": each["answer"] if "answer" in each else answers[each["event"]],
            "at": group["at"],
            **({"made_at": each["at"]} if "at" in each else {}),
        }
        for group in groups
        for each in group.get("requests", ())
    ]
    for name, field, documents, days in (
        ("events", "seq", rows, retention_days),
        ("requests", "key", requests, 30),
    ):
        await database[name].create_index([("store", 1), (field, 1)], unique=True, name=field)
        await database[name].create_index("at", name="retention", expireAfterSeconds=days * 86_400)
        await database[name].insert_many(documents)
    await database.log.delete_many(store_filter("log", store))
    for kind in COMPARED_KINDS:
        unchanged = {"store": store, "changed_by": {"$exists": False}}
        await database[kind].update_many(unchanged, [{"$set": {"changed_by": "$created_by"}}])
    head = {"hash": rows[-1].get("hash"), "at": rows[-1]["at"] if "hash" in rows[-1] else None}
    stamps = {name: value for name, value in head.items() if value is not None}
    await database.counters.update_one({"_id": store}, {"$unset": {"log": "", "hash": "", "at": ""}})
    if stamps:
        await database.counters.update_one({"_id": store}, {"$set": stamps})


class EarlierStore:
    """What such a store holds, to be put back as often as a test needs it."""

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self._store = store
        self._documents: dict[str, list[Json]] = {}

    async def remember(self) -> None:
        for name in ("events", "requests"):
            self._documents[name] = await self._database[name].find({"store": self._store}).to_list(None)
        self._documents["counters"] = await self._database.counters.find({"_id": self._store}).to_list(None)

    async def put_back(self) -> None:
        await self._database.log.delete_many(store_filter("log", self._store))
        for name, documents in self._documents.items():
            await self._database[name].delete_many({"_id" if name == "counters" else "store": self._store})
            await self._database[name].insert_many(documents)


def write_version_1(documents: dict[str, list[Json]], store: str, path: Path) -> Path:
    """Write an archive as earlier versions did, with a line for each event and for each idempotency key.

    :param documents: the content of the database, by collection.
    """
    own = ("estimates", "orders", "customers", "settings", "users", "devices", "links", "messages")
    writer = ArchiveWriter()
    content = {
        **{name: [each for each in documents[name] if each.get("store") == store] for name in own},
        "events": sorted(documents["events"], key=lambda event: int(event["seq"])),
        "requests": sorted(documents["requests"], key=lambda request: str(request["key"])),
        "totals": documents["totals"],
        "adopted": [],
        "counters": [each for each in documents["counters"] if each["_id"] == store],
    }
    [counters] = content["counters"]
    counts = {name: len(each) for name, each in content.items()}
    manifest = Manifest(
        store, "Asia/Kolkata", "INR", counters["head"], counters["epoch"], "2026-11-24", "POS 1.0", counts
    )
    with patch.object(archive_format, "VERSION", 1):
        lines = [writer.opening(manifest)]
    for name, each in content.items():
        if not each:
            continue
        # The ids of events and keys had no meaning.
        bare = ("_id",) if name in ("events", "requests") else ()
        rows = [{field: value for field, value in document.items() if field not in bare} for document in each]
        lines.append(writer.documents(name, rows))
    path.write_bytes(b"".join([*lines, writer.closing()]))
    return path
