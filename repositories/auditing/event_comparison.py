"""The comparison of documents with the event log.

An event has the short form of the document after the change (of a user or a device: all but the secrets), the changed
fields, the time and the actor. So each document is compared with the event that created it and with the event that
changed it last. Fields that no event contains are not compared, such as the lines of a bill that was never changed.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from repositories.database.client import Database
from repositories.event_log.log_documents import log_filter
from schemas.core.collections import ACCOUNT_KINDS, COMPARED_KINDS, ESTIMATES, LOG, ORDERS
from schemas.core.documents import Document
from schemas.core.principals import SECRET_FIELDS, public_fields
from schemas.journal.events import COLLECTIONS_BY_TYPE, CONVERT, CREATE, DELETE, event_data
from schemas.sales.statuses import CONVERTED, PENDING

#: The fields that events of estimates and orders contain, beside the changed ones.
_FIELDS: Final = dict.fromkeys(
    (
        *("store", "number", "customer_name", "sale_by", "total", "version", "converted", "status", "amount_paid"),
        *("payment_mode", "order_id", "order_number", "estimate_id", "estimate_number"),
        *("created_at", "created_by", "updated_at", "changed_by", "voided_at"),
    ),
    1,
)
#: The fields that identify the document and the change of an event.
_PLACE: Final = {
    f"events.{name}": 1 for name in ("type", "action", "id", "order_id", "order_number", "at", "data.version")
}
# The whole log is read for each batch.
_BATCH: Final = 20_000
_ABSENT: Final = object()

Documents = Mapping[tuple[str, str], Document]


class _Statement(NamedTuple):
    """An event, with one of the documents that it describes."""

    kind: str
    id: str
    #: The document's version after the event, None if the event does not contain it.
    version: int | None
    event: Document


class Comparison:
    """The comparison of one store's documents with its events, which are passed oldest first."""

    def __init__(self, database: Database, store: str, expired: datetime) -> None:
        self._database = database
        self._store = store
        self._expired = expired
        #: By kind, the documents whose newest event was found, and those among them that changed after `expired`.
        self._all: Counter[str] = Counter()
        self._recent: Counter[str] = Counter()

    async def differences(self, events: Sequence[Document]) -> list[str]:
        """Return the differences between the next events and their documents, one sentence each."""
        stated = [each for event in events for each in _statements(event) if each.kind in COMPARED_KINDS]
        documents = await self._documents(stated)
        return [line for each in stated for line in self._compare(each, documents.get((each.kind, each.id)))]

    async def missing_events(self, *, is_whole: bool) -> AsyncIterator[str]:
        """Yield a sentence for each document whose newest change has no event.

        :param is_whole: whether the log has its first event; otherwise only recent documents are checked.
        """
        found = self._all if is_whole else self._recent
        for kind in COMPARED_KINDS:
            criteria: Document = {"store": self._store}
            if kind not in ACCOUNT_KINDS:
                # Documents imported from the earlier backend have no events.
                criteria["created_by"] = {"$exists": True}
            if not is_whole:
                criteria["updated_at"] = {"$gt": self._expired}
            if await self._database[kind].count_documents(criteria) != found[kind]:
                async for line in self._changes_without_event(kind, criteria):
                    yield line

    async def _documents(self, stated: Sequence[_Statement]) -> Documents:
        wanted: dict[str, set[str]] = defaultdict(set)
        for each in stated:
            wanted[each.kind].add(each.id)
        changed = {name for each in stated for name in each.event.get("after", ())}
        found: dict[tuple[str, str], Document] = {}
        for kind, ids in wanted.items():
            fields = None if kind in ACCOUNT_KINDS else _FIELDS | dict.fromkeys(changed, 1)
            cursor = self._database[kind].find({"_id": {"$in": list(ids)}}, fields, batch_size=len(ids) + 1)
            found.update({(kind, document["_id"]): document for document in await cursor.to_list(None)})
        return found

    def _compare(self, stated: _Statement, document: Document | None) -> Iterator[str]:
        seq = stated.event["seq"]
        if document is None:
            yield f"Event {seq} names {stated.id}, which is not in {stated.kind}."
            return
        if document.get("store") != self._store:
            # The account belongs to another store now, whose log has its later events.
            return
        different = set(_creation_differences(stated, document))
        if stated.version is not None and stated.version > document.get("version", 0):
            different.add("version")
        elif _is_newest(stated, document):
            different.update(_state_differences(stated, document))
            self._count(stated.kind, document)
        if different:
            yield f"{stated.id} in {stated.kind} is not as event {seq} left it: {', '.join(sorted(different))}."

    def _count(self, kind: str, document: Document) -> None:
        if kind in ACCOUNT_KINDS or "created_by" in document:
            self._all[kind] += 1
            updated_at = document.get("updated_at")
            self._recent[kind] += isinstance(updated_at, datetime) and updated_at > self._expired

    async def _changes_without_event(self, kind: str, criteria: Document) -> AsyncIterator[str]:
        """Yield a sentence for each matching document without an event of its last change, found by the time of it."""
        log = self._database[LOG]
        cursor = self._database[kind].find(criteria, {"updated_at": 1, "version": 1}, batch_size=_BATCH)
        while batch := await cursor.to_list(_BATCH):
            moments = list({document.get("updated_at") for document in batch})
            found: set[tuple[str, datetime, int | None]] = set()
            async for group in log.find({**log_filter(self._store), "events.at": {"$in": moments}}, _PLACE):
                for event in group["events"]:
                    found.update((each.id, event["at"], each.version) for each in _statements(event))
            for document in batch:
                place = (document["_id"], document.get("updated_at"))
                if not found.intersection({(*place, document.get("version")), (*place, None)}):
                    yield f"No event has the newest change of {document['_id']} in {kind}."


