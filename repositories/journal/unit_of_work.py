"""What one group of commands makes of what it read: pure bookkeeping, no I/O.

The journal reads, builds a `UnitOfWork`, lets each command work on it in turn, and writes what came out, all in one
transaction. Rollup increments are not anybody's duty to remember: they are the difference between what the changed
documents contributed before and after.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from schemas.core.calendar import business_date
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.core.documents import Document
from schemas.core.principals import SECRETS, THE_SERVICE, Actor
from schemas.journal.events import TYPES, digest
from schemas.journal.idempotency import RequestKey, repeated
from schemas.reporting.rollups import RollupDeltas, RollupKey
from schemas.text.phones import INDIA

#: Fields that follow from others, or say who is at work, and are no change of their own.
_DERIVED: Final = frozenset({"terms", "phone_e164", "numbers", "due_at", "holder", "sign_ins"})
_HIDDEN: Final = "***"
#: Fields of which an event says only that they are others: secrets, and what is large.
_UNTOLD: Final = SECRETS | {"logo"}


@dataclass(slots=True)
class Counters:
    """The store's counter document: the last numbers that were given, and the head of its event log.

    hash, at: of the event at the head; None where that has none (see `chain.py`).
    """

    estimates: int
    orders: int
    head: int
    hash: bytes | None = None
    at: datetime | None = None

    @property
    def stored(self) -> Document:
        """As the counter document has them."""
        return {ESTIMATES: self.estimates, ORDERS: self.orders, "head": self.head, "hash": self.hash, "at": self.at}


#: Some fields as they were, and as they are.
Change = tuple[Document, Document]


@dataclass(slots=True)
class UnitOfWork:
    """The state of a store as one group sees and changes it.

    now: the instant of the group, UTC, whole milliseconds. documents: what was read, voided ones too, by (kind, id).
    requests: remembered answers by key. changed, events, remembered, forgotten (key -> document): what
    is to be written.
    """

    store: str
    zone: ZoneInfo
    now: datetime
    counters: Counters
    documents: Mapping[tuple[str, str], Document]
    requests: dict[str, Document]
    changed: dict[tuple[str, str], Document] = field(default_factory=dict)
    events: list[Document] = field(default_factory=list)
    stored_answers: dict[str, Document] = field(default_factory=dict)
    released_keys: dict[str, str] = field(default_factory=dict)
    #: What a document was changed from and to, until an event tells of it.
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)
    #: Who does what is being applied.
    actor: Actor = THE_SERVICE
    #: Of phone numbers without a country code.
    region: str = INDIA
    #: The database's present instant, by which answers are kept, and the one by which windows and leases are judged:
    #: the same, but where a test brings a clock.
    database_time: datetime | None = None
    expiry_time: datetime | None = None
    #: Whether an owner is made, changed or ended: two such groups at once, of two stores, must not miss each other.
    changes_owners: bool = False

    @property
    def reference_time(self) -> datetime:
        """The instant by which what lasts for a time is judged."""
        return self.expiry_time or self.now

    def find(self, kind: str, document_id: str) -> Document | None:
        """The document as this group has left it so far, unless it is voided."""
        key = (kind, document_id)
        document = self.changed.get(key) or self.documents.get(key)
        return None if document is None or document["voided_at"] is not None else document

    def insert(self, kind: str, document_id: str, draft: Document) -> Document:
        """Add a document with the next number of its kind."""
        number = getattr(self.counters, kind) + 1
        setattr(self.counters, kind, number)
        return self.add(
            kind, document_id, {"number": number, **draft, "business_date": business_date(self.now, self.zone)}
        )

    def add(self, kind: str, document_id: str, draft: Document) -> Document:
        """Add a document of a kind that is neither numbered nor counted in any report."""
        actor = self.actor.signature
        document = {
            "_id": document_id,
            "store": self.store,
            **draft,
            "created_at": self.now,
            "created_by": actor,
            "updated_at": self.now,
            "changed_by": actor,
            "version": 1,
            "voided_at": None,
        }
        self.changed[kind, document_id] = document
        return document

    def update(self, kind: str, document: Document, **changes: Any) -> Document:
        """Change a document, and return it with the next version."""
        stamps = {
            # Who came here from another store is kept by this one from now on.
            "store": self.store,
            "updated_at": self.now,
            "changed_by": self.actor.signature,
            "version": document["version"] + 1,
        }
        updated = {**document, **changes, **stamps}
        self.changed[kind, document["_id"]] = updated
        self.changes[kind, document["_id"]] = _difference(document, changes)
        return updated

    def void(self, kind: str, document: Document, reason: str | None, voided_by: str | None) -> Document:
        """Take a document out of every list and report; its number stays used, and its cart may be sold again."""
        self.release_keys(document["retry_keys"], document["_id"])
        return self.update(
            kind, document, voided_at=self.now, void_reason=reason, voided_by=voided_by or self.actor.name
        )

    def emit(
        self, kind: str, action: str, document: Document, data: Document | None = None, **members: Any
    ) -> Document:
        """Append an event to the log, and return its data. It says what a changed document was changed from and to."""
        self.counters.head += 1
        data = digest(kind, document) if data is None else data
        change = self.changes.pop((kind, document["_id"]), None)
        self.events.append(
            {
                "store": self.store,
                "seq": self.counters.head,
                "type": TYPES[kind],
                "action": action,
                "id": document["_id"],
                "data": data,
                "at": self.now,
                **members,
                **({} if change is None else {"before": change[0], "after": change[1]}),
                "by": self.actor.stored,
            }
        )
        return data

    def _is_over(self, key: RequestKey, known: Document) -> bool:
        made_at: datetime = known.get("made_at") or known["at"]
        return key.window is not None and made_at + key.window <= self.reference_time

    def cached_answer(self, keys: Iterable[RequestKey]) -> Document | None:
        """Return the answer that was given to the same request before, if there is one.

        :raises KeyReused, SoldOtherwise: as `schemas.idempotency.repeated`.
        """
        for key in keys:
            known = self.requests.get(key.key) or self.requests.get(key.earlier or "")
            if known is None or self._is_over(key, known):
                continue
            answer = repeated(key, known)
            if answer is not None:
                return answer
        return None

    def store_answer(self, keys: Iterable[RequestKey], answer: Document) -> None:
        """Keeps an answer for the next time that the same request comes."""
        for key in keys:
            request = {
                "store": self.store,
                "key": key.key,
                "fingerprint": key.fingerprint,
                "answer": answer,
                # By the database's clock, which decides when it is taken away.
                "at": self.database_time or self.reference_time,
            }
            if request["at"] != self.reference_time:
                request["made_at"] = self.reference_time
            self.requests[key.key] = self.stored_answers[key.key] = request
            self.released_keys.pop(key.key, None)

    def release_keys(self, keys: Iterable[str], document_id: str) -> None:
        """Frees keys, but for those that have come to stand for another document since."""
        for key in keys:
            known = self.requests.get(key)
            if known is None or known["answer"]["_id"] == document_id:
                self.requests.pop(key, None)
                self.stored_answers.pop(key, None)
                self.released_keys[key] = document_id

    def increments(self) -> dict[RollupKey, dict[str, int]]:
        """What the group adds to each rollup row, measure by measure; zeros left out."""
        additions = RollupDeltas()
        for (kind, document_id), document in self.changed.items():
            if kind in (ESTIMATES, ORDERS):
                additions.add(kind, self.documents.get((kind, document_id)), -1)
                additions.add(kind, document)
        return additions.rows()


def _difference(document: Document, changes: Document) -> Change:
    """The fields that these changes make others of. Of those that are not told, only that."""
    names = [name for name, value in changes.items() if name not in _DERIVED and document.get(name) != value]
    return _shown(document, names), _shown(changes, names)


def _shown(fields: Document, names: Iterable[str]) -> Document:
    return {name: _HIDDEN if name in _UNTOLD and fields.get(name) else fields.get(name) for name in names}
