"""The registry of collections: the name of each, and the properties from which other modules derive their lists.

A new collection gets a row in `REGISTRY`; CONTRIBUTING.md says what else it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

IMPORTS: Final = "adoption"
ATTEMPTS: Final = "attempts"
COUNTERS: Final = "counters"
CREDENTIALS: Final = "credentials"
CUSTOMERS: Final = "customers"
DEVICES: Final = "devices"
ESTIMATES: Final = "estimates"
FACTS: Final = "facts"
LINKS: Final = "links"
LINK_VIEWS: Final = "link_views"
LOG: Final = "log"
MESSAGES: Final = "messages"
ORDERS: Final = "orders"
ORIGINALS: Final = "adopted"
RATE_COUNTS: Final = "rate_limits"
RATE_WINDOWS: Final = "rate_windows"
SETTINGS: Final = "settings"
TOTALS: Final = "totals"
UPLOADS: Final = "uploads"
USERS: Final = "users"
#: Events and idempotency keys of versions before the log.
EVENTS: Final = "events"
REQUESTS: Final = "requests"

#: Who receives the events of a collection: each client that follows the log; clients that name the topic, since the app
#: reloads its screens at each event that it does not know; only owners, who read all events in the audit log.
CLIENTS, SUBSCRIBERS, OWNERS = "clients", "subscribers", "owners"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """The properties of a collection.

    :ivar event: the type of the events that record its changes; None: they are not recorded.
    :ivar readers: who receives these events.
    :ivar prefix: the beginning of its public ids.
    :ivar id_members: the types of the members of an `_id` that is an object, beside `store`.
    :ivar key: the unique, indexed field that orders the documents of a store.
    :ivar store_in: the fields that name the store: `store`, `_id`, `_id.store`; queries use the first. Empty: the
        documents belong to the whole database.
    :ivar owner: another field that names a store.
    :ivar required: other fields that all documents have: a document without them was written by another program.
    :ivar is_compared: whether `pos verify` compares the documents with their events.
    :ivar is_log: its documents expire; without `id_members`, their `_id` is generated and means nothing.
    :ivar is_archived: whether archives contain it.
    """

    event: str | None = None
    readers: str = OWNERS
    prefix: str = ""
    id_members: Mapping[str, type] = field(default_factory=dict)
    key: str = "_id"
    store_in: tuple[str, ...] = ("store",)
    owner: str | None = None
    required: tuple[str, ...] = ()
    is_compared: bool = False
    is_log: bool = False
    is_archived: bool = True


#: All collections, in the order of an archive. Credentials are in none: it may be older than the theft of a tablet,
#: whose key would be valid again. So after a restore, each user and device must sign in again.
REGISTRY: Final = {
    ESTIMATES: Collection(event="estimate", readers=CLIENTS, prefix="EST-", key="number", is_compared=True),
    ORDERS: Collection(event="order", readers=CLIENTS, prefix="ORDER-", key="number", is_compared=True),
    CUSTOMERS: Collection(event="customer", prefix="CUST-", required=("terms", "version")),
    SETTINGS: Collection(event="settings", store_in=("_id", "store"), required=("version",)),
    USERS: Collection(event="user", prefix="USER-", owner="belongs_to", required=("login", "role"), is_compared=True),
    DEVICES: Collection(event="device", prefix="DEVICE-", owner="belongs_to", required=("name",), is_compared=True),
    LINKS: Collection(event="link", prefix="LINK-", required=("token", "document_id")),
    MESSAGES: Collection(event="message", readers=SUBSCRIBERS, prefix="MSG-", owner="outbox", required=("state",)),
    LOG: Collection(id_members={"last": int}, store_in=("_id.store",), required=("events",), is_log=True),
    TOTALS: Collection(
        id_members=dict.fromkeys(("span", "period", "staff", "mode"), str),
        store_in=("_id.store",),
    ),
    ORIGINALS: Collection(id_members={"kind": str, "id": str}, store_in=("_id.store", "store")),
    COUNTERS: Collection(store_in=("_id",), required=("head",)),
    IMPORTS: Collection(store_in=("_id",), required=("step",), is_archived=False),
    ATTEMPTS: Collection(store_in=(), required=("expires_at",), is_archived=False),
    CREDENTIALS: Collection(store_in=(), required=("owner",), is_archived=False),
    FACTS: Collection(store_in=(), is_archived=False),
    LINK_VIEWS: Collection(required=("views",), is_archived=False),
    RATE_COUNTS: Collection(store_in=(), required=("expireAt",), is_archived=False),
    RATE_WINDOWS: Collection(store_in=(), is_archived=False),
    UPLOADS: Collection(required=("expires_at",), is_archived=False),
}

#: Collections of versions before the log: `pos migrate` converts them, and archives of version 1 contain them.
EARLIER: Final = {EVENTS: Collection(is_log=True), REQUESTS: Collection(is_log=True)}

#: Documents in the sense of the glossary: each has a number of its kind, and counts in the rollups and for a customer.
DOCUMENT_KINDS: Final = tuple(name for name, each in REGISTRY.items() if each.key == "number")
#: The numbers of a store without documents.
NO_NUMBERS: Final = dict.fromkeys(DOCUMENT_KINDS, 0)
#: Users and devices, which all stores share.
ACCOUNT_KINDS: Final = tuple(name for name, each in REGISTRY.items() if each.owner == "belongs_to")
COMPARED_KINDS: Final = tuple(name for name, each in REGISTRY.items() if each.is_compared)
#: The collections that the earlier backend has as well.
LEGACY_KINDS: Final = (ESTIMATES, ORDERS)
#: The types of events, by collection.
EVENT_TYPES: Final = {name: each.event for name, each in REGISTRY.items() if each.event is not None}
#: The topics of events, and those of them that a client receives without naming them.
TOPICS: Final = tuple(name for name in EVENT_TYPES if REGISTRY[name].readers != OWNERS)
DEFAULT_TOPICS: Final = tuple(name for name in TOPICS if REGISTRY[name].readers == CLIENTS)
#: The collections of an archive, in its order; and those of them that hold the documents of a store.
ARCHIVED: Final = tuple(name for name, each in REGISTRY.items() if each.is_archived)
STORE_CONTENTS: Final = tuple(name for name in ARCHIVED if name != COUNTERS)
