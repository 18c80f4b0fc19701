"""Reads of the event log: its head, ranges of events, and notifications when it grows."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bson import CodecOptions
from bson.raw_bson import RawBSONDocument

from repositories.database.client import RESTORING, Database
from repositories.database.coalescing import CoalescedRead
from repositories.database.errors import BeingRestored, Emptied, read_deadline, translate_errors
from schemas.core.collections import COUNTERS, EVENTS

RANGE_LIMIT: Final = 1_000
#: Leaves out fields that only the audit log and the hash chain need.
_PROJECTION: Final = {"_id": 0, "by": 0, "before": 0, "after": 0, "prev_at": 0, "prev": 0, "hash": 0}

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
        self._events = database.get_collection(EVENTS, _AS_STORED)

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
        async with read_deadline():
            found = self._events.find({"store": self._store, "seq": {"$gt": seq}}, _PROJECTION)
            documents: list[Any] = await found.sort("seq", 1).limit(limit).to_list(limit)
        return stored_events([document.raw for document in documents])

    async def oldest_seq(self) -> int | None:
        """Return the sequence number of the oldest event in the database; None if there is none."""
        async with read_deadline():
            oldest = await self._database[EVENTS].find({"store": self._store}, {"seq": 1}).sort("seq", 1).to_list(1)
        return oldest[0]["seq"] if oldest else None

    async def notifications(self) -> AsyncIterator[int | None]:
        """Yield the new head of the log after each commit of any process, and None at least every two seconds.

        The change stream watches the counters, which each group of commands updates once, and not the events, of which
        there are many more. It does not resume: after a break, open it again and catch up with `after`.

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
    # number
    # gives all others.
    first = RawBSONDocument(events[0], _AS_STORED)["seq"]
    # A large event is a view into the driver's buffer, all of which it would keep in memory: `bytes` copies it.
    return [
        StoredEvent(seq, RawBSONDocument(bytes(raw), _AS_STORED), len(raw)) for seq, raw in enumerate(events, first)
    ]
