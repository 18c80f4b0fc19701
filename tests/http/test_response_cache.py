"""The response cache: one computation for concurrent requests, no stale responses, limited memory."""

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

PATHS = (
    "/api/orders/orders-only?limit=5",
    "/api/orders/all?limit=5",
    "/api/orders/separate",
    "/api/estimates/all",
    "/api/reports/today",
    "/api/reports/staff-performance",
    "/api/reports/monthly/2026/3",
    "/api/reports/orders-only",
)


def version(seq: int) -> CacheVersion:
    return CacheVersion(Head("epoch", seq), "1")


class Responder:
    """Creates responses slowly, and counts them."""

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


async def test_concurrent_requests_are_computed_once() -> None:
    cache, respond = ResponseCache(), Responder()
    answers = await asyncio.gather(*(cache.of("/", version(1), respond) for _ in range(50)))
    assert respond.count == 1
    assert len({id(each) for each in answers}) == 1
    await cache.of("/", version(1), respond)
    assert respond.count == 1
    await cache.of("/?limit=5", version(1), respond)
    await cache.of("/", version(2), respond)
    assert respond.count == 3


async def test_a_cancelled_request_does_not_affect_the_others() -> None:
    cache, respond = ResponseCache(), Responder()
    first, second = (asyncio.create_task(cache.of("/", version(1), respond)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).body == b"x" * 10
    assert respond.count == 1


async def test_an_error_reaches_all_waiting_requests_and_no_later_one() -> None:
    cache, failing = ResponseCache(), Responder(error=LookupError("no"))
    answers = await asyncio.gather(*(cache.of("/", version(1), failing) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in answers] == [LookupError] * 3
    respond = Responder()
    assert (await cache.of("/", version(1), respond)).body == b"x" * 10


async def test_a_stream_is_created_for_each_request() -> None:
    cache, respond = ResponseCache(), Responder(is_streamed=True)
    answers = await asyncio.gather(*(cache.of("/", version(1), respond) for _ in range(3)))
    assert len({id(each) for each in answers}) == respond.count == 3


async def test_the_least_recently_used_responses_are_evicted() -> None:
    cache = ResponseCache(most_bytes=3 * OVERHEAD + 100, largest=50)
    small, large = Responder(size=30), Responder(size=51)
    for path in ("/1", "/2", "/3"):
        await cache.of(path, version(1), small)
    await cache.of("/1", version(1), small)
    await cache.of("/4", version(1), small)
    assert small.count == 4
    await cache.of("/1", version(1), small)
    assert small.count == 4
    await cache.of("/2", version(1), small)
    assert small.count == 5
    for _ in range(2):
        await cache.of("/large", version(1), large)
    assert large.count == 2


async def test_the_reported_size_is_the_memory_used() -> None:
    """Use many small responses, whose keys and overhead are most of the memory."""
    cache, of = ResponseCache(most_bytes=8 * 2**20), version(1)
    headers = {**of.headers, "Link": f"<{'x' * 200}>", "X-Next-Cursor": "x" * 60}

    async def respond(_: CacheVersion) -> Response:
        return Response(b"[]", headers=headers, media_type="application/json")

    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(4_000):
            await cache.of(f"{number:0600}", of, respond)
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert cache.size / 2 < used < cache.size <= 8 * 2**20


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
async def test_equivalent_addresses_share_a_cached_response(shop: Shop, path: str, others: tuple[str, ...]) -> None:
    for _ in range(3):
        await shop.sale(customer_name="Asha", customer_phone="9822012345")
    plain = await shop.http.get(path)
    cache: ResponseCache = shop.state["response_cache"]
    size = cache.size
    assert size > 0
    bare, _, query = path.partition("?")
    unknown = [f"{query}&_={number}&{'x' * 3_000}={number}".strip("&") for number in range(50)]
    for each in (*unknown, *others):
        answer = await shop.http.get(f"{bare}?{each}")
        assert answer.content == plain.content
        assert "xxx" not in answer.headers.get("link", "")
        assert answer.headers.get("x-next-cursor") == plain.headers.get("x-next-cursor")
    assert cache.size == size


async def test_links_to_the_next_page_omit_unknown_parameters(shop: Shop) -> None:
    for _ in range(3):
        await shop.sale()
    for path in ("/api/orders/all?limit=1", "/api/audit?limit=1"):
        link = (await shop.http.get(f"{path}&{'y' * 3_000}=1")).headers["link"]
        assert link.startswith(f"<{path}&cursor=")
        assert "yyy" not in link


async def test_a_shared_value_is_computed_once_and_again_after_a_failure() -> None:
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


async def test_a_cancelled_computation_is_repeated() -> None:
    latest: VersionedValue[int] = VersionedValue()
    tasks: list[asyncio.Task[Any]] = []

    async def compute() -> int:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        if len(tasks) == 1:
            await asyncio.Event().wait()
        return len(tasks)

    waiting = asyncio.create_task(latest.at("1", compute))
    while not tasks:
        await asyncio.sleep(0)
    tasks[0].cancel()
    assert isinstance((await asyncio.gather(waiting, return_exceptions=True))[0], asyncio.CancelledError)
    assert await latest.at("1", compute) == 2


async def test_coalesced_reads_share_a_result_that_began_after_they_asked() -> None:
    reads: list[int] = []

    async def read() -> int:
        reads.append(len(reads))
        await asyncio.sleep(0.01)
        return reads[-1]

    coalesced = CoalescedRead(read)
    first = coalesced()
    await asyncio.sleep(0.001)
    others = [coalesced() for _ in range(20)]
    await asyncio.sleep(0)
    others[0].cancel()
    assert await first == 0
    # These began during the first read, so they need another one, which they share.
    assert await asyncio.gather(*others[1:]) == [1] * 19
    assert await coalesced() == 2


def test_the_cache_version_is_reused_until_the_head_advances() -> None:
    cache = ResponseCache()
    known = cache.cache_version(Head("epoch", 7), "1")
    today = cache.cache_version(Head("epoch", 7), "1", "2026-03-05")
    assert cache.cache_version(Head("epoch", 7), "1") is known
    assert cache.cache_version(Head("epoch", 7), "1", "2026-03-05") is today
    assert today.etag != known.etag
    assert known.unchanged is known.unchanged
    assert known.unchanged.headers["etag"] == known.etag
    for head in (Head("epoch", 8), Head("another", 7), Head("epoch", 7)):
        moved = cache.cache_version(head, "1")
        assert moved is not known
        assert moved.place == LogPosition(head.seq, head.epoch)
        assert moved.etag.startswith(f'W/"{head.epoch}.{head.seq}.')


@pytest.mark.parametrize("path", PATHS)
async def test_a_response_is_never_older_than_an_earlier_one(open_shop: OpenShop, path: str) -> None:
    """Use two shops on one store as two processes: each sees the sales of the other in its next response."""
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


async def test_todays_report_changes_at_midnight_without_a_sale(open_shop: OpenShop) -> None:
    clock = Clock()
    clock.at("2026-03-05T23:59:59+05:30")
    shop = await open_shop(clock=clock)
    await shop.sale()
    before = await shop.get("/api/reports/today")
    clock.at("2026-03-06T00:00:01+05:30")
    after = await shop.get("/api/reports/today")
    assert (before["date"], before["summary"]["orders_count"]) == ("2026-03-05", 1)
    assert (after["date"], after["summary"]["orders_count"]) == ("2026-03-06", 0)
