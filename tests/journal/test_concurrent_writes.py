"""Concurrent writes of many clients, with a real server and a real database."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import websockets

from repositories.auditing.verification import verify
from tests.server.test_startup import ROOT, environment
from tests.support.clients.concurrent_requests import at_once, send
from tests.support.payloads import line, sale_body
from tests.support.ports import free_port
from tests.support.shop import DATABASE, Shop

STAMPS = [1_790_000_000_001, 1_790_000_000_002]
Json = dict[str, Any]


SALE = "/api/orders/create-sale"


async def test_a_thousand_concurrent_sales_have_the_numbers_one_to_a_thousand(shop: Shop) -> None:
    answers = await at_once((send(shop.port, "POST", SALE, sale_body()) for _ in range(1_000)), most=400)
    assert {answer.status for answer in answers} == {201}
    assert Counter(answer.content["sale_number"] for answer in answers) == {f"#{n:03d}": 1 for n in range(1, 1_001)}
    assert len({answer.content["order_id"] for answer in answers}) == 1_000


async def test_two_hundred_conversions_with_different_keys_make_one_order(shop: Shop) -> None:
    estimate = await shop.estimate()
    path = f"/api/estimates/{estimate['estimate_id']}/convert-to-order"
    answers = await at_once(send(shop.port, "POST", path, {}, idempotency_key=f"till-{n}") for n in range(200))
    assert Counter(answer.status for answer in answers) == {200: 1, 400: 199}
    assert await shop.database.orders.count_documents({"store": shop.store}) == 1


async def test_two_hundred_identical_conversions_return_the_same_order(shop: Shop) -> None:
    estimate = await shop.estimate()
    path = f"/api/estimates/{estimate['estimate_id']}/convert-to-order"
    answers = await at_once(send(shop.port, "POST", path, {"payment_mode": "Card"}) for _ in range(200))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.content["order_id"] for answer in answers}) == 1
    assert await shop.database.orders.count_documents({"store": shop.store}) == 1


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({}, {"idempotency_key": "till-1/42"}),
        ({"created_at": "2026-11-23T21:45:00.123456"}, {}),
        ({"items": [line(id=stamp) for stamp in STAMPS]}, {}),
    ],
    ids=["key", "stamped", "cart"],
)
async def test_a_hundred_copies_of_one_sale_are_one_sale(shop: Shop, changes: Json, headers: dict[str, str]) -> None:
    body = sale_body(**changes)
    answers = await at_once(send(shop.port, "POST", SALE, body, **headers) for _ in range(100))
    assert {answer.status for answer in answers} == {201}
    assert all(answer.content == answers[0].content for answer in answers)
    assert Counter(answer.headers.get("idempotent-replayed") for answer in answers) == {None: 1, "true": 99}


async def test_the_same_cart_with_new_timestamps_is_one_sale(shop: Shop) -> None:
    cart = [line(id=stamp) for stamp in STAMPS]
    sales = await asyncio.gather(*(shop.sale(items=cart, created_at=f"2026-11-23T21:45:{n:02d}") for n in range(50)))
    assert len({sale["order_id"] for sale in sales}) == 1


async def test_of_a_delete_and_a_conversion_only_one_succeeds(shop: Shop) -> None:
    estimates = await asyncio.gather(*(shop.estimate() for _ in range(60)))

    async def race(n: int, estimate_id: str) -> tuple[int, int]:
        convert = shop.http.post(f"/api/estimates/{estimate_id}/convert-to-order")
        delete = shop.http.delete(f"/api/estimates/{estimate_id}")
        first, second = (convert, delete) if n % 2 else (delete, convert)
        answers = await asyncio.gather(first, second)
        converted, deleted = answers if n % 2 else reversed(answers)
        return converted.status_code, deleted.status_code

    outcomes = Counter(await asyncio.gather(*(race(n, each["estimate_id"]) for n, each in enumerate(estimates))))
    # Either converted, and so not deleted; or deleted, and so not found for the conversion.
    assert set(outcomes) <= {(200, 400), (404, 200)}
    assert await shop.database.orders.count_documents({"store": shop.store}) == outcomes[200, 400]


async def test_concurrent_status_changes_are_all_legal_transitions(shop: Shop) -> None:
    sale = await shop.sale()
    responses = await asyncio.gather(
        *(
            shop.http.put(f"/api/orders/{sale['order_id']}/status", params={"status": status})
            for status in ("Refunded", "Cancelled") * 20
        )
    )
    final = (await shop.get(f"/api/orders/{sale['order_id']}"))["status"]
    accepted = {response.json()["status"] for response in responses if response.status_code == 200}
    assert accepted == {final}
    assert {response.status_code for response in responses} == {200, 409}
    assert (await shop.get(f"/api/orders/{sale['order_id']}"))["version"] == 2


async def test_voiding_one_order_many_times_voids_it_once(shop: Shop) -> None:
    sale = await shop.sale()
    responses = await asyncio.gather(*(shop.http.delete(f"/api/orders/{sale['order_id']}") for _ in range(30)))
    assert Counter(response.status_code for response in responses) == {200: 1, 404: 29}


@asynccontextmanager
async def two_workers(mongodb_url: str, store: str) -> AsyncIterator[int]:
    """Run `pos serve --workers 2`, and yield the port."""
    port = free_port()
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "serve", "--workers", "2", "--port", str(port)),
        cwd=ROOT,
        env=environment(MONGODB_URL=mongodb_url, DATABASE_NAME=DATABASE, STORE_ID=store, LOG_LEVEL="warning"),
    )
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(30):
            while True:
                try:
                    assert (await client.get(f"http://127.0.0.1:{port}/health")).status_code == 200
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield port
        server.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(server.wait(), 20) in (0, -signal.SIGTERM)
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def test_two_processes_on_one_store_lose_nothing_and_every_client_gets_all_events(
    shop: Shop, mongodb_url: str
) -> None:
    sales, store = 300, f"workers-{os.getpid()}"
    async with two_workers(mongodb_url, store) as port:

        async def listen() -> list[Json]:
            async with websockets.connect(f"ws://127.0.0.1:{port}/ws") as socket:
                listening.release()
                return [json.loads(await socket.recv()) for _ in range(sales)]

        listening = asyncio.Semaphore(0)
        clients = [asyncio.create_task(listen()) for _ in range(8)]
        for _ in clients:
            await listening.acquire()
        # A new connection each, so that the kernel distributes them to both processes.
        answers = await at_once((send(port, "POST", SALE, sale_body()) for _ in range(sales)), most=30)
        received = await asyncio.wait_for(asyncio.gather(*clients), 20)
    assert {answer.status for answer in answers} == {201}
    assert {answer.content["sale_number"] for answer in answers} == {f"#{n:03d}" for n in range(1, sales + 1)}
    for frames in received:
        assert [frame["seq"] for frame in frames] == list(range(1, sales + 1))
    assert await verify(shop.database, store) == []
