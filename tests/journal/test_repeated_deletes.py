"""A DELETE that the client repeats because its answer was lost."""

import asyncio
from typing import Any

import pytest

from tests.support.clock import Clock
from tests.support.event_log import events_of
from tests.support.shop import OpenShop, Shop

KEY = {"Idempotency-Key": "delete-1"}


async def an_estimate(shop: Shop) -> str:
    return f"/api/estimates/{(await shop.estimate())['estimate_id']}"


async def an_order(shop: Shop) -> str:
    return f"/api/orders/{(await shop.sale())['order_id']}"


async def an_order_of_an_estimate(shop: Shop) -> str:
    return f"/api/orders/{(await shop.convert((await shop.estimate())['estimate_id']))['order_id']}"


async def a_customer(shop: Shop) -> str:
    made = await shop.http.post("/api/customers/create", json={"name": "Asha"})
    return f"/api/customers/{made.json()['customer_id']}"


async def a_link(shop: Shop) -> str:
    made = await shop.http.post(f"{await an_order(shop)}/link", json={})
    return f"/api/links/{made.json()['id']}"


THINGS = pytest.mark.parametrize("make", [an_estimate, an_order, an_order_of_an_estimate, a_customer, a_link])


@THINGS
async def test_a_repeated_delete_gets_the_same_answer(shop: Shop, make: Any) -> None:
    path = await make(shop)
    first = await shop.http.delete(path, headers=KEY)
    events = await events_of(shop)
    again = await shop.http.delete(path, headers=KEY)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (200, False)
    assert (again.status_code, again.headers["idempotent-replayed"], again.text) == (200, "true", first.text)
    assert await events_of(shop) == events


@THINGS
async def test_a_delete_with_another_key_gets_a_404(shop: Shop, make: Any) -> None:
    path = await make(shop)
    await shop.ok("DELETE", path, headers=KEY)
    for headers in ({}, {"Idempotency-Key": "delete-2"}):
        gone = await shop.http.delete(path, headers=headers)
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    other = await make(shop)
    refused = await shop.http.delete(other, headers=KEY)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert (await shop.http.delete(other, headers={"Idempotency-Key": "delete-2"})).status_code == 200


@THINGS
async def test_of_concurrent_deletes_one_deletes_and_all_are_answered(shop: Shop, make: Any) -> None:
    path = await make(shop)
    answers = await asyncio.gather(*(shop.http.delete(path, headers=KEY) for _ in range(10)))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 9


async def test_a_delete_with_other_parameters_is_another_request(shop: Shop) -> None:
    path = await an_order_of_an_estimate(shop)
    await shop.ok("DELETE", path, params={"keep_estimate": "true"}, headers=KEY)
    for query in ({}, {"keep_estimate": "false"}, {"keep_estimate": "1", "reason": "a slip"}):
        refused = await shop.http.delete(path, params=query, headers=KEY)
        assert refused.json()["code"] == "idempotency_key_reused"
    again = await shop.http.delete(path, params={"keep_estimate": "1", "reason": "", "x": "y"}, headers=KEY)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")


async def test_the_key_of_a_delete_is_refused_for_a_creation(shop: Shop) -> None:
    path = await an_order(shop)
    await shop.ok("DELETE", path, headers=KEY)
    assert (await shop.http.post("/api/estimates/create", json={}, headers=KEY)).status_code == 422
    refused = await shop.http.delete(path, headers={"Idempotency-Key": "x" * 256})
    assert refused.json()["code"] == "invalid_idempotency_key"
    refused = await shop.http.delete(path, headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    assert refused.json()["code"] == "repeated_idempotency_key"


async def test_a_retry_of_a_delete_with_if_match_gets_the_same_answer(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    path = await an_estimate(shop)
    stale = await shop.http.delete(path, headers={**KEY, "If-Match": '"7"'})
    assert stale.status_code == 412
    for _ in range(2):
        assert (await shop.http.delete(path, headers={**KEY, "If-Match": '"1"'})).status_code == 200
        clock.advance(days=1)
