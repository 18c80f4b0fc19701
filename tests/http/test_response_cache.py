"""Copies of answers: one computation however many ask, never an old answer, bounded memory."""

import asyncio
import tracemalloc
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from endpoints.transfer.response_cache import OVERHEAD, CacheVersion, ResponseCache, VersionedValue
from repositories.database.coalescing import CoalescedRead
from repositories.event_log.event_log import Head
from schemas.live.protocol import LogPosition
from tests.support.clock import Clock
from tests.support.shop import OpenShop, Shop

ASKED = (
    "/api/orders/orders-only?limit=5",
    "/api/orders/all?limit=5",
    "/api/orders/separate",
    "/api/estimates/all",
    "/api/reports/today",
    "/api/reports/staff-performance",
    "/api/reports/monthly/2026/3",
    "/api/reports/orders-only",
)


def freshness(seq: int) -> CacheVersion:
    return CacheVersion(Head("epoch", seq), "1")


class Maker:
    """Makes answers slowly, and counts them."""

    def __init__(self, size: int = 10, *, is_streamed: bool = False, error: Exception | None = None) -> None:
        self.count = 0
        self.size = size
        self.is_streamed = is_streamed
        self.error = error

    async def __call__(self, of: CacheVersion) -> Response:
        self.count += 1
        await asyncio.sleep(0.01)
        if self.error is not None:
            raise self.error
        return StreamingResponse(iter(())) if self.is_streamed else Response(b"x" * self.size, headers=of.headers)


async def test_however_many_ask_at_once_it_is_made_once() -> None:
    copies, make = ResponseCache(), Maker()
    answers = await asyncio.gather(*(copies.of("/", freshness(1), make) for _ in range(50)))
    assert make.count == 1
    assert len({id(each) for each in answers}) == 1
    await copies.of("/", freshness(1), make)
    assert make.count == 1
    await copies.of("/?limit=5", freshness(1), make)
    await copies.of("/", freshness(2), make)
    assert make.count == 3


