"""What the journal stores: events, and the counters of a store."""

from datetime import datetime
from typing import Any, NotRequired, TypedDict

from schemas.core.documents import ActorFields, Document


class Event(TypedDict):
    seq: int
    type: str
    action: str
    id: str  # of the document
    data: Document  # the short form of the document after the change
    at: datetime
    by: NotRequired[ActorFields]  # absent in events that are older than the hash chain
    before: NotRequired[Document]  # the changed fields; absent for new documents, as `after`
    after: NotRequired[Document]
    order_id: NotRequired[str]  # of conversions, as `order_number`
    order_number: NotRequired[int]


class StoreCounters(TypedDict):
    _id: str  # the store
    estimates: int  # the last number that was assigned, as `orders`
    orders: int
    head: int  # the newest sequence number of the log
    epoch: str  # identifies the log
    timezone: str
    hash: NotRequired[bytes | None]  # of the head of the log
    at: NotRequired[datetime | None]  # when the head of the log was written
    expired: NotRequired[datetime]  # older events may be gone, whatever the retention is now
    totals: NotRequired[str]  # `year`: there are yearly rollups
    customers: NotRequired[int | bool]  # the version of the rule that found the customers
    terms_rule: NotRequired[int]  # the version of the rule that made the search terms
    adopted: NotRequired[dict[str, Any]]  # by kind: the last number of an import, and the missing numbers
    demo: NotRequired[dict[str, Any]]  # the parameters of `pos demo`
    restoring: NotRequired[dict[str, Any]]  # an archive is being restored: `token`, `began`, `before`, `batches`
