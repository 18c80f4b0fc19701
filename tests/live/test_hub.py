"""The hub: events arrive in any order and are delivered once and in order; its memory; several processes."""

import asyncio
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from endpoints.live.hub import REPLAY_LIMIT, Hub
from endpoints.live.subscriptions import AHEAD, EXPIRED, OTHER_LOG, TOO_FAR, Subscription
from repositories.event_log.event_log import Head, StoredEvent
from schemas.live.protocol import LogPosition
from tests.support.payloads import an_event
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]
KOLKATA = ZoneInfo("Asia/Kolkata")


class Log:
    """An event log in memory without notifications: the hub reads it when it notices a gap."""

    def __init__(self, head: int = 0) -> None:
        self.epoch = "e1"
        self.events: list[Json] = [an_event(seq) for seq in range(1, head + 1)]
        self.reads = 0

    async def head(self) -> Head:
        return Head(self.epoch, self.events[-1]["seq"] if self.events else 0)

    async def oldest_seq(self) -> int | None:
        return self.events[0]["seq"] if self.events else None

    async def after(self, seq: int, limit: int = 1_000) -> list[StoredEvent]:
        self.reads += 1
        return [StoredEvent(event["seq"], event, 300) for event in self.events if event["seq"] > seq][:limit]

    async def notifications(self) -> Any:
        await asyncio.Event().wait()
        yield 0


def hub_of(log: Any, **options: Any) -> Hub:
    return Hub(log, KOLKATA, **options)


def reader(hub: Hub, cursor: int | None = None) -> tuple[Subscription, asyncio.Event]:
    """Return a subscription, and the event that is set when there is something to read."""
    wakeup = asyncio.Event()
    subscription = hub.subscribe(wakeup.set)
    subscription.cursor = hub.head if cursor is None else cursor
    return subscription, wakeup


async def take(hub: Hub, subscription: Subscription, wakeup: asyncio.Event, count: int) -> list[int]:
    """Return the sequence numbers of the next `count` events."""
    seqs: list[int] = []
    async with asyncio.timeout(30):
        while len(seqs) < count:
            wakeup.clear()
            entries = hub.take(subscription, 100, 60_000)
            if entries is None:
                entries = await hub.fetch(subscription, 100, 60_000)
            seqs += [entry.seq for entry in entries]
            if not entries:
                await wakeup.wait()
    return seqs


async def test_events_in_any_order_are_delivered_once_and_in_order() -> None:
    log = Log()
    hub = hub_of(log)
    await hub.start()
    subscription, wakeup = reader(hub)
    log.events = [an_event(seq) for seq in range(1, 6)]
    for seq in (2, 3, 1, 3, 5, 4, 1, 5):
        hub.notify([an_event(seq)])
    assert await take(hub, subscription, wakeup, 5) == [1, 2, 3, 4, 5]
    assert hub.take(subscription, 100, 60_000) == []
    await hub.stop()


async def test_a_gap_is_read_from_the_log() -> None:
    log = Log(head=10)
    hub = hub_of(log)
    await hub.start()
    subscription, wakeup = reader(hub)
    log.events = [an_event(seq) for seq in range(1, 3_001)]
    hub.notify([an_event(3_000)])
    assert await take(hub, subscription, wakeup, 2_990) == list(range(11, 3_001))
    await hub.stop()


class NotifiedLog(Log):
    """An event log whose notifications the test sends."""

    def __init__(self) -> None:
        super().__init__()
        self.heads: asyncio.Queue[int] = asyncio.Queue()

    async def notifications(self) -> Any:
        while True:
            head = await self.heads.get()
            self.heads.task_done()
            yield head


async def test_events_of_this_process_are_not_read_again() -> None:
    log = NotifiedLog()
    hub = hub_of(log)
    await hub.start()
    subscription, wakeup = reader(hub)
    # Until the hub waits for notifications.
    await asyncio.sleep(0.05)
    reads = log.reads
    for seq in range(1, 6):
        log.events.append(an_event(seq))
        log.heads.put_nowait(seq)
        # The notification is received, and then the commit returns.
        await log.heads.join()
        hub.notify([an_event(seq)])
        assert await take(hub, subscription, wakeup, 1) == [seq]
    await asyncio.sleep(0.05)
    assert log.reads == reads
    # An event of another process.
    log.events.append(an_event(6))
    log.heads.put_nowait(6)
    assert await take(hub, subscription, wakeup, 1) == [6]
    assert log.reads == reads + 1
    await hub.stop()


async def test_without_notifications_the_head_of_the_log_is_polled() -> None:
    log = Log()
    hub = hub_of(log)
    await hub.start()
    subscription, wakeup = reader(hub)
    log.events = [an_event(1)]
    assert await take(hub, subscription, wakeup, 1) == [1]
    await hub.stop()


