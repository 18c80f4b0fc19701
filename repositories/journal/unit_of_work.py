"""The unit of work: the state of a store as one group of commands changes it, without I/O.

In one transaction the journal reads documents, builds a `UnitOfWork`, applies each command to it, and writes the
changes. Commands need not update the rollups: these change by the difference between what the changed documents
contribute before and after.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar, cast
from zoneinfo import ZoneInfo

from schemas.core.calendar import business_date
from schemas.core.collections import DOCUMENT_KINDS, EVENT_TYPES, NO_NUMBERS
from schemas.core.documents import Document
from schemas.core.principals import SECRET_FIELDS, SERVICE_ACTOR, Actor
from schemas.journal.documents import EventDocument, StoredRequest
from schemas.journal.idempotency import RequestKey, repeated_answer
from schemas.reporting.rollups import RollupDeltas, RollupKey
from schemas.text.phones import INDIA

#: Fields that are derived from others or name the actor, so they are no change of their own in an event.
_DERIVED: Final = frozenset({"terms", "phone_e164", "numbers", "due_at", "holder", "sign_ins"})
_MASK: Final = "***"
#: Fields whose values no event contains: secrets, and large values.
_REDACTED: Final = SECRET_FIELDS | {"logo"}


@dataclass(slots=True)
class Counters:
    """The store's counters: the last number that was assigned, by kind, and the head of the event log."""

    numbers: dict[str, int] = field(default_factory=NO_NUMBERS.copy)
    head: int = 0
    #: Hash and time of the newest document of the log (see `log_documents.py`); None if it is empty.
    hash: bytes | None = None
    at: datetime | None = None

    @property
    def stored(self) -> Document:
        return {**self.numbers, "head": self.head, "hash": self.hash, "at": self.at}


D = TypeVar("D", bound=Mapping[str, Any])
#: Changed fields before and after.
Change = tuple[Document, Document]


