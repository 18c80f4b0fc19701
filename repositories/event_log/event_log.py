"""The event log, read: its head, a range of it, and the doorbell that tells that it has grown."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bson import CodecOptions
from bson.raw_bson import RawBSONDocument

from repositories.database.client import RESTORING, Database
from repositories.database.coalescing import CoalescedRead
from repositories.database.errors import BeingRestored, Emptied, read_deadline, translate_errors
from schemas.core.collections import COUNTERS, EVENTS

RANGE_LIMIT: Final = 1_000
#: What only the audit and the chain look at stays in the database.
_TOLD: Final = {"_id": 0, "by": 0, "before": 0, "after": 0, "prev_at": 0, "prev": 0, "hash": 0}

_AS_STORED: Final = CodecOptions(document_class=RawBSONDocument, tz_aware=True)


class Head(NamedTuple):
    """Where a store's log stands. epoch: names this very log, so that a restored or emptied database is noticed."""

    epoch: str
    seq: int


class StoredEvent(NamedTuple):
    """An event, not decoded yet, and how many bytes it takes as it is stored."""

    seq: int
    event: Mapping[str, Any]
    size: int


class EventLog:
    """The events of one store, in `seq` order, without gaps."""

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self._store = store
        # Read as they are stored, and decoded only where somebody looks at them: many a process only keeps them.
        self.head = CoalescedRead(self._head)
        self._events = database.get_collection(EVENTS, _AS_STORED)

    async def _head(self) -> Head:
        """`head`: the seq of the newest committed event, 0 where there is none. All who ask together share a reading.

        :raises Unavailable: the database is away.
        """
        # The bare command: this is asked before each list and report, and `find_one` takes half as long again.
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
        """Up to `limit` events that follow `seq`, in order.

        :raises Unavailable: the database is away.
        """
        async with read_deadline():
            found = self._events.find({"store": self._store, "seq": {"$gt": seq}}, _TOLD)
            documents: list[Any] = await found.sort("seq", 1).limit(limit).to_list(limit)
        return stored_events([document.raw for document in documents])

    async def oldest_seq(self) -> int | None:
        """The seq of the oldest event that is kept, or None where there is none.

        :raises Unavailable: the database is away.
        """
        async with read_deadline():
            oldest = await self._database[EVENTS].find({"store": self._store}, {"seq": 1}).sort("seq", 1).to_list(1)
        return oldest[0]["seq"] if oldest else None

    async def notifications(self) -> AsyncIterator[int | None]:
        """Yields the new head of the log whenever any process has committed, and None at least every two seconds
        while the stream lives.

        It watches the counters, which every group of changes raises once, and not the events, of which there are many
        more. It remembers nothing: after a break it starts anew "now", and the reader catches up by `after`.

        :raises Unavailable: the stream broke; open it again.
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
    """Events that take no more memory than their bytes, until somebody looks into them."""
    if not events:
        return []
    # Looked for in a copy, since a document that was looked into keeps all that it decoded. The log has no gaps, so the
    # first one's seq says all of theirs.
    first = RawBSONDocument(events[0], _AS_STORED)["seq"]
    # A large one comes as a view into the driver's buffer, all of which it would keep.
    return [
        StoredEvent(seq, RawBSONDocument(bytes(raw), _AS_STORED), len(raw)) for seq, raw in enumerate(events, first)
    ]
