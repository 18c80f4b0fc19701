"""The conversion of events and idempotency keys that earlier versions stored one document each.

Each event had `store`, its own `prev_at`, `prev` and `hash`, and each key its answer. The earliest events have no hash.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

from bson import encode
from bson.raw_bson import RawBSONDocument

from repositories.database.errors import DatabaseRefused
from repositories.event_log.log_documents import GENESIS, ChainHead, is_event, log_documents, parse_link
from schemas.core.documents import Document

#: The field of a store's counters whose log has the form of `log_documents.py`.
CURRENT_LOG: Final = {"log": 1}
#: The most events of one document, and the longest time between them: they expire together.
_MOST_EVENTS: Final = 100
_LONGEST: Final = timedelta(hours=1)
_MOST_ALTERED: Final = 20
_LOCATION: Final = ("_id", "store")
_CHAIN: Final = ("prev_at", "prev", "hash")

Event = Mapping[str, Any]


def refuse_unconverted(counters: Mapping[str, Any]) -> None:
    """Check that the log of a store was converted.

    :raises DatabaseRefused: it was not.
    """
    if "log" not in counters:
        raise DatabaseRefused("The store was written by an earlier version: stop the service, and run `pos migrate`.")


class EventConverter:
    """Converts the events of a store, the oldest first, to documents of the log.

    :param head: the newest document of the log, if it has one.
    :param before: the earlier event that is the last one in it.
    :ivar head: that after the converted events.
    :ivar altered: which events do not agree with the earlier hash chain: the new hashes hide it.
    """

    def __init__(self, store: str, head: ChainHead | None = None, before: Event | None = None) -> None:
        self._store = store
        self._before = before
        self.head = head or ChainHead(None, None)
        self.altered: list[int] = []

    def convert(self, events: Iterable[Event]) -> list[RawBSONDocument]:
        """Return the documents of further events.

        :raises DatabaseRefused: one of them has not the form of an event.
        """
        events = list(events)
        for event in events:
            if not is_event(event):
                raise DatabaseRefused(f"Event {event.get('seq')} of an earlier version has not the form of an event.")
        documents: list[RawBSONDocument] = []
        for run in _runs(events):
            if not self._is_next(run[0]):
                # Others have expired, or were removed: this tells which.
                self.head = ChainHead(self.head.hash, run[0].get("prev_at"))
            for event in run:
                if self._is_altered(event):
                    self.altered.append(event["seq"])
                self._before = event
            bare = [{name: value for name, value in each.items() if name not in (*_LOCATION, *_CHAIN)} for each in run]
            converted, self.head = log_documents(self._store, bare, (), run[-1]["at"], self.head)
            documents += converted
        return documents

    def finish(self, counters: Mapping[str, Any]) -> Document:
        """Return the changes of the store's counters after all events."""
        changes: Document = {**CURRENT_LOG}
        altered = [*counters.get("altered", ()), *self.altered]
        if self._before is not None and self._before["seq"] == counters["head"]:
            if self._before.get("hash") != counters.get("hash"):
                altered.append(counters["head"])
            changes |= {"hash": self.head.hash, "at": self.head.at}
            if counters.get("demo", {}).get("place", {}).get("hash") == counters.get("hash"):
                # So that `pos demo --replace` sees that nothing was changed.
                changes["demo.place.hash"] = self.head.hash
        return {**changes, "altered": altered[:_MOST_ALTERED]} if altered else changes

    def _is_next(self, event: Event) -> bool:
        return bool(event["seq"] == (0 if self._before is None else self._before["seq"]) + 1)

    def _is_altered(self, event: Event) -> bool:
        """Return whether an event does not agree with its hash, or with that of the event before."""
        known = self._before.get("hash") if self._before is not None else None
        link = parse_link(encode({name: value for name, value in event.items() if name not in _LOCATION}))
        if link is None:
            # The hash was introduced together with the actor.
            return "hash" in event or "by" in event or known is not None
        return not link.is_valid or (self._is_next(event) and link.prev != (known or GENESIS))


def convert_keys(requests: Iterable[Mapping[str, Any]]) -> list[Document]:
    """Return earlier idempotency keys as entries of a document of the log; leave out keys without an answer."""
    return [
        {
            "key": each["key"],
            "fingerprint": each["fingerprint"],
            "answer": each["answer"],
            "id": each["answer"]["_id"],
            "at": each.get("made_at", each["at"]),
        }
        for each in requests
        if isinstance(each.get("answer"), dict) and "_id" in each["answer"]
    ]


def _runs(events: Iterable[Event]) -> Iterator[list[Event]]:
    """Yield the events of each new document: without a gap in their numbers."""
    run: list[Event] = []
    for event in events:
        if run and (
            event["seq"] != run[-1]["seq"] + 1 or len(run) == _MOST_EVENTS or abs(event["at"] - run[0]["at"]) > _LONGEST
        ):
            yield run
            run = []
        run.append(event)
    if run:
        yield run
