"""The hash chain of the event log: `pos verify` names the first altered event."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from bson import encode

from repositories.auditing.verification import verify
from tests.support.account_commands import add_user
from tests.support.clock import Clock
from tests.support.shop import Shop, opened

Json = dict[str, Any]
Tamper = Callable[[Shop], Awaitable[Any]]


@pytest.fixture
async def tampered(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """Yield a shop with seven events."""
    async with opened(mongodb_url, store_id=f"chain-{id(request)}") as shop:
        estimate = await shop.estimate()
        await shop.convert(estimate["estimate_id"])
        for _ in range(3):
            await shop.sale()
        await add_user(shop)
        await shop.sale()
        assert await verify(shop.database, shop.store) == []
        yield shop


async def event_of(shop: Shop, seq: int) -> Json:
    event: Json | None = await shop.database.events.find_one({"store": shop.store, "seq": seq})
    assert event is not None
    return event


async def put(shop: Shop, event: Json, **changes: Any) -> None:
    await shop.database.events.replace_one({"_id": event["_id"]}, {**event, **changes})


def hash_of(event: Json) -> bytes:
    """Return the hash that an attacker would compute for an altered event."""
    content = {name: value for name, value in event.items() if name not in ("_id", "store", "hash")}
    return sha256(encode(content)[4:-1]).digest()


async def set_field(shop: Shop, seq: int, **changes: Any) -> None:
    changed = await shop.database.events.update_one({"store": shop.store, "seq": seq}, {"$set": changes})
    assert changed.modified_count == 1


async def swap(shop: Shop) -> None:
    """Swap two events."""
    one, other = await event_of(shop, 3), await event_of(shop, 4)
    for event, place in ((one, other), (other, one)):
        await put(shop, place, **{k: v for k, v in event.items() if k not in ("_id", "store", "seq")})


async def rehash(shop: Shop, seq: int) -> None:
    """Alter an event, and store the hash of its new content."""
    event = await event_of(shop, seq)
    event["by"]["name"] = "Another user"
    await put(shop, event, hash=hash_of(event))


async def put_in(shop: Shop) -> None:
    """Insert an event, and renumber all that follow."""
    for seq in range(7, 3, -1):
        await shop.database.events.update_one({"store": shop.store, "seq": seq}, {"$inc": {"seq": 1}})
    third = await event_of(shop, 3)
    del third["_id"]
    await shop.database.events.insert_one({**third, "seq": 4})
    await shop.database.counters.update_one({"_id": shop.store}, {"$set": {"head": 8}})


async def remove(shop: Shop, seq: int) -> None:
    assert (await shop.database.events.delete_one({"store": shop.store, "seq": seq})).deleted_count == 1


async def remove_newest(shop: Shop) -> None:
    await remove(shop, 7)
    await shop.database.counters.update_one({"_id": shop.store}, {"$set": {"head": 6}})


async def strip(shop: Shop, seq: int) -> None:
    await shop.database.events.update_one({"store": shop.store, "seq": seq}, {"$unset": {"prev": "", "hash": ""}})


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        pytest.param(lambda shop: set_field(shop, 3, **{"data.total": 1}), "Event 3 was altered", id="a field"),
        pytest.param(lambda shop: set_field(shop, 1, **{"by.name": "X"}), "Event 1 was altered", id="the oldest"),
        pytest.param(lambda shop: set_field(shop, 3, note="x"), "Event 3 was altered", id="a field more"),
        pytest.param(lambda shop: set_field(shop, 3, **{"data.total": 10_000.0}), "Event 3 was altered", id="a type"),
        pytest.param(lambda shop: remove(shop, 4), "Events 4 to 4 are missing", id="a missing one"),
        pytest.param(swap, "Event 3 was altered", id="two swapped"),
        pytest.param(put_in, "Event 4 was altered", id="one put in"),
        pytest.param(lambda shop: rehash(shop, 4), "Event 5 does not follow event 4", id="one rehashed"),
        pytest.param(lambda shop: rehash(shop, 7), "Event 7 is not the one that the head", id="the newest rehashed"),
        pytest.param(lambda shop: set_field(shop, 7, action="update"), "Event 7 was altered", id="the newest"),
        pytest.param(remove_newest, "Event 6 is not the one that the head", id="the newest missing"),
        pytest.param(lambda shop: strip(shop, 4), "Event 4 was altered", id="one without a hash"),
        pytest.param(lambda shop: strip(shop, 1), "Event 1 was altered", id="the oldest without a hash"),
    ],
)
async def test_the_first_altered_event_is_named(tampered: Shop, tamper: Tamper, sentence: str) -> None:
    await tamper(tampered)
    found = [line for line in await verify(tampered.database, tampered.store) if "vent" in line]
    assert found
    assert found[0].startswith(sentence), found


async def forget(shop: Shop) -> None:
    """Delete all hashes and actors, as if the log were older than the chain."""
    links = {"by": "", "prev_at": "", "prev": "", "hash": ""}
    await shop.database.events.update_many({"store": shop.store}, {"$unset": links})
    await shop.database.counters.update_one({"_id": shop.store}, {"$unset": {"hash": "", "at": ""}})
    for kind in ("orders", "estimates"):
        fields = {"created_by": "", "changed_by": ""}
        await shop.database[kind].update_many({"store": shop.store}, {"$unset": fields})


async def cut(shop: Shop, seq: int) -> None:
    """Delete the oldest events, up to this one."""
    await shop.database.events.delete_many({"store": shop.store, "seq": {"$lte": seq}})


async def strip_all(shop: Shop) -> None:
    """Delete all hashes, and change the actor of all events."""
    own = {"store": shop.store}
    await shop.database.events.update_many(own, {"$unset": {"prev": "", "hash": ""}, "$set": {"by.name": "X"}})
    await shop.database.counters.update_one({"_id": shop.store}, {"$unset": {"hash": ""}})


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        pytest.param(lambda shop: cut(shop, 7), "Events 1 to 7 are missing", id="all"),
        pytest.param(lambda shop: cut(shop, 6), "Events 1 to 6 are missing", id="all but the newest"),
        pytest.param(lambda shop: cut(shop, 3), "Events 1 to 3 are missing", id="the oldest"),
        pytest.param(strip_all, "Event 1 was altered or inserted: it has no hash", id="all hashes"),
    ],
)
async def test_missing_events_that_retention_would_not_delete_are_found(
    tampered: Shop, tamper: Tamper, sentence: str
) -> None:
    await tamper(tampered)
    assert (await verify(tampered.database, tampered.store))[0].startswith(sentence)


@pytest.fixture
async def old(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Shop, Clock]]:
    """Yield a shop with three sales 100 days ago, and none for a long time after."""
    clock = Clock.days_ago(100)
    async with opened(mongodb_url, store_id=f"old-{id(request)}", clock=clock) as shop:
        for _ in range(3):
            await shop.sale()
            clock.advance(minutes=1)
        yield shop, clock


async def test_the_chain_holds_after_retention(old: tuple[Shop, Clock]) -> None:
    shop, clock = old
    await cut(shop, 2)
    assert await verify(shop.database, shop.store) == []
    await cut(shop, 3)
    assert await verify(shop.database, shop.store) == []
    clock.now = datetime.now(UTC)
    for _ in range(3):
        await shop.sale()
    assert await verify(shop.database, shop.store) == []
    await set_field(shop, 4, **{"data.total": 1})
    assert (await verify(shop.database, shop.store))[0].startswith("Event 4 was altered")
    await cut(shop, 4)
    assert (await verify(shop.database, shop.store))[0].startswith("Events 1 to 4 are missing")


async def test_an_old_event_may_outlive_younger_ones(old: tuple[Shop, Clock]) -> None:
    """Write the event with a clock that is ahead."""
    shop, clock = old
    await remove(shop, 2)
    clock.now = datetime.now(UTC)
    await shop.sale()
    assert await verify(shop.database, shop.store) == []


async def test_an_earlier_shorter_retention_is_remembered(mongodb_url: str, own: Any) -> None:
    clock = Clock.days_ago(40)
    settings = {"database_name": own.name, "clock": clock}
    async with opened(mongodb_url, event_retention_days=30, **settings) as shop:
        await shop.sale()
        await shop.sale()
        clock.now = datetime.now(UTC)
        await shop.sale()
        await cut(shop, 2)
    async with opened(mongodb_url, event_retention_days=90, **settings) as shop:
        assert await verify(shop.database, shop.store) == []
        await shop.sale()
        await cut(shop, 3)
        assert (await verify(shop.database, shop.store))[0].startswith("Events 1 to 3 are missing")


async def test_an_older_log_continues_with_a_chain(mongodb_url: str, request: pytest.FixtureRequest) -> None:
    async with opened(mongodb_url, store_id=f"chain-{id(request)}") as shop:
        await shop.sale()
        await shop.sale()
        await forget(shop)
        remarks: list[str] = []
        assert await verify(shop.database, shop.store, on_note=remarks.append) == []
        assert [line.split(":")[0] for line in remarks] == ["Events up to 2 are older than the chain"]
    async with opened(mongodb_url, store_id=shop.store) as shop:
        await shop.sale()
        await shop.sale()
        third = await event_of(shop, 3)
        assert (third["prev"], list(third)[-3:]) == (bytes(32), ["prev_at", "prev", "hash"])
        assert await verify(shop.database, shop.store) == []
        await strip(shop, 4)
        assert (await verify(shop.database, shop.store))[0].startswith("Event 4 was altered")


async def test_progress_covers_every_event(tampered: Shop) -> None:
    counts: list[int] = []
    assert await verify(tampered.database, tampered.store, counts.append) == []
    assert sum(counts) == 7