async def test_whoever_goes_away_leaves_the_others_their_answer() -> None:
    copies, make = ResponseCache(), Maker()
    first, second = (asyncio.create_task(copies.of("/", freshness(1), make)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).body == b"x" * 10
    assert make.count == 1


async def test_what_goes_wrong_goes_wrong_for_all_who_wait_and_for_nobody_later() -> None:
    copies, failing = ResponseCache(), Maker(error=LookupError("no"))
    answers = await asyncio.gather(*(copies.of("/", freshness(1), failing) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in answers] == [LookupError] * 3
    make = Maker()
    assert (await copies.of("/", freshness(1), make)).body == b"x" * 10


async def test_a_stream_is_made_for_each() -> None:
    copies, make = ResponseCache(), Maker(is_streamed=True)
    answers = await asyncio.gather(*(copies.of("/", freshness(1), make) for _ in range(3)))
    assert len({id(each) for each in answers}) == make.count == 3


async def test_memory_is_bounded_and_those_asked_last_stay() -> None:
    copies = ResponseCache(most_bytes=3 * OVERHEAD + 100, largest=50)
    small, large = Maker(size=30), Maker(size=51)
    for path in ("/1", "/2", "/3"):
        await copies.of(path, freshness(1), small)
    await copies.of("/1", freshness(1), small)
    await copies.of("/4", freshness(1), small)
    assert small.count == 4
    await copies.of("/1", freshness(1), small)
    assert small.count == 4
    await copies.of("/2", freshness(1), small)
    assert small.count == 5
    for _ in range(2):
        await copies.of("/large", freshness(1), large)
    assert large.count == 2


async def test_what_is_counted_is_what_is_kept() -> None:
    """Many questions with tiny answers: their keys, and what surrounds an answer, are most of it."""
    copies, of = ResponseCache(most_bytes=8 * 2**20), freshness(1)
    headers = {**of.headers, "Link": f"<{'x' * 200}>", "X-Next-Cursor": "x" * 60}

    async def make(_: CacheVersion) -> Response:
        return Response(b"[]", headers=headers, media_type="application/json")

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(4_000):
            await copies.of(f"{number:0600}", of, make)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert copies.size / 2 < taken < copies.size <= 8 * 2**20


@pytest.mark.parametrize(
    ("path", "others"),
    [
        ("/api/orders/orders-only?limit=2", ("limit=02", "%6cimit=2")),
        ("/api/customers?limit=2&q=asha", ("q=asha&limit=2", "q=+asha&limit=2")),
        ("/api/reports/today?items=5", ("items=05",)),
        ("/api/reports/monthly/2026/3", ()),
        ("/api/reports/staff-performance", ()),
        ("/api/board", ()),
    ],
)
async def test_the_same_question_is_kept_once_however_its_address_is_written(
    shop: Shop, path: str, others: tuple[str, ...]
) -> None:
    for _ in range(3):
        await shop.sale(customer_name="Asha", customer_phone="9822012345")
    plain = await shop.http.get(path)
    copies: ResponseCache = shop.state["response_cache"]
    kept = copies.size
    assert kept > 0
    bare, _, query = path.partition("?")
    unknown = [f"{query}&_={number}&{'x' * 3_000}={number}".strip("&") for number in range(50)]
    for each in (*unknown, *others):
        answer = await shop.http.get(f"{bare}?{each}")
        assert answer.content == plain.content
        assert "xxx" not in answer.headers.get("link", "")
        assert answer.headers.get("x-next-cursor") == plain.headers.get("x-next-cursor")
    assert copies.size == kept


async def test_a_page_that_is_followed_by_another_repeats_no_unknown_parameter(shop: Shop) -> None:
    for _ in range(3):
        await shop.sale()
    for path in ("/api/orders/all?limit=1", "/api/audit?limit=1"):
        link = (await shop.http.get(f"{path}&{'y' * 3_000}=1")).headers["link"]
        assert link.startswith(f"<{path}&cursor=")
        assert "yyy" not in link


async def test_what_all_pages_share_is_computed_once_and_again_after_a_failure() -> None:
    latest: VersionedValue[int] = VersionedValue()
    count = 0

    async def compute() -> int:
        nonlocal count
        count += 1
        await asyncio.sleep(0.01)
        if count == 1:
            raise LookupError
        return count

    failed = await asyncio.gather(*(latest.at("1", compute) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in failed] == [LookupError] * 3
    assert await asyncio.gather(*(latest.at("1", compute) for _ in range(3))) == [2, 2, 2]
    assert await latest.at("2", compute) == 3


async def test_what_was_cancelled_is_computed_anew() -> None:
    latest: VersionedValue[int] = VersionedValue()
    tasks: list[asyncio.Task[Any]] = []

    async def compute() -> int:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        if len(tasks) == 1:
            await asyncio.Event().wait()
        return len(tasks)

    asking = asyncio.create_task(latest.at("1", compute))
    while not tasks:
        await asyncio.sleep(0)
    tasks[0].cancel()
    assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], asyncio.CancelledError)
    assert await latest.at("1", compute) == 2


async def test_those_who_ask_together_share_an_answer_that_is_never_older_than_their_question() -> None:
    put: list[int] = []

    async def ask() -> int:
        put.append(len(put))
        await asyncio.sleep(0.01)
        return put[-1]

    together = CoalescedRead(ask)
    first = together()
    await asyncio.sleep(0.001)
    others = [together() for _ in range(20)]
    await asyncio.sleep(0)
    others[0].cancel()
    assert await first == 0
    # Asked while the first question was under way, so they need an answer of their own: one for all of them.
    assert await asyncio.gather(*others[1:]) == [1] * 19
    assert await together() == 2


def test_what_is_said_of_a_head_is_made_once_and_forgotten_when_the_head_moves() -> None:
    copies = ResponseCache()
    known = copies.cache_version(Head("epoch", 7), "1")
    today = copies.cache_version(Head("epoch", 7), "1", "2026-03-05")
    assert copies.cache_version(Head("epoch", 7), "1") is known
    assert copies.cache_version(Head("epoch", 7), "1", "2026-03-05") is today
    assert today.etag != known.etag
    assert known.unchanged is known.unchanged
    assert known.unchanged.headers["etag"] == known.etag
    for head in (Head("epoch", 8), Head("another", 7), Head("epoch", 7)):
        moved = copies.cache_version(head, "1")
        assert moved is not known
        assert moved.place == LogPosition(head.seq, head.epoch)
        assert moved.etag.startswith(f'W/"{head.epoch}.{head.seq}.')


@pytest.mark.parametrize("path", ASKED)
async def test_an_answer_is_never_older_than_what_was_answered_before(open_shop: OpenShop, path: str) -> None:
    """Like two processes: a sale of one is in the next response of the other."""
    clock = Clock()
    clock.at("2026-03-05T12:00:00+05:30")
    first = await open_shop(clock=clock)
    second = await open_shop(clock=clock, store_id=first.store)
    await first.estimate()
    bodies, tags = set(), set()
    for _ in range(5):
        await first.sale()
        estimate = await second.estimate()
        answers = [await shop.http.get(path) for shop in (first, second, first, second)]
        assert len({answer.content for answer in answers}) == 1
        assert len({answer.headers["etag"] for answer in answers}) == 1
        again = await second.http.get(path, headers={"If-None-Match": answers[0].headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert int(answers[0].headers["x-stream-position"]) == (await _head(first))
        bodies.add(answers[0].content)
        tags.add(answers[0].headers["etag"])
        await second.ok("DELETE", f"/api/estimates/{estimate['estimate_id']}")
    assert (len(tags), len(bodies)) == (5, 5)


async def _head(shop: Shop) -> int:
    counters: Any = await shop.database.counters.find_one({"_id": shop.store})
    return int(counters["head"])


async def test_today_is_another_day_after_midnight_though_nothing_was_sold(open_shop: OpenShop) -> None:
    clock = Clock()
    clock.at("2026-03-05T23:59:59+05:30")
    shop = await open_shop(clock=clock)
    await shop.sale()
    before = await shop.get("/api/reports/today")
    clock.at("2026-03-06T00:00:01+05:30")
    after = await shop.get("/api/reports/today")
    assert (before["date"], before["summary"]["orders_count"]) == ("2026-03-05", 1)
    assert (after["date"], after["summary"]["orders_count"]) == ("2026-03-06", 0)