@dataclass(slots=True)
class UnitOfWork:
    """The state of a store as one group sees and changes it."""

    store: str
    zone: ZoneInfo
    #: The instant of the group, UTC, in whole milliseconds.
    now: datetime
    counters: Counters
    #: The documents that were read, also voided ones, by (kind, id).
    documents: Mapping[tuple[str, str], Any]
    #: Earlier requests by key: `fingerprint`, `answer` and `at`.
    requests: dict[str, Document]
    #: The pending writes: documents by (kind, id), events, requests by key as the log stores them, and keys to remove
    #: with the id of their document, None for that of any document.
    changed: dict[tuple[str, str], Any] = field(default_factory=dict)
    events: list[EventDocument] = field(default_factory=list)
    stored_requests: dict[str, StoredRequest] = field(default_factory=dict)
    released_keys: dict[str, str | None] = field(default_factory=dict)
    #: Changes of documents that no event contains yet.
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    #: The actor of the command that is being applied.
    actor: Actor = SERVICE_ACTOR
    #: The region of phone numbers without a country code.
    region: str = INDIA
    #: The present instant of the database's clock and of the clock for expiry (see `Clocks`); None for `now`.
    database_time: datetime | None = None
    expiry_time: datetime | None = None
    #: Whether an owner is added, changed or deactivated: two such groups of different stores must conflict.
    changes_owners: bool = False

    @property
    def reference_time(self) -> datetime:
        """Return the instant that decides whether something has expired."""
        return self.expiry_time or self.now

    @property
    def log_time(self) -> datetime:
        """Return the instant by which the events of the group expire: that of the database's clock."""
        return self.database_time or self.reference_time

    def find(self, kind: str, document_id: str) -> Any:
        """Return the document, of its kind's type, as this group has changed it so far; None if there is none or it is
        voided."""
        key = (kind, document_id)
        document = self.changed.get(key) or self.documents.get(key)
        return None if document is None or document["voided_at"] is not None else document

    def insert(self, kind: str, document_id: str, draft: Mapping[str, Any], retry_keys: list[str]) -> Any:
        """Insert a document with the next number of its kind.

        :param retry_keys: the keys that are released when it is voided.
        """
        number = self.counters.numbers[kind] = self.counters.numbers[kind] + 1
        fields = {"number": number, **draft, "business_date": business_date(self.now, self.zone)}
        return self.add(kind, document_id, fields | {"retry_keys": retry_keys} if retry_keys else fields)

    def add(self, kind: str, document_id: str, draft: Mapping[str, Any]) -> Any:
        """Insert a document of a kind without numbers and reports."""
        document = {
            "_id": document_id,
            "store": self.store,
            **draft,
            "created_at": self.now,
            "created_by": self.actor.signature,
            "updated_at": self.now,
            "version": 1,
            "voided_at": None,
        }
        self.changed[kind, document_id] = document
        return document

    def update(self, kind: str, document: D, **changes: Any) -> D:
        """Change a document, and return it with the next version."""
        stamps = {
            # A user or device of another store belongs to this one from now on.
            "store": self.store,
            "updated_at": self.now,
            "changed_by": self.actor.signature,
            "version": document["version"] + 1,
        }
        updated = {**document, **changes, **stamps}
        self.changed[kind, document["_id"]] = updated
        self.changes[kind, document["_id"]] = _difference(document, changes)
        return cast("D", updated)

    def void(self, kind: str, document: D, reason: str | None, voided_by: str | None) -> D:
        """Void a document: it leaves all lists and reports, its number stays used, and its cart may be sold again."""
        self.release_keys(document.get("retry_keys", ()), document["_id"])
        return self.update(
            kind, document, voided_at=self.now, void_reason=reason, voided_by=voided_by or self.actor.name
        )

    def emit(
        self, kind: str, action: str, document: Mapping[str, Any], data: D, order: Mapping[str, Any] | None = None
    ) -> D:
        """Append an event to the log, with the document's changed fields before and after, and return its data.

        :param order: that of a conversion.
        """
        self.counters.head += 1
        event: EventDocument = {
            "seq": self.counters.head,
            "type": EVENT_TYPES[kind],
            "action": action,
            "id": document["_id"],
            "data": data,
            "at": self.now,
            "by": self.actor.stored,
        }
        if order is not None:
            event["order_id"], event["order_number"] = order["_id"], order["number"]
        if (kind, document["_id"]) in self.changes:
            event["before"], event["after"] = self.changes.pop((kind, document["_id"]))
        self.events.append(event)
        return data

    def _has_expired(self, key: RequestKey, known: Document) -> bool:
        return key.window is not None and bool(known["at"] + key.window <= self.reference_time)

    def cached_answer(self, keys: Iterable[RequestKey]) -> Document | None:
        """Return the stored answer to the same request; None if there is none.

        :raises KeyReused, SoldOtherwise: as `repeated_answer`.
        """
        for key in keys:
            known = self.requests.get(key.key)
            if known is None or self._has_expired(key, known):
                continue
            answer = repeated_answer(key, known)
            if answer is not None:
                return answer
        return None

    def store_answer(self, keys: Iterable[RequestKey], answer: Mapping[str, Any]) -> None:
        """Store an answer under the keys of its request. If it is the data of an event, it is stored only there."""
        seq = next((event["seq"] for event in reversed(self.events) if event["data"] is answer), None)
        for key in keys:
            if key.key in self.requests:
                # Its window has passed.
                self.released_keys[key.key] = None
            self.requests[key.key] = {"fingerprint": key.fingerprint, "answer": answer, "at": self.reference_time}
            request: StoredRequest = {"key": key.key}
            if not key.key.endswith(f":{key.fingerprint}"):
                request["fingerprint"] = key.fingerprint
            if seq is None:
                request["answer"] = answer
            else:
                request["event"] = seq
            if key.reopens:
                request["id"] = answer["_id"]
            if self.log_time != self.reference_time:
                request["at"] = self.reference_time
            self.stored_requests[key.key] = request

    def release_keys(self, keys: Iterable[str], document_id: str) -> None:
        """Delete the answers under these keys, except those of another document."""
        for key in keys:
            known = self.requests.get(key)
            if known is None or known["answer"]["_id"] == document_id:
                self.requests.pop(key, None)
                if self.stored_requests.pop(key, None) is None:
                    self.released_keys[key] = document_id

    def rollup_deltas(self) -> dict[RollupKey, dict[str, int]]:
        """Return what the group adds to each measure of each rollup row, without zeros."""
        deltas = RollupDeltas()
        for (kind, document_id), document in self.changed.items():
            if kind in DOCUMENT_KINDS:
                deltas.add(kind, self.documents.get((kind, document_id)), -1)
                deltas.add(kind, document)
        return deltas.rows()


def _difference(document: Mapping[str, Any], changes: Document) -> Change:
    """Return the changed fields before and after, with redacted values masked."""
    names = [name for name, value in changes.items() if name not in _DERIVED and document.get(name) != value]
    return _masked(document, names), _masked(changes, names)


def _masked(fields: Mapping[str, Any], names: Iterable[str]) -> Document:
    return {name: _MASK if name in _REDACTED and fields.get(name) else fields.get(name) for name in names}
