"""Concurrent work is limited for each credential and in total; further requests wait, then are rejected."""

import asyncio
from contextlib import AsyncExitStack
from functools import partial

import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.middleware.pacing import PIECE, Pacing
from endpoints.transfer.concurrency_limits import LISTS_EACH, Busy, ConcurrencyLimit
from tests.http.test_abandoned_streams import WHOLE_LIST, copy
from tests.support.clients.non_reading_client import answer_begins, non_reading_clients, wait_until_closed
from tests.support.payloads import line, sale_body
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import add_token_holder

OK, BUSY = b"HTTP/1.1 200 OK", b"HTTP/1.1 503 Se"


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoints.transfer.concurrency_limits.WAIT_SECONDS", 0.1)


async def test_turns_are_limited_for_each_credential_and_in_total(short_wait: None) -> None:
    limit = ConcurrencyLimit(each=2, most=3)
    async with AsyncExitStack() as stacks:
        for owner in ("asha", "asha", "ravi"):
            await stacks.enter_async_context(limit.turn(owner))
        for owner in ("asha", "ravi", "meera"):
            with pytest.raises(Busy):
                await stacks.enter_async_context(limit.turn(owner))
    async with limit.turn("meera"):
        pass
    assert not limit._shares


async def test_a_free_turn_goes_to_the_next_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoints.transfer.concurrency_limits.WAIT_SECONDS", 60.0)
    limit, order, may_finish = ConcurrencyLimit(each=1, most=1), [], asyncio.Event()

    async def work(number: int) -> None:
        async with limit.turn("asha"):
            order.append(number)
            await may_finish.wait()

    tasks = [asyncio.create_task(work(number)) for number in range(5)]
    await asyncio.sleep(0)
    # A request that is cancelled while it waits takes no turn.
    tasks[1].cancel()
    may_finish.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 2, 3, 4]
    assert not limit._shares


async def test_unread_complete_lists_are_limited_for_each_credential(short_wait: None, open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="on")
    asha, ravi = await add_token_holder(shop, "owner"), await add_token_holder(shop, "owner")
    await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=asha.headers)
    await copy(shop, 12_000)
    try:
        async with non_reading_clients(shop.port, WHOLE_LIST, LISTS_EACH + 4, asha.headers) as clients:
            begins = await asyncio.gather(*map(answer_begins, clients))
            assert sorted(begins) == [OK] * LISTS_EACH + [BUSY] * 4
            refused = await shop.http.get(WHOLE_LIST, headers=asha.headers)
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
            assert int(refused.headers["retry-after"]) > 0
            # Pages are not complete lists, and another credential has its own turns.
            assert (await shop.http.get(f"{WHOLE_LIST}?limit=5", headers=asha.headers)).status_code == 200
            assert (await shop.http.get("/api/reports/today", headers=asha.headers)).status_code == 200
            assert (await shop.http.get(WHOLE_LIST, headers=ravi.headers)).status_code == 200
        async with asyncio.timeout(20):
            while (await shop.http.get(WHOLE_LIST, headers=asha.headers)).status_code != 200:
                await asyncio.sleep(0.05)
    finally:
        await shop.database.orders.delete_many({"_id": {"$regex": f"^COPY-{shop.store}-"}})


async def test_clients_of_one_key_can_load_complete_lists_together(shop: Shop) -> None:
    """Load three lists each with several clients of one key, as the app does at each change."""
    for _ in range(20):
        await shop.sale()
    paths = ("/api/orders/all", "/api/orders/separate", WHOLE_LIST) * 15
    answers = await asyncio.gather(*map(shop.http.get, paths))
    assert {answer.status_code for answer in answers} == {200}


