"""The hash chain of the event log: `pos verify` names the first altered events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from repositories.auditing.verification import verify
from tests.journal.test_group_commit import journal_of, sale
from tests.support.account_commands import add_user
from tests.support.clock import Clock
from tests.support.event_log import events_of, group_of, groups_of, hash_of, log_by_its_clock, put
from tests.support.shop import Shop, opened

Json = dict[str, Any]
Tamper = Callable[[Shop], Awaitable[Any]]


@pytest.fixture
async def tampered(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """Yield a shop with seven events: each is a group of its own, but 3 to 5 are one group."""
    async with opened(mongodb_url, store_id=f"chain-{id(request)}") as shop:
        estimate = await shop.estimate()
        await shop.convert(estimate["estimate_id"])
        journal = journal_of(shop)
        await asyncio.gather(*(journal.submit(sale()) for _ in range(3)))
        await add_user(shop)
        await shop.ok("POST", "/api/customers/create", json={"name": "Asha"}, headers={"Idempotency-Key": "a"})
        assert [group["_id"]["last"] for group in await groups_of(shop.database, shop.store)] == [1, 2, 5, 6, 7]
        assert await verify(shop.database, shop.store) == []
        yield shop


async def set_field(shop: Shop, last: int, **changes: Any) -> None:
    """Change fields of the group that ends with an event."""
    here = {"_id": {"store": shop.store, "last": last}}
    assert (await shop.database.log.update_one(here, {"$set": changes})).modified_count == 1


async def swap_groups(shop: Shop) -> None:
    """Swap two groups, which keep their numbers."""
    one, other = await group_of(shop, 6), await group_of(shop, 7)
    await replace(shop, renumbered(one, 1), renumbered(other, -1))


async def swap_places(shop: Shop) -> None:
    """Swap two groups, with their numbers."""
    one, other = await group_of(shop, 6), await group_of(shop, 7)
    await replace(shop, {**one, "_id": other["_id"]}, {**other, "_id": one["_id"]})


async def swap_events(shop: Shop) -> None:
    """Swap two events of a group, which keep their numbers."""
    group = await group_of(shop, 5)
    one, other, last = group["events"]
    await put(shop, group, events=[{**other, "seq": 3}, {**one, "seq": 4}, last])


async def drop_event(shop: Shop) -> None:
    """Remove an event from its group."""
    group = await group_of(shop, 5)
    await put(shop, group, events=[event for event in group["events"] if event["seq"] != 4])


async def add_event(shop: Shop) -> None:
    """Add an event to a group."""
    group = await group_of(shop, 5)
    await put(shop, group, events=[*group["events"], {**group["events"][-1], "seq": 6}])


async def rehash(shop: Shop, last: int) -> None:
    """Alter an event, and store the hash of its group's new content."""
    group = await group_of(shop, last)
    group["events"][0]["by"]["name"] = "Another user"
    await put(shop, group, hash=hash_of(group))


async def put_in(shop: Shop) -> None:
    """Insert a group, and renumber all that follow."""
    groups = [renumbered(await group_of(shop, last), 3) for last in (5, 6, 7)]
    for last in (6, 7):
        await remove(shop, last)
    await replace(shop, *groups)
    await shop.database.counters.update_one({"_id": shop.store}, {"$set": {"head": 10}})


def renumbered(group: Json, by: int) -> Json:
    """Return a group with other sequence numbers."""
    events = [{**event, "seq": event["seq"] + by} for event in group["events"]]
    place = {"store": group["_id"]["store"], "last": group["_id"]["last"] + by}
    return {**group, "_id": place, "first": group["first"] + by, "events": events}


async def replace(shop: Shop, *groups: Json) -> None:
    """Insert groups instead of those with their ids."""
    await shop.database.log.delete_many({"_id": {"$in": [group["_id"] for group in groups]}})
    await shop.database.log.insert_many(groups)


async def rename(shop: Shop) -> None:
    """Give a group the id of another number, which changes nothing of what is hashed."""
    group = await group_of(shop, 5)
    await remove(shop, 5)
    await replace(shop, {**group, "_id": {"store": shop.store, "last": 4}})


async def remove(shop: Shop, last: int) -> None:
    here = {"_id": {"store": shop.store, "last": last}}
    assert (await shop.database.log.delete_one(here)).deleted_count == 1


async def remove_newest(shop: Shop) -> None:
    await remove(shop, 7)
    await shop.database.counters.update_one({"_id": shop.store}, {"$set": {"head": 6}})


async def strip(shop: Shop, last: int) -> None:
    here = {"_id": {"store": shop.store, "last": last}}
    await shop.database.log.update_one(here, {"$unset": {"prev": "", "hash": ""}})


