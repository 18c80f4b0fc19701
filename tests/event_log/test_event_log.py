"""Reads of the log by sequence numbers, which may lie within a group."""

import asyncio

import pytest

from repositories.event_log.event_log import EventLog
from tests.journal.test_group_commit import journal_of, sale
from tests.support.event_log import groups_of
from tests.support.shop import OpenShop, Shop

#: How many sales each group has.
GROUPS = (1, 5, 3, 1)


@pytest.fixture
async def log(shop: Shop) -> EventLog:
    """Return the log of a shop with ten events in four groups."""
    journal = journal_of(shop)
    for size in GROUPS:
        await asyncio.gather(*(journal.submit(sale()) for _ in range(size)))
    assert [len(group["events"]) for group in await groups_of(shop.database, shop.store)] == list(GROUPS)
    return EventLog(shop.database, shop.store)


async def test_events_are_read_from_any_place_up_to_any_limit(log: EventLog) -> None:
    for after in range(12):
        for limit in range(1, 12):
            expected = list(range(1, 11))[after : after + limit]
            events = await log.after(after, limit)
            assert [each.seq for each in events] == [each.event["seq"] for each in events] == expected


async def test_more_groups_than_one_round_trip_reads(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repositories.event_log.event_log._BATCH", 2)
    assert [each.seq for each in await log.after(0)] == list(range(1, 11))


async def test_an_event_is_read_without_what_only_owners_see(log: EventLog) -> None:
    first, *_ = await log.after(0, 1)
    assert list(first.event) == ["seq", "type", "action", "id", "data", "at"]


async def test_the_oldest_event_is_the_first_of_its_group(log: EventLog, shop: Shop) -> None:
    assert await log.oldest_seq() == 1
    for last, oldest in ((1, 2), (6, 7), (9, 10), (10, None)):
        await shop.expire(last)
        assert await log.oldest_seq() == oldest
        assert [each.seq for each in await log.after(0)] == list(range(last + 1, 11))


async def test_stores_do_not_read_each_others_events(open_shop: OpenShop, log: EventLog, shop: Shop) -> None:
    """Their documents are neighbours in one index."""
    other = await open_shop(store_id=f"{shop.store}-b")
    await other.sale()
    for store in (shop.store[:-1], f"{shop.store}-", f"{shop.store}a"):
        assert await EventLog(shop.database, store).after(0) == []
        assert await EventLog(shop.database, store).oldest_seq() is None
    assert len(await EventLog(shop.database, other.store).after(0)) == 1
    assert len(await log.after(0)) == 10