def _statements(event: Document) -> Iterator[_Statement]:
    kind = COLLECTIONS_BY_TYPE[event["type"]]
    if kind not in COMPARED_KINDS:
        return
    if event["action"] == CONVERT:
        yield _Statement(kind, event["id"], None, event)
        yield _Statement(ORDERS, event["order_id"], event_data(event).get("version"), event)
    else:
        yield _Statement(kind, event["id"], event_data(event).get("version"), event)


def _is_newest(stated: _Statement, document: Document) -> bool:
    if stated.version is not None:
        return stated.version == document.get("version")
    # The event of a conversion has the version of the new order, not of the estimate.
    return bool(document.get("converted") and document.get("order_id") == stated.event["order_id"]) and (
        document.get("voided_at") is None
    )


def _creation_differences(stated: _Statement, document: Document) -> Iterator[str]:
    """Yield the fields of a document that differ from the event that created it."""
    event = stated.event
    if event["action"] != CREATE and (event["action"] != CONVERT or stated.version is None):
        return
    yield from _differing_fields(
        {name: value for name, value in event_data(event).items() if name in ("_id", "number")}, document
    )
    yield from _differing_fields({"created_at": event["at"]}, document)
    if "by" in event:
        yield from _differing_fields({"created_by": _signature(event)}, document)


def _state_differences(stated: _Statement, document: Document) -> Iterator[str]:
    """Yield the fields of a document that differ from its newest event."""
    event, data = stated.event, event_data(stated.event)
    if stated.version is None:
        # The event describes the order; these fields of the estimate are the same.
        data = {"number": data["estimate_number"], "customer_name": data["customer_name"], "total": data["total"]}
    comparable = _without_store if stated.kind in ACCOUNT_KINDS else dict
    yield from _differing_fields(comparable(data), comparable(_event_form(stated.kind, document)))
    if stated.version is None or event["action"] != CONVERT:
        after = {name: value for name, value in event.get("after", {}).items() if name not in SECRET_FIELDS}
        yield from _differing_fields(comparable(after), comparable(document))
    yield from _differing_fields({"updated_at": event["at"]}, document)
    if "by" in event and (document.get("version") != 1 or "changed_by" in document):
        yield from _differing_fields({"changed_by": _signature(event)}, document)
    if (document.get("voided_at") is not None) != (event["action"] == DELETE):
        yield "voided_at"


def _event_form(kind: str, document: Document) -> Document:
    if kind == ESTIMATES:
        return {**document, "status": CONVERTED if document.get("converted") else PENDING}
    return public_fields(document) if kind in ACCOUNT_KINDS else document


def _without_store(account: Mapping[str, Any]) -> Document:
    """Return an account without its store: only whether it belongs to all. A restored store may have another name."""
    return {
        name: value is None if name == "belongs_to" else value for name, value in account.items() if name != "store"
    }


def _differing_fields(stated: Mapping[str, Any], document: Document) -> Iterator[str]:
    return (name for name, value in stated.items() if document.get(name, _ABSENT) != value)


def _signature(event: Document) -> Document:
    return {"id": event["by"]["id"], "name": event["by"]["name"]}
