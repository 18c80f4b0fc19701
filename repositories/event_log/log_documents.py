"""The stored form of the event log: a document for each committed group of commands, chained by hashes.

    {
        "_id": {"store": "main", "last": 7},        the sequence number of its last event
        "requests": [{"key": …, …}],                the idempotency keys of its commands, if there are any
        "first": 5,                                 the sequence number of its first event
        "at": …,                                    when it was written, by the database's clock: it expires by this
        "events": [{"seq": 5, "type": …, …}, …],
        "prev_at": …, "prev": …,                    time and hash of the document before; None and zeros if unknown
        "hash": …                                   SHA-256 of the bytes of this document from `first` to `prev`
    }

So changed, removed and inserted events are detected. `_id` and `requests` are not hashed: a document stays the same in
an archive and in another store, and keys are removed when they are used again. The store's counters hold the newest
hash and time.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from bson import encode
from bson.raw_bson import RawBSONDocument

from schemas.core.documents import Document
from schemas.journal.events import ACTIONS, COLLECTIONS_BY_TYPE, CONVERT, event_data

#: `prev` of the first document.
GENESIS: Final = bytes(32)
#: The projection for `ChainVerifier`: a document without its keys.
WITHOUT_KEYS: Final = {"requests": 0}
#: The most bytes of events in one document, unless a single event is larger. The database stores 16 MB at most.
_MOST_BYTES: Final = 4 * 2**20

_SIZE: Final = struct.Struct("<i")
# The header of a binary field of 32 bytes: type, name, length, generic subtype.
_PREV: Final = b"\x05prev\x00" + _SIZE.pack(32) + b"\x00"
_HASH: Final = b"\x05hash\x00" + _SIZE.pack(32) + b"\x00"
_END: Final = b"\x00"
_FIELD: Final = len(_HASH) + 32
# The size of `_id` follows the size of the document, its type and its name.
_ID_AT: Final = _SIZE.size + len(b"\x03_id\x00")


Fields = Mapping[str, Any]


class ChainHead(NamedTuple):
    """The hash and the time of the newest document; None if the log is empty."""

    hash: bytes | None
    at: datetime | None


class Link(NamedTuple):
    """The hashes of a stored document."""

    prev: bytes
    hash: bytes
    #: Whether `hash` is the hash of the document's bytes.
    is_valid: bool


def log_documents(
    store: str,
    events: Sequence[Mapping[str, Any]],
    requests: Sequence[Mapping[str, Any]],
    at: datetime,
    head: ChainHead,
) -> tuple[list[RawBSONDocument], ChainHead]:
    """Return new events in the form to store, and the new head of the chain.

    :param events: in the order of `seq`, without gaps.
    :param requests: the keys of the commands that wrote them, see `StoredRequest`.
    """
    documents = []
    for batch in _batches(events):
        last = batch[-1]["seq"]
        # A key whose answer is no event goes into the last document.
        own = [each for each in requests if batch[0]["seq"] <= each.get("event", events[-1]["seq"]) <= last]
        outside = encode({"_id": {"store": store, "last": last}, **({"requests": own} if own else {})})
        prev = head.hash or GENESIS
        inside = encode({"first": batch[0]["seq"], "at": at, "events": batch, "prev_at": head.at, "prev": prev})[4:-1]
        head = ChainHead(sha256(inside).digest(), at)
        # Joined from bytes: encoding the events again would double the time.
        size = _SIZE.pack(len(outside) + len(inside) + _FIELD)
        documents.append(RawBSONDocument(b"".join((size, outside[4:-1], inside, _HASH, head.hash or b"", _END))))
    return documents, head


def _batches(events: Sequence[Fields]) -> Iterator[list[RawBSONDocument]]:
    """Yield the encoded events in batches of up to `_MOST_BYTES`."""
    batch: list[RawBSONDocument] = []
    size = 0
    for event in events:
        raw = encode(event)
        size += len(raw)
        if batch and size > _MOST_BYTES:
            yield batch
            batch, size = [], len(raw)
        batch.append(RawBSONDocument(raw))
    if batch:
        yield batch


def log_filter(store: str, after: int = 0) -> Document:
    """Return a filter for the documents of a store's log that have events after a sequence number."""
    # Subdocuments sort field by field, so a part of the log is a range of `_id`. A text sorts after any number.
    return {"_id": {"$gt": {"store": store, "last": after}, "$lt": {"store": store, "last": ""}}}


def lookup_pipeline(store: str, keys: Sequence[str]) -> list[Document]:
    """Return the aggregation that finds earlier requests with some of these keys, and the events that answered them."""
    return [
        {"$match": {"_id.store": store, "requests.key": {"$in": keys}}},
        {
            "$project": {
                "at": 1,
                "requests": {"$filter": {"input": "$requests", "cond": {"$in": ["$$this.key", keys]}}},
                "events": dict.fromkeys(("seq", "type", "action", "id", "order_id", "order_number", "at", "data"), 1),
            }
        },
        {"$set": {"events": {"$filter": {"input": "$events", "cond": {"$in": ["$$this.seq", "$requests.event"]}}}}},
    ]


