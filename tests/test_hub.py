"""The hub's door: in order, each once, whichever way an event comes; and across processes."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from endpoints.hub import RING, TOO_SLOW, Hub
from repositories.events import Head
from tests.shop import OpenShop, Shop

Json = dict[str, Any]


class Log:
    """An event log in memory, whose doorbell never rings: what the hub reads by itself when it notices a gap."""

    def __init__(self, head: int = 0) -> None:
        self.events: list[Json] = [an_event(seq) for seq in range(1, head + 1)]

    async def head(self) -> Head:
        return Head("epoch", len(self.events))

    async def after(self, seq: int, limit: int = 1_000) -> list[Json]:
        return self.events[seq : seq + limit]

    async def rings(self) -> Any:
        await asyncio.Event().wait()
        yield 0


class Screen:
    """A WebSocket that keeps what it is sent; `stuck` ones never take anything."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.received: list[int] = []
        self.closed: int | None = None
        self.free = asyncio.Event()
        if not stuck:
            self.free.set()

    async def send_text(self, data: str) -> None:
        await self.free.wait()
        self.received.append(int(data))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        self.closed = code

    async def has(self, count: int) -> list[int]:
        async with asyncio.timeout(10):
            while len(self.received) < count:
                await asyncio.sleep(0.001)
        return self.received


def an_event(seq: int) -> Json:
    return {"seq": seq, "at": datetime(2026, 1, 1, tzinfo=UTC)}


def hub_of(log: Any) -> Hub:
    return Hub(log, lambda event: str(event["seq"]))


async def test_events_that_come_out_of_order_are_delivered_in_order_and_once() -> None:
    log = Log()
    hub, screen = hub_of(log), Screen()
    await hub.start()
    hub.join(screen)
    log.events = [an_event(seq) for seq in range(1, 6)]
    for seq in (2, 3, 1, 3, 5, 4, 1, 5):
        hub.notify([an_event(seq)])
    assert await screen.has(5) == [1, 2, 3, 4, 5]
    await hub.stop()


async def test_a_gap_is_read_from_the_log() -> None:
    log = Log(head=10)
    hub, screen = hub_of(log), Screen()
    await hub.start()
    hub.join(screen)
    log.events = [an_event(seq) for seq in range(1, 3_001)]
    hub.notify([an_event(3_000)])
    assert await screen.has(2_990) == list(range(11, 3_001))
    await hub.stop()


async def test_a_silent_doorbell_is_covered_by_a_look_at_the_head() -> None:
    log = Log()
    hub, screen = hub_of(log), Screen()
    await hub.start()
    hub.join(screen)
    log.events = [an_event(1)]
    assert await screen.has(1) == [1]
    await hub.stop()


async def test_a_screen_gets_nothing_from_before_it_came() -> None:
    hub, screen = hub_of(Log(head=7)), Screen()
    await hub.start()
    hub.join(screen)
    hub.notify([an_event(8)])
    assert await screen.has(1) == [8]
    await hub.stop()


async def test_a_stuck_screen_delays_nobody_and_is_closed_when_it_has_fallen_too_far_behind() -> None:
    hub, stuck, quick = hub_of(Log()), Screen(stuck=True), Screen()
    await hub.start()
    hub.join(stuck)
    hub.join(quick)
    for seq in range(1, RING + 3):
        hub.notify([an_event(seq)])
        if seq % 1_000 == 0:
            await quick.has(seq)
    assert await quick.has(RING + 2) == list(range(1, RING + 3))
    assert stuck.received == []
    stuck.free.set()
    async with asyncio.timeout(5):
        while stuck.closed is None:
            await asyncio.sleep(0.001)
    assert stuck.closed == TOO_SLOW
    await hub.stop()


async def test_what_one_process_commits_is_heard_through_another_at_once(open_shop: OpenShop) -> None:
    here = await open_shop()
    there: Shop = await open_shop(store_id=here.store)
    async with here.listen() as socket:
        sales = [await shop.sale() for shop in (there, here, there, there, here)]
        frames = [json.loads(await asyncio.wait_for(socket.recv(), 10)) for _ in sales]
    assert [frame["id"] for frame in frames] == [sale["order_id"] for sale in sales]
    assert [frame["seq"] for frame in frames] == [1, 2, 3, 4, 5]


async def test_shops_do_not_hear_each_other(open_shop: OpenShop) -> None:
    here, elsewhere = await open_shop(), await open_shop()
    async with here.listen() as socket:
        await elsewhere.sale()
        sale = await here.sale()
        frame = json.loads(await socket.recv())
    assert frame["id"] == sale["order_id"]
