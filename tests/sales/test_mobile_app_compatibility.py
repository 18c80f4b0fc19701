"""Compatibility with the existing phone app: what it sends, what it reads, and what it cannot handle."""

import re
from datetime import datetime
from typing import Any

import pytest

from tests.support.messaging.in_memory_provider import OUTSIDE, PHONE, InMemoryProvider, messages, upload
from tests.support.payloads import estimate_body, line
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]

# As the app sends it: unrounded doubles, a local time without an offset, lines with millisecond timestamps as ids.
STAMP = 1_790_000_000_000
LINES = [
    {"id": STAMP, "name": "Basmati rice 5 kg", "price": 649.99, "quantity": 3, "discount": 7.5},
    {"id": STAMP + 1, "name": "तूर डाळ १ किलो", "price": 171.35, "quantity": 7, "discount": 0.0},
]
APP_ESTIMATE = estimate_body(
    LINES, discount=3.3, created_at="2026-11-23T21:45:00.123456", customer_name="Asha Pāṭīl", sale_by="Ravi"
)
APP_SALE = {**APP_ESTIMATE, "amount_paid": APP_ESTIMATE["total"], "payment_mode": "UPI: Asha"}
MONEY = {"price", "subtotal", "discount_amount", "total", "amount_paid", "total_amount", "total_revenue", "amount"}


@pytest.fixture
async def trading(shop: Shop) -> Shop:
    """Return a shop with an estimate, a sale, and a converted estimate of the app."""
    await shop.ok("POST", "/api/estimates/create", json=APP_ESTIMATE)
    await shop.ok("POST", "/api/orders/create-sale", json=APP_SALE)
    estimate = await shop.estimate()
    await shop.convert(estimate["estimate_id"], payment_mode="Cash", sale_by="Ravi", amount_paid=100.0)
    return shop


def values(content: Any) -> list[tuple[str, Any]]:
    """Yield each (name, value) of a JSON document at any depth."""
    if isinstance(content, dict):
        return [*content.items(), *(pair for value in content.values() for pair in values(value))]
    if isinstance(content, list):
        return [pair for value in content for pair in values(value)]
    return []


READ = (
    "/api/estimates/all",
    "/api/estimates/pending",
    "/api/orders/all",
    "/api/orders/separate",
    "/api/orders/orders-only",
    "/api/reports/today",
    "/api/reports/staff-performance",
)


@pytest.mark.parametrize("path", READ)
async def test_money_always_has_a_decimal_point(trading: Shop, path: str) -> None:
    response = await trading.http.get(path)
    assert response.status_code == 200
    named = [(name, value) for name, value in values(response.json()) if name in MONEY]
    assert named
    assert all(isinstance(value, float) for _, value in named)
    for name in MONEY:
        assert not re.search(rf'"{name}":-?\d+[,}}]', response.text), name


async def test_the_apps_figures_are_accepted_and_stored_exact(trading: Shop) -> None:
    estimate = (await trading.get("/api/estimates/all"))[-1]
    # 649.99 x 3 - 7.5 % = 1803.72225, 171.35 x 7 = 1199.45; 3.3 % off 3003.17.
    assert (estimate["subtotal"], estimate["total"]) == (3003.17, 2904.07)
    assert (estimate["discount_amount"], estimate["is_percentage_discount"]) == (3.3, True)


async def test_the_estimate_list_has_the_members_that_the_app_reads(trading: Shop) -> None:
    for estimate in await trading.get("/api/estimates/all"):
        strings = ("estimate_id", "estimate_number", "customer_name", "customer_phone", "customer_address", "sale_by")
        assert all(isinstance(estimate[name], str) for name in (*strings, "status", "created_at"))
        assert all(isinstance(estimate[name], float) for name in ("total", "subtotal", "discount_amount"))
        assert all(isinstance(estimate[name], bool) for name in ("is_percentage_discount", "is_converted_to_order"))
        for item in estimate["items"]:
            assert isinstance(item["name"], str)
            assert isinstance(item["quantity"], int)
            assert isinstance(item["price"], float)
            assert isinstance(item["discount"], float)


async def test_the_order_list_has_the_members_that_the_app_reads(trading: Shop) -> None:
    orders = (await trading.get("/api/orders/orders-only"))["orders"]["items"]
    assert len(orders) == 2
    for order in orders:
        strings = ("id", "order_id", "sale_number", "customer_name", "customer_phone", "customer_address", "sale_by")
        assert all(isinstance(order[name], str) for name in (*strings, "status", "payment_mode"))
        assert all(isinstance(order[name], float) for name in ("subtotal", "discount_amount", "total", "amount_paid"))
        assert isinstance(order["is_percentage_discount"], bool)
        assert order["items_count"] == len(order["items"]) > 0
        assert order["status"].lower() == "completed"


@pytest.mark.parametrize("path", READ)
async def test_times_carry_an_offset_and_lists_come_newest_first(trading: Shop, path: str) -> None:
    content = await trading.get(path)
    times = [value for name, value in values(content) if name == "created_at"]
    for text in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}\+05:30", text)
        assert datetime.fromisoformat(text).tzinfo is not None
    if isinstance(content, list):
        assert times == sorted(times, reverse=True)