async def strip_all(shop: Shop) -> None:
    """Delete all hashes, and change the actor of all events."""
    gone = {"$unset": {"prev": "", "hash": ""}, "$set": {"events.$[].by.name": "X"}}
    await shop.database.log.update_many({"_id.store": shop.store}, gone)
    await shop.database.counters.update_one({"_id": shop.store}, {"$unset": {"hash": ""}})


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tamper", "sentence"),
    [
        pytest.param(
            lambda shop: set_field(shop, 5, **{"events.1.data.total": 1}), "Events 3 to 5 were altered", id="a field"
        ),
        pytest.param(
            lambda shop: set_field(shop, 1, **{"events.0.by.name": "X"}), "Event 1 was altered", id="the oldest"
        ),
        pytest.param(
            lambda shop: set_field(shop, 5, **{"events.0.note": "x"}), "Events 3 to 5 were altered", id="a field more"
        ),
        pytest.param(lambda shop: set_field(shop, 5, note="x"), "Events 3 to 5 were altered", id="a field of a group"),
        pytest.param(
            lambda shop: set_field(shop, 5, **{"events.0.data.total": 10_000.0}),
            "Events 3 to 5 were altered",
            id="a type",
        ),
        pytest.param(lambda shop: set_field(shop, 5, first=4), "Events 3 to 3 are missing", id="the first number"),
        pytest.param(lambda shop: set_field(shop, 5, first=2), "Events 2 to 5 were altered", id="a lower first number"),
        pytest.param(lambda shop: set_field(shop, 5, at=LONG_AGO), "Events 3 to 5 were altered", id="the time"),
        pytest.param(
            lambda shop: set_field(shop, 5, prev_at=LONG_AGO), "Events 3 to 5 were altered", id="the time before"
        ),
        pytest.param(lambda shop: set_field(shop, 5, events=[]), "Events 3 to 5 were altered", id="no events"),
        pytest.param(drop_event, "Events 3 to 5 were altered", id="an event missing in its group"),
        pytest.param(add_event, "Events 3 to 6 were altered", id="an event more in its group"),
        pytest.param(swap_events, "Events 3 to 5 were altered", id="two events swapped"),
        pytest.param(lambda shop: remove(shop, 5), "Events 3 to 5 are missing", id="a missing group"),
        pytest.param(lambda shop: remove(shop, 6), "Events 6 to 6 are missing", id="a missing event"),
        pytest.param(swap_groups, "Event 6 was altered", id="two groups swapped"),
        pytest.param(swap_places, "Events 6 to 6 are missing", id="two groups swapped with their numbers"),
        pytest.param(put_in, "Events 6 to 8 were altered", id="a group put in"),
        pytest.param(rename, "Events 3 to 5 were altered", id="another id"),
        pytest.param(lambda shop: rehash(shop, 5), "Event 6 was altered, or those before", id="a group rehashed"),
        pytest.param(lambda shop: rehash(shop, 7), "Event 7 is not the one that the head", id="the newest rehashed"),
        pytest.param(
            lambda shop: set_field(shop, 7, **{"events.0.action": "update"}), "Event 7 was altered", id="the newest"
        ),
        pytest.param(remove_newest, "Event 6 is not the one that the head", id="the newest missing"),
        pytest.param(
            lambda shop: remove(shop, 7), "The newest event is 6, but the head of the log", id="short of the head"
        ),
        pytest.param(lambda shop: strip(shop, 5), "Events 3 to 5 were altered", id="one without a hash"),
        pytest.param(lambda shop: strip(shop, 1), "Event 1 was altered", id="the oldest without a hash"),
        pytest.param(strip_all, "Event 1 was altered", id="all without a hash"),
    ],
)
async def test_the_first_altered_events_are_named(tampered: Shop, tamper: Tamper, sentence: str) -> None:
    await tamper(tampered)
    found = [line for line in await verify(tampered.database, tampered.store) if "vent" in line]
    assert found
    assert found[0].startswith(sentence), found


async def test_idempotency_keys_are_not_part_of_what_is_hashed(tampered: Shop) -> None:
    """They are removed when they are used again."""
    group = await group_of(tampered, 7)
    assert [each["key"] for each in group["requests"]] == ["header:a"]
    here = {"_id": group["_id"]}
    changes: list[Json] = [{"$push": {"requests": {"key": "b"}}}, {"$set": {"requests": []}}]
    for change in (*changes, {"$unset": {"requests": ""}}):
        await tampered.database.log.update_one(here, change)
        assert await verify(tampered.database, tampered.store) == []


@pytest.mark.parametrize(("last", "missing"), [(7, "1 to 7"), (6, "1 to 6"), (2, "1 to 2")])
async def test_missing_events_that_retention_would_not_delete_are_found(
    tampered: Shop, last: int, missing: str
) -> None:
    await cut(tampered, last)
    assert (await verify(tampered.database, tampered.store))[0].startswith(f"Events {missing} are missing")


async def cut(shop: Shop, last: int) -> None:
    """Delete the oldest groups, up to one."""
    for group in await groups_of(shop.database, shop.store):
        if group["_id"]["last"] <= last:
            await shop.database.log.delete_one({"_id": group["_id"]})


@pytest.fixture
async def old(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Shop, Clock]]:
    """Yield a shop with three sales 100 days ago, and none for a long time after."""
    clock = Clock.days_ago(100)
    async with opened(mongodb_url, store_id=f"old-{id(request)}", clock=clock) as shop:
        log_by_its_clock(shop)
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
    await set_field(shop, 4, **{"events.0.data.total": 1})
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
        log_by_its_clock(shop)
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


async def test_events_expire_by_the_databases_clock_whatever_their_own_time_is(
    mongodb_url: str, request: pytest.FixtureRequest
) -> None:
    """With a machine's clock in the past, recent events are not taken for expired ones."""
    async with opened(mongodb_url, store_id=f"slow-{id(request)}", clock=Clock.days_ago(400)) as shop:
        await shop.sale()
        await shop.sale()
        assert datetime.now(UTC) - (await group_of(shop, 1))["at"] < timedelta(minutes=5)
        assert datetime.now(UTC) - (await events_of(shop))[0]["at"] > timedelta(days=399)
        await cut(shop, 1)
        assert (await verify(shop.database, shop.store))[0].startswith("Events 1 to 1 are missing")


async def test_progress_covers_every_event(tampered: Shop) -> None:
    counts: list[int] = []
    assert await verify(tampered.database, tampered.store, counts.append) == []
    assert sum(counts) == 7
