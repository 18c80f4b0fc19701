"""The conversion of events and idempotency keys that earlier versions stored one document each.

Each event had `store`, its own `prev_at`, `prev` and `hash`, and each key its answer.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from bson import encode
from bson.raw_bson import RawBSONDocument

from repositories.event_log.log_documents import GENESIS, ChainHead, log_documents, parse_link
from schemas.core.documents import Document

#: The most events of one document, and the longest time between them: they expire together.
_MOST_EVENTS: Final = 100
_LONGEST: Final = timedelta(hours=1)
_MOST_DEFECTS: Final = 20
_LOCATION: Final = ("_id", "store")
_CHAIN: Final = ("prev_at", "prev", "hash")


class EventConverter:
    """Converts the events of a store, the oldest first, to documents of the log.

    :param head: the newest document of the log, if it has one.
    :ivar head: that after the converted events.
    :ivar defects: what was wrong with the earlier chain, in sentences: the new hashes hide it.
    """

    def __init__(self, store: str, head: ChainHead = ChainHead(None, None)) -> None:  # noqa: B008  (immutable)
        self._store = store
        self.head = head
        self.defects: list[str] = []
        self._hash: bytes | None = None

    def convert(self, events: Iterable[Mapping[str, Any]]) -> list[RawBSONDocument]:
        """Return the documents of further events."""
        documents: list[RawBSONDocument] = []
        for run in _runs(events):
            if self.head.at is None:
                # The events before have expired.
                self.head = ChainHead(self.head.hash, run[0].get("prev_at"))
            for event in run:
                self._check(event)
            bare = [{name: value for name, value in each.items() if name not in (*_LOCATION, *_CHAIN)} for each in run]
            converted, self.head = log_documents(self._store, bare, (), run[-1]["at"], self.head)
            documents += converted
        return documents

    def _check(self, event: Mapping[str, Any]) -> None:
        """Record whether an event of the earlier chain was altered. Early events have no hash."""
        before, self._hash = self._hash, event.get("hash")
        if self._hash is None and before is None:
            return
        link = parse_link(encode({name: value for name, value in event.items() if name not in _LOCATION}))
        if link is None or not link.is_valid or before not in (None, link.prev, GENESIS):
            self.defects = [*self.defects, f"Event {event['seq']} was altered before its conversion."][:_MOST_DEFECTS]


def convert_keys(requests: Iterable[Mapping[str, Any]]) -> list[Document]:
    """Return earlier idempotency keys as entries of a document of the log."""
    return [
        {
            "key": each["key"],
            "fingerprint": each["fingerprint"],
            "answer": each["answer"],
            "id": each["answer"]["_id"],
            "at": each.get("made_at", each["at"]),
        }
        for each in requests
    ]


def _runs(events: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the events of each new document: without a gap in their numbers."""
    run: list[Mapping[str, Any]] = []
    for event in events:
        if run and (
            event["seq"] != run[-1]["seq"] + 1 or len(run) == _MOST_EVENTS or not _is_soon(run[0]["at"], event["at"])
        ):
            yield run
            run = []
        run.append(event)
    if run:
        yield run


def _is_soon(first: datetime, then: datetime) -> bool:
    return abs(then - first) <= _LONGEST
