"""Reads of the event log: its head, ranges of events, and notifications when it grows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bson import CodecOptions
from bson.raw_bson import RawBSONDocument

from repositories.database.client import RESTORING, Database
from repositories.database.coalescing import CoalescedRead
from repositories.database.errors import BeingRestored, Emptied, read_deadline, translate_errors
from repositories.event_log.log_documents import log_filter
from schemas.core.collections import COUNTERS, LOG

RANGE_LIMIT: Final = 1_000
#: Leaves out fields that only the audit log and the hash chain need.
_PROJECTION: Final = {"events.by": 0, "events.before": 0, "events.after": 0, "requests": 0}
# Documents of one round trip: after a quiet night each holds one event, under load some hundred.
_BATCH: Final = 100

_AS_STORED: Final = CodecOptions(document_class=RawBSONDocument, tz_aware=True)


class Head(NamedTuple):
    #: The id of this log, so that clients notice a restored or emptied database.
    epoch: str
    #: The sequence number of the newest committed event; 0 if there is none.
    seq: int


class StoredEvent(NamedTuple):
    """An event that is not decoded yet."""

    seq: int
    event: Mapping[str, Any]
    #: Bytes as stored.
    size: int


class EventLog:
    """The events of one store, in the order of `seq`, without gaps."""

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self._store = store
        # One read for all concurrent callers.
        self.head = CoalescedRead(self._head)
        # Events are decoded only when a field is accessed: many processes only keep them.
        self._log = database.get_collection(LOG, _AS_STORED)

    async def _head(self) -> Head:
        # A plain command: this runs before each list and report, and `find_one` takes 50 % longer.
        answer = await self._database.command(
            "find",
            COUNTERS,
            filter={"_id": self._store},
            projection={"epoch": 1, "head": 1, RESTORING: 1},
            limit=1,
            singleBatch=True,
            readConcern={"level": "majority"},
        )
        found = answer["cursor"]["firstBatch"]
        if not found:
            raise Emptied
        if RESTORING in found[0]:
            raise BeingRestored
        return Head(found[0]["epoch"], found[0]["head"])

    async def after(self, seq: int, limit: int = RANGE_LIMIT) -> list[StoredEvent]:
        """Return up to `limit` events that follow `seq`, in order."""
        found: list[bytes] = []
        async with read_deadline():
            documents: Any = self._log.find(log_filter(self._store, after=seq), _PROJECTION, batch_size=_BATCH)
            async for document in documents.sort("_id", 1):
                events = document["events"]
                found += [event.raw for event in events[max(0, seq + 1 - document["first"]) :]]
                if len(found) >= limit:
                    await documents.close()
                    break
        return stored_events(found[:limit])

    async def oldest_seq(self) -> int | None:
        """Return the sequence number of the oldest event in the database; None if there is none."""
        async with read_deadline():
            oldest = await self._database[LOG].find(log_filter(self._store), {"first": 1}).sort("_id", 1).to_list(1)
        return oldest[0]["first"] if oldest else None

    async def notifications(self) -> AsyncIterator[int | None]:
        """Yield the new head of the log after each commit of any process, and None after a second without one.

        The change stream watches the counters, since a document of the log is large: it has all events of a group. It
        does not resume: after a break, open it again and catch up with `after`.

        :raises Unavailable: the stream broke.
        """
        pipeline: list[dict[str, Any]] = [
            {"$match": {"documentKey._id": self._store, "updateDescription.updatedFields.head": {"$exists": True}}},
            {"$project": {"updateDescription.updatedFields.head": 1}},
        ]
        with translate_errors():
            async with self._database[COUNTERS].watch(pipeline, max_await_time_ms=1_000) as stream:
                while stream.alive:
                    change = await stream.try_next()
                    yield None if change is None else change["updateDescription"]["updatedFields"]["head"]


def stored_events(events: Sequence[bytes | memoryview]) -> list[StoredEvent]:
    """Return events that take no more memory than their bytes until a field is accessed."""
    if not events:
        return []
    # Read from a copy, since a document keeps all that it has decoded. The log has no gaps, so the first sequence
    # number gives all others.
    first = RawBSONDocument(events[0], _AS_STORED)["seq"]
    # A large event is a view into the driver's buffer, all of which it would keep in memory: `bytes` copies it.
    return [
        StoredEvent(seq, RawBSONDocument(bytes(raw), _AS_STORED), len(raw)) for seq, raw in enumerate(events, first)
    ]