async def test_ids_are_url_safe_and_numbers_make_file_names(trading: Shop) -> None:
    for entry in await trading.get("/api/orders/all"):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", entry["id"])
        number = entry.get("sale_number") or entry["estimate_number"]
        assert not set(number) & set('/\\:*?"<>|')


async def test_a_get_may_have_a_content_type_without_a_body(trading: Shop) -> None:
    for path in READ:
        response = await trading.http.get(path, headers={"Content-Type": "application/json"})
        assert response.status_code == 200


async def test_put_and_delete_work_without_a_body(trading: Shop) -> None:
    order = (await trading.get("/api/orders/orders-only"))["orders"]["items"][0]
    changed = await trading.http.put(f"/api/orders/{order['order_id']}/status", params={"status": "Cancelled"})
    assert (changed.status_code, isinstance(changed.json()["message"], str)) == (200, True)
    deleted = await trading.http.delete(f"/api/orders/{order['order_id']}")
    assert (deleted.status_code, isinstance(deleted.json()["message"], str)) == (200, True)
    again = await trading.http.delete(f"/api/orders/{order['order_id']}")
    assert (again.status_code, isinstance(again.json()["detail"], str)) == (404, True)


async def test_dropped_answers_and_the_retry_button_make_one_sale(shop: Shop) -> None:
    # Three attempts with one body, and then the Retry button, which sends a new timestamp with the same lines.
    for stamp in ("2026-11-23T21:45:00.123456", "2026-11-23T21:46:10.654321"):
        for _ in range(3):
            response = await shop.http.post("/api/orders/create-sale", json={**APP_SALE, "created_at": stamp})
            assert response.status_code == 201
            assert response.json()["sale_number"] == "#001"
    assert (await shop.get("/api/orders/orders-only"))["orders"]["count"] == 1


async def test_a_conversion_with_a_lost_response_can_be_repeated(shop: Shop) -> None:
    estimate = await shop.estimate()
    body = {"payment_mode": "Cash", "sale_by": "Ravi", "amount_paid": 100.0}
    first, second = [await shop.convert(estimate["estimate_id"], **body) for _ in range(2)]
    assert first == second


@pytest.mark.parametrize(
    ("method", "path", "content"),
    [
        ("POST", "/api/estimates/create", b"{"),
        ("POST", "/api/estimates/create", b"{}"),
        ("POST", "/api/orders/create-sale", b'{"items": [{"price": NaN}]}'),
        ("POST", "/api/estimates/EST-NONE/convert-to-order", b"{}"),
        ("PUT", "/api/orders/ORDER-NONE/status?status=Completed", b""),
        ("DELETE", "/api/orders/ORDER-NONE", b""),
        ("GET", "/api/customers?limit=0", b""),
        ("POST", "/api/orders/all", b""),
    ],
)
async def test_every_refusal_is_json_with_a_string_detail(shop: Shop, method: str, path: str, content: bytes) -> None:
    response = await shop.http.request(method, path, content=content)
    assert 400 <= response.status_code < 500
    assert "json" in response.headers["content-type"]
    assert isinstance(response.json()["detail"], str)


async def test_a_total_slightly_below_zero_is_zero(shop: Shop) -> None:
    body = estimate_body([line(4.89, 3)], discount=14.67, is_percentage=False)
    assert body["total"] < 0
    assert (await shop.ok("POST", "/api/orders/create-sale", json=body))["total"] == 0.0


async def test_the_total_decides_whether_a_discount_is_a_percentage(shop: Shop) -> None:
    body = {**estimate_body([line(500.0)]), "discount_amount": 50.0, "is_percentage_discount": True, "total": 450.0}
    await shop.ok("POST", "/api/estimates/create", json=body)
    (estimate,) = await shop.get("/api/estimates/all")
    assert (estimate["total"], estimate["discount_amount"], estimate["is_percentage_discount"]) == (450.0, 50.0, False)


@pytest.mark.parametrize("path", ["/api/whatsapp/send", "/api/whatsapp/sms/send"])
async def test_an_accepted_message_gets_200(open_shop: OpenShop, path: str) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    answer = await shop.http.post(path, json={"phone_number": "9822012345", "message": "Hello Asha,\n\nEstimate #001"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    assert isinstance(answer.json()["message"], str)
    refused = await shop.http.post(path, json={"phone_number": "12", "message": "Hello"})
    assert (refused.status_code, isinstance(refused.json()["detail"], str)) == (422, True)


async def test_an_uploaded_estimate_gets_200_and_its_address(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    answer = await upload(shop)
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    assert (await shop.http.get(answer.json()["pdf_url"].removeprefix(OUTSIDE["public_base_url"]))).status_code == 200


async def test_the_same_text_at_both_paths_is_one_message(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    body = {"phone_number": PHONE, "message": "Your order is ready."}
    answers = [await shop.http.post(f"/api/whatsapp/{path}", json=body) for path in ("send", "sms/send", "send")]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len(await messages(shop)) == 1