async def test_unread_responses_are_limited_in_bytes(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.middleware.pacing.BYTES_EACH", 3 * 2**20)
    for _ in range(8):
        await shop.sale(items=[line(name="x" * 400)] * 300)
    # About 1.2 MB each, and each has its own address.
    pages = [f"/api/orders/all?limit={limit}" for limit in range(8, 16)]
    async with AsyncExitStack() as stacks:
        clients = [(await stacks.enter_async_context(non_reading_clients(shop.port, page)))[0] for page in pages]
        assert sorted([await answer_begins(client) for client in clients]) == [OK] * 2 + [BUSY] * 6
        assert (await shop.http.get("/api/settings")).status_code == 200
        assert (await shop.http.get("/docs/swagger-ui-bundle.js")).status_code == 200
    async with asyncio.timeout(20):
        while (await shop.http.get(pages[-1])).status_code != 200:
            await asyncio.sleep(0.05)


async def test_a_shared_body_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    body, is_read = b"x" * (2 * PIECE + 1), asyncio.Event()
    monkeypatch.setattr("app.middleware.pacing.BYTES_EACH", len(body) + 1)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(body)(scope, receive, send)

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await is_read.wait()

    sent: list[Message] = []
    scope = {"type": "http", "method": "GET", "state": {}, "client": ("192.0.2.7", 1), "headers": [], "path": "/"}
    pacing = Pacing(app)
    tasks = [asyncio.ensure_future(pacing(dict(scope), _nothing, send)) for _ in range(3)]
    while len(sent) < 6:
        await asyncio.sleep(0)
    is_read.set()
    await asyncio.gather(*tasks)
    assert [each["status"] for each in sent if "status" in each] == [200] * 3
    assert sum(len(each.get("body", b"")) for each in sent) == 3 * len(body)
    assert max(len(each.get("body", b"")) for each in sent) == PIECE
    assert [each["more_body"] for each in sent if "body" in each].count(False) == 3
    assert not pacing._load._owners
    assert not pacing._load._bytes


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


async def test_slow_readers_are_cut_off_for_other_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endpoints.transfer.concurrency_limits.SETTLED_SECONDS", 0.0)
    limit, cut = ConcurrencyLimit(each=2, most=4), list[str]()
    stacks = {name: AsyncExitStack() for name in ("asha 1", "asha 2", "ravi 1", "ravi 2")}

    def cut_off(name: str) -> None:
        cut.append(name)
        asyncio.get_running_loop().create_task(stacks[name].aclose())

    for name, each in stacks.items():
        await each.enter_async_context(limit.turn(name.split()[0], partial(cut_off, name)))
    async with limit.turn("meera"):
        assert cut == ["asha 1"]
        async with asyncio.timeout(30), limit.turn("tara"):
            # Asha has one turn left, so one of Ravi's ends.
            assert cut == ["asha 1", "ravi 1"]
    for each in stacks.values():
        await each.aclose()
    assert not limit._held
    assert not limit._shares


async def test_a_turn_is_not_cut_off_early_or_for_a_credential_with_equal_turns(
    short_wait: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit, cut = ConcurrencyLimit(each=2, most=2), list[str]()
    async with limit.turn("asha", partial(cut.append, "1")), limit.turn("asha", partial(cut.append, "2")):
        with pytest.raises(Busy):
            await AsyncExitStack().enter_async_context(limit.turn("meera"))
    monkeypatch.setattr("endpoints.transfer.concurrency_limits.SETTLED_SECONDS", 0.0)
    async with limit.turn("asha", partial(cut.append, "1")), limit.turn("ravi", partial(cut.append, "2")):
        with pytest.raises(Busy):
            await AsyncExitStack().enter_async_context(limit.turn("meera"))
    assert cut == []


async def test_a_list_that_is_read_for_too_long_is_cut_off(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endpoints.transfer.concurrency_limits.TAKING_SECONDS", 2.0)
    shop = await open_shop()
    await shop.sale()
    await copy(shop, 12_000)
    try:
        async with non_reading_clients(shop.port, WHOLE_LIST) as (client,):
            assert await answer_begins(client) == OK
            await wait_until_closed(client)
    finally:
        await shop.database.orders.delete_many({"_id": {"$regex": f"^COPY-{shop.store}-"}})


async def test_slow_lists_of_two_credentials_are_cut_off_for_a_third(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endpoints.transfer.concurrency_limits.SETTLED_SECONDS", 0.0)
    shop = await open_shop(sign_in="on")
    asha, ravi, meera = [await add_token_holder(shop, "owner") for _ in range(3)]
    await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=asha.headers)
    await copy(shop, 12_000)
    try:
        async with (
            non_reading_clients(shop.port, WHOLE_LIST, LISTS_EACH, asha.headers) as hers,
            non_reading_clients(shop.port, WHOLE_LIST, LISTS_EACH, ravi.headers) as his,
        ):
            assert await asyncio.gather(*map(answer_begins, hers + his)) == [OK] * (2 * LISTS_EACH)
            assert (await shop.http.get(WHOLE_LIST, headers=meera.headers)).status_code == 200
    finally:
        await shop.database.orders.delete_many({"_id": {"$regex": f"^COPY-{shop.store}-"}})


async def test_slow_large_responses_are_cut_off_for_another_credential(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.middleware.pacing.SETTLED_SECONDS", 0.0)
    monkeypatch.setattr("app.middleware.pacing.BYTES", 4 * 2**20)
    shop = await open_shop(sign_in="on")
    asha, ravi = [await add_token_holder(shop, "owner") for _ in range(2)]
    large = sale_body(items=[line(name="x" * 400)] * 300)
    for number in range(12):
        await shop.ok("POST", "/api/orders/create-sale", json={**large, "sale_by": f"S{number}"}, headers=asha.headers)
    async with AsyncExitStack() as stacks:
        (first,) = await stacks.enter_async_context(
            non_reading_clients(shop.port, "/api/orders/all?limit=10", headers=asha.headers)
        )
        assert await answer_begins(first) == OK
        (second,) = await stacks.enter_async_context(
            non_reading_clients(shop.port, "/api/orders/all?limit=12", headers=asha.headers)
        )
        assert await answer_begins(second) == OK
        plain = {**ravi.headers, "Accept-Encoding": "identity"}
        refused = await shop.http.get("/api/orders/all?limit=9", headers=plain)
        assert (refused.status_code, refused.json()["code"]) == (503, "busy")
        await wait_until_closed(first)
        async with asyncio.timeout(20):
            while (await shop.http.get("/api/orders/all?limit=9", headers=plain)).status_code != 200:
                await asyncio.sleep(0.05)
