"""The stored log of a shop, as tests read it and tamper with it."""

from hashlib import sha256
from typing import Any

from bson import encode

from repositories.database.client import Database
from repositories.event_log.log_documents import log_filter
from tests.support.shop import Shop

Json = dict[str, Any]


async def groups_of(database: Database, store: str) -> list[Json]:
    """Return the documents of a store's log, the oldest first."""
    found: list[Json] = await database.log.find(log_filter(store)).sort("_id", 1).to_list(None)
    return found


async def events_of(shop: Shop) -> list[Json]:
    """Return all events of a shop, the oldest first."""
    return [event for group in await groups_of(shop.database, shop.store) for event in group["events"]]


async def keys_of(database: Database, store: str) -> list[Json]:
    """Return the stored idempotency keys of a store, the oldest first."""
    return [key for group in await groups_of(database, store) for key in group.get("requests", ())]


async def group_of(shop: Shop, last: int) -> Json:
    """Return the document of the log that ends with an event."""
    group: Json | None = await shop.database.log.find_one({"_id": {"store": shop.store, "last": last}})
    assert group is not None
    return group


async def put(shop: Shop, group: Json, **changes: Any) -> None:
    """Replace a document of the log."""
    await shop.database.log.replace_one({"_id": group["_id"]}, {**group, **changes})


def hash_of(group: Json) -> bytes:
    """Return the hash of a document of the log."""
    content = {name: value for name, value in group.items() if name not in ("_id", "requests", "hash")}
    return sha256(encode(content)[4:-1]).digest()


def log_by_its_clock(shop: Shop) -> None:
    """Have a shop's documents of the log dated by its own clock, which stands for that of the database."""
    shop.state["stores"].home.journal._journal._transaction._clocks = None