async def test_a_new_reader_receives_no_earlier_events() -> None:
    hub = hub_of(Log(head=7))
    await hub.start()
    subscription, wakeup = reader(hub)
    hub.notify([an_event(8)])
    assert await take(hub, subscription, wakeup, 1) == [8]
    await hub.stop()


async def test_recent_events_are_read_from_memory() -> None:
    log = Log(head=REPLAY_LIMIT + 100)
    hub = hub_of(log)
    await hub.start()
    reads = log.reads
    for behind in (1, 50, REPLAY_LIMIT):
        subscription, wakeup = reader(hub, hub.head - behind)
        assert await take(hub, subscription, wakeup, behind) == list(range(hub.head - behind + 1, hub.head + 1))
    assert log.reads == reads
    await hub.stop()


@pytest.mark.parametrize("capacity", [1, 7, 40])
async def test_a_reader_may_start_before_or_within_the_memory(capacity: int) -> None:
    hub = hub_of(Log(head=50), capacity=capacity)
    await hub.start()
    for since in range(51):
        assert hub.replay_error(LogPosition(since)) is None
        subscription, wakeup = reader(hub, since)
        assert await take(hub, subscription, wakeup, 50 - since) == list(range(since + 1, 51))
    await hub.stop()


async def test_each_position_without_a_replay_has_a_reason() -> None:
    log = Log(head=REPLAY_LIMIT + 300)
    log.events = log.events[100:]
    hub = hub_of(log, capacity=10)
    await hub.start()
    oldest, head = 101, hub.head
    reasons = {
        LogPosition(head): None,
        LogPosition(head, "e1"): None,
        LogPosition(head, "e2"): OTHER_LOG,
        LogPosition(head + 1): AHEAD,
        LogPosition(head - REPLAY_LIMIT): None,
        LogPosition(head - REPLAY_LIMIT - 1): TOO_FAR,
        LogPosition(oldest - 1): TOO_FAR,
        LogPosition(oldest - 2): EXPIRED,
    }
    assert {place: hub.replay_error(place) for place in reasons} == reasons
    await hub.stop()


async def test_an_event_of_another_process_is_not_ahead_of_the_log() -> None:
    log = Log(head=50)
    hub = hub_of(log)
    await hub.start()
    log.events += [an_event(51), an_event(52)]
    assert hub.replay_error(LogPosition(52)) == AHEAD
    assert await hub.confirmed_replay_error(LogPosition(52)) is None
    assert await hub.confirmed_replay_error(LogPosition(53)) == AHEAD
    await hub.stop()


async def test_a_reader_of_expired_events_gets_a_loss_reason() -> None:
    log = Log(head=50)
    hub = hub_of(log, capacity=10)
    await hub.start()
    subscription, _ = reader(hub, 5)
    log.events = log.events[20:]
    assert await hub.fetch(subscription, 100, 60_000) == []
    assert (subscription.loss_reason, subscription.cursor) == (EXPIRED, 50)
    await hub.stop()


async def test_a_replaced_log_is_detected() -> None:
    log = Log(head=50)
    hub = hub_of(log)
    await hub.start()
    subscription, wakeup = reader(hub)
    log.epoch, log.events = "e2", [an_event(1)]
    async with asyncio.timeout(30):
        await wakeup.wait()
    assert (subscription.loss_reason, subscription.cursor) == (OTHER_LOG, 1)
    assert hub.position == LogPosition(1, "e2")
    hub.notify([an_event(2)])
    assert await take(hub, subscription, wakeup, 1) == [2]
    await hub.stop()


async def test_events_of_one_process_reach_clients_of_another(open_shop: OpenShop) -> None:
    here = await open_shop()
    there: Shop = await open_shop(store_id=here.store)
    async with here.listen() as socket:
        sales = [await shop.sale() for shop in (there, here, there, there, here)]
        frames = [json.loads(await asyncio.wait_for(socket.recv(), 30)) for _ in sales]
    assert [frame["id"] for frame in frames] == [sale["order_id"] for sale in sales]
    assert [frame["seq"] for frame in frames] == [1, 2, 3, 4, 5]


async def test_stores_do_not_receive_events_of_each_other(open_shop: OpenShop) -> None:
    here, elsewhere = await open_shop(), await open_shop()
    async with here.listen() as socket:
        await elsewhere.sale()
        sale = await here.sale()
        frame = json.loads(await socket.recv())
    assert frame["id"] == sale["order_id"]


@pytest.mark.parametrize("turns", range(4))
async def test_the_hub_stops_although_a_notification_arrives_at_that_moment(turns: int) -> None:
    hub = hub_of(Log())
    await hub.start()
    reader(hub)
    await asyncio.sleep(0.05)
    hub._tailer.wakeup.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await hub.stop()
