"""A repeated request is one sale: by its key, its timestamp, or its cart."""

from typing import Any

import pytest

from tests.support.clock import Clock
from tests.support.event_log import events_of, keys_of
from tests.support.payloads import line, sale_body
from tests.support.shop import OpenShop, Shop

SALE = "/api/orders/create-sale"
CART = [line(id=1_790_000_000_001), line(50.0, id=1_790_000_000_002)]


async def count(shop: Shop) -> int:
    return await shop.database.orders.count_documents({"store": shop.store, "voided_at": None})


async def test_a_repeated_key_returns_the_first_answer(shop: Shop) -> None:
    first = await shop.http.post(SALE, json=sale_body(), headers={"Idempotency-Key": "a"})
    second = await shop.http.post(SALE, json=sale_body(), headers={"Idempotency-Key": "a"})
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert (second.status_code, second.text) == (201, first.text)
    assert await count(shop) == 1


async def test_another_body_under_the_same_key_is_refused(shop: Shop) -> None:
    await shop.http.post(SALE, json=sale_body(), headers={"Idempotency-Key": "a"})
    response = await shop.http.post(SALE, json=sale_body(customer_name="B"), headers={"Idempotency-Key": "a"})
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    response = await shop.http.post("/api/estimates/create", json=sale_body(), headers={"Idempotency-Key": "a"})
    assert response.status_code == 422


async def test_different_keys_are_different_sales(shop: Shop) -> None:
    for key in "ab":
        await shop.http.post(SALE, json=sale_body(created_at="2026-01-01"), headers={"Idempotency-Key": key})
    assert await count(shop) == 2


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_malformed_key_is_refused(shop: Shop, key: str) -> None:
    response = await shop.http.post(SALE, json=sale_body(), headers={"Idempotency-Key": key})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_idempotency_key")


@pytest.mark.parametrize("second", ["a", "b", ""])
async def test_two_keys_in_one_request_are_refused(shop: Shop, second: str) -> None:
    keys = [("Idempotency-Key", "a"), ("idempotency-key", second)]
    estimate = await shop.estimate()
    for path in (SALE, "/api/estimates/create", f"/api/estimates/{estimate['estimate_id']}/convert-to-order"):
        response = await shop.http.post(path, json=sale_body(), headers=keys)
        assert (response.status_code, response.json()["code"]) == (400, "repeated_idempotency_key")
    assert await count(shop) == 0
    assert (await shop.get(f"/api/estimates/{estimate['estimate_id']}"))["status"] == "Pending"


async def test_a_repeated_body_with_a_timestamp_is_the_same_sale(shop: Shop) -> None:
    sales = [await shop.sale(created_at="2026-11-23T21:45:00.123456") for _ in range(3)]
    assert len({sale["order_id"] for sale in sales}) == 1
    other = await shop.sale(created_at="2026-11-23T21:45:00.123457")
    assert other["order_id"] != sales[0]["order_id"]


async def test_without_timestamp_and_key_each_request_is_a_new_sale(shop: Shop) -> None:
    assert (await shop.sale())["order_id"] != (await shop.sale())["order_id"]


async def test_a_cart_with_a_new_timestamp_is_the_same_sale_for_ten_minutes(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    first = await shop.sale(items=CART, created_at="2026-03-14T15:00:00")
    clock.advance(minutes=9, seconds=59)
    assert await shop.sale(items=CART, created_at="2026-03-14T15:09:59") == first
    clock.advance(seconds=1)
    later = await shop.sale(items=CART, created_at="2026-03-14T15:10:00")
    assert later["order_id"] != first["order_id"]
    # From now on the cart identifies the later sale.
    clock.advance(minutes=5)
    assert await shop.sale(items=CART, created_at="2026-03-14T15:15:00") == later


@pytest.mark.parametrize(
    "changes",
    [
        {"customer_name": "Another Customer"},
        {"customer_phone": "999"},
        {"items": [CART[0], line(51.0, id=CART[1]["id"])]},
        {"items": [CART[0]]},
        {"items": [line(id=1), line(50.0, id=2)]},
    ],
)
async def test_another_cart_or_customer_is_another_sale(shop: Shop, changes: dict[str, Any]) -> None:
    first = await shop.sale(items=CART)
    assert (await shop.sale(**{"items": CART, **changes}))["order_id"] != first["order_id"]


async def test_a_cart_whose_sale_was_voided_may_be_sold_again(shop: Shop) -> None:
    first = await shop.sale(items=CART)
    await shop.ok("DELETE", f"/api/orders/{first['order_id']}")
    second = await shop.sale(items=CART)
    assert second["sale_number"] == "#002"
    assert await shop.sale(items=CART) == second


@pytest.mark.parametrize("status", ["Cancelled", "Refunded"])
async def test_a_cart_whose_sale_was_cancelled_or_refunded_may_be_sold_again(shop: Shop, status: str) -> None:
    stamp = "2026-12-01T10:20:30.5"
    first = await shop.sale(items=CART, created_at=stamp)
    await shop.ok("PUT", f"/api/orders/{first['order_id']}/status", params={"status": status})
    # A late retry of the same request still gets that sale.
    assert await shop.sale(items=CART, created_at=stamp) == first
    second = await shop.sale(items=CART, created_at="2026-12-01T10:21:30.5", payment_mode="Card")
    assert second["sale_number"] == "#002"


async def test_an_estimate_and_a_sale_of_one_cart_are_different_documents(shop: Shop) -> None:
    assert (await shop.estimate(items=CART))["estimate_number"] == "#001"
    assert (await shop.sale(items=CART))["sale_number"] == "#001"


async def test_a_repeated_conversion_gets_the_same_answer(shop: Shop) -> None:
    path = f"/api/estimates/{(await shop.estimate())['estimate_id']}/convert-to-order"
    first = await shop.http.post(path, json={"payment_mode": "Card"})
    again = await shop.http.post(path, json={"payment_mode": "Card"})
    assert (again.status_code, again.text) == (200, first.text)
    assert again.headers["idempotent-replayed"] == "true"
    assert (await shop.http.post(path, json={"payment_mode": "Cash"})).status_code == 400
    assert (
        await shop.http.post(path, json={"payment_mode": "Card"}, headers={"Idempotency-Key": "b"})
    ).status_code == 400


async def test_a_refusal_is_not_stored(shop: Shop) -> None:
    key = {"Idempotency-Key": "a"}
    refused = await shop.http.post(SALE, json={**sale_body(), "total": 1.0}, headers=key)
    assert refused.status_code == 422
    assert (await shop.http.post(SALE, json=sale_body(), headers=key)).status_code == 201
    missing = await shop.http.post("/api/estimates/EST-NONE/convert-to-order", headers={"Idempotency-Key": "b"})
    assert missing.status_code == 404
    assert [each["key"] for each in await keys_of(shop.database, shop.store)] == ["header:a"]


async def test_a_replay_makes_no_event(shop: Shop) -> None:
    for _ in range(3):
        await shop.sale(created_at="2026-01-01T10:00:00.5")
    assert len(await events_of(shop)) == 1
