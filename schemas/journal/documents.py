"""The documents that the journal stores: groups of events with their idempotency keys, and the counters of a store."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NotRequired, TypedDict

from schemas.core.documents import ActorFields, Document


class EventDocument(TypedDict):
    seq: int
    type: str
    action: str
    id: str  # of the document
    data: Mapping[str, Any]  # the short form of the document after the change; see `stored_event`
    at: datetime
    by: NotRequired[ActorFields]  # absent in events of the earliest versions
    before: NotRequired[Document]  # the changed fields; absent for new documents, as `after`
    after: NotRequired[Document]
    order_id: NotRequired[str]  # of conversions, as `order_number`
    order_number: NotRequired[int]


class StoredRequest(TypedDict):
    key: str
    fingerprint: NotRequired[str]  # unless the key ends with it
    event: NotRequired[int]  # the sequence number of the event whose data is the answer
    answer: NotRequired[Mapping[str, Any]]  # if no event holds it
    id: NotRequired[str]  # of the document, if the key can be released
    at: NotRequired[datetime]  # if it is not the time of the group


class GroupId(TypedDict):
    store: str
    last: int  # the sequence number of the last event


class LogDocument(TypedDict):
    _id: GroupId
    requests: NotRequired[list[StoredRequest]]  # absent without keys
    first: int  # the sequence number of the first event
    at: datetime  # when it was written, by the database's clock: it expires by this
    events: list[EventDocument]
    prev_at: datetime | None  # of the group before; None if unknown
    prev: bytes  # the hash of the group before; zeros if there is none
    hash: bytes  # SHA-256 of the bytes of this document from `first` to `prev`


class StoreCounters(TypedDict):
    _id: str  # the store
    estimates: int  # the last number that was assigned, as `orders`
    orders: int
    head: int  # the newest sequence number of the log
    epoch: str  # identifies the log
    timezone: str
    log: NotRequired[int]  # absent before the log of an earlier version was converted
    hash: NotRequired[bytes | None]  # of the newest document of the log
    at: NotRequired[datetime | None]  # when that document was written
    altered: NotRequired[list[int]]  # events that the conversion found altered
    expired: NotRequired[datetime]  # older events may be gone, whatever the retention is now
    totals: NotRequired[str]  # `year`: there are yearly rollups
    customers: NotRequired[int | bool]  # the version of the rule that found the customers
    terms_rule: NotRequired[int]  # the version of the rule that made the search terms
    adopted: NotRequired[dict[str, Any]]  # by kind: the last number of an import, and the missing numbers
    demo: NotRequired[dict[str, Any]]  # the parameters of `pos demo`
    restoring: NotRequired[dict[str, Any]]  # an archive is being restored: `token`, `began`, `before`, `batches`