def known_requests(found: Iterable[Document]) -> dict[str, Document]:
    """Return the earlier requests of `lookup_pipeline`, by key: `fingerprint`, `answer` and `at`."""
    requests = {}
    for document in found:
        answers = {event["seq"]: event_data(event) for event in document["events"]}
        for request in document["requests"]:
            key = request["key"]
            requests[key] = {
                "fingerprint": request.get("fingerprint", key.rpartition(":")[2]),
                "answer": request["answer"] if "answer" in request else answers[request["event"]],
                "at": request.get("at", document["at"]),
            }
    return requests


def parse_link(raw: bytes, start: int = _SIZE.size) -> Link | None:
    """Return the link of a stored document, or None if it has no hash fields.

    :param raw: the document, which ends with them.
    :param start: the offset of the first field that is hashed.
    """
    prev_at, hash_at = len(raw) - 1 - 2 * _FIELD, len(raw) - 1 - _FIELD
    if raw[prev_at : prev_at + len(_PREV)] != _PREV or raw[hash_at : hash_at + len(_HASH)] != _HASH:
        return None
    own = raw[hash_at + len(_HASH) : -1]
    return Link(raw[prev_at + len(_PREV) : hash_at], own, sha256(raw[start:hash_at]).digest() == own)


def is_well_formed(document: Fields) -> bool:
    """Return whether a document has the fields of a group of events."""
    first, events = document.get("first"), document.get("events")
    return isinstance(first, int) and isinstance(events, list) and bool(events) and all(map(is_event, events))


def is_event(event: Any) -> bool:
    """Return whether an event has the fields that its readers need."""
    if not isinstance(event, dict):
        return False
    by = event.get("by", {"id": "", "name": ""})
    types = {"seq": int, "id": str, "data": dict, "at": datetime}
    return (
        all(isinstance(event.get(name), each) for name, each in types.items())
        and event.get("type") in COLLECTIONS_BY_TYPE
        and event.get("action") in ACTIONS
        and isinstance(by, dict)
        and {"id", "name"} <= by.keys()
        and isinstance(event.get("after", {}), dict)
        and (event["action"] != CONVERT or {"order_id", "order_number"} <= event.keys())
    )


class ChainVerifier:
    """Checks the log document by document, the oldest first.

    :param expired: only events from before this instant may be missing, by retention.
    """

    def __init__(self, expired: datetime) -> None:
        self._expired = expired
        self._last = 0
        self._link: Link | None = None
        self._at: datetime | None = None
        #: Whether the last document has the fields of a group of events, so that these can be compared.
        self.is_well_formed = True
        #: The sequence number of the oldest event.
        self.first = 0
        #: Whether no event was missing so far.
        self.is_whole = True

    def check(self, document: Mapping[str, Any], raw: bytes) -> list[str]:
        """Return the errors of the next document, as sentences.

        :param raw: the document as stored, read `WITHOUT_KEYS`.
        """
        last = document["_id"]["last"]
        before, self._last = self._last, last
        self._at = document.get("at")
        known, self._link = self._link, parse_link(raw, _ID_AT + _SIZE.unpack_from(raw, _ID_AT)[0])
        self.is_well_formed = is_well_formed(document)
        if not self.is_well_formed:
            self._link = None
            return [f"Events {before + 1} to {last} were altered: they have not the form of events."]
        first = document["first"]
        self.first = self.first or first
        found: list[str] = []
        if first > before + 1:
            self.is_whole = False
            found += self._missing(before, first, document.get("prev_at"))
        seqs = [event["seq"] for event in document["events"]]
        is_in_order = first > before and seqs == list(range(first, last + 1))
        low, high = min(first, last, *seqs), max(first, last, *seqs)
        name = f"Event {low} was" if low == high else f"Events {low} to {high} were"
        if self._link is None or not self._link.is_valid or not is_in_order:
            found.append(f"{name} altered: the hash does not match the content.")
        elif first == before + 1 and self._link.prev != (known.hash if known is not None else GENESIS):
            found.append(f"{name} altered, or those before: the hashes are not a chain.")
        return found

    def _missing(self, before: int, first: int, prev_at: datetime | None) -> Iterator[str]:
        """Yield a sentence about missing events, unless retention removed them.

        Retention removes the oldest events; these may lie in the middle if a clock was wrong.
        """
        # The earliest versions did not record the time of the event before.
        is_unknown = prev_at is None and not before
        if not is_unknown and (prev_at is None or prev_at > self._expired):
            when = "" if prev_at is None else f", the last of them of {prev_at:%Y-%m-%d %H:%M} UTC"
            yield f"Events {before + 1} to {first - 1} are missing{when}: too young for retention."

    def check_end(self, head: int, newest: ChainHead) -> Iterator[str]:
        """Yield the errors of the end of the log, as sentences. `head` and `newest` are those of the counters."""
        if self._last != head:
            self.is_whole = False
            if newest.at is not None and newest.at <= self._expired:
                return
            if self._last:
                yield f"The newest event is {self._last}, but the head of the log is {head}."
            elif newest.at is not None:
                yield f"Events 1 to {head} are missing: too young for retention."
        elif head and (self._link is None or (self._link.hash, self._at) != newest):
            yield f"Event {head} is not the one that the head of the log knows: it was altered."
