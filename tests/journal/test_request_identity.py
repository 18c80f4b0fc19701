"""The identity of a request: its key, a precise timestamp, or a cart; and the content that must be equal too."""

import json
from typing import Any

import httpx
import pytest

from schemas.fields.validation import load_body
from schemas.journal.idempotency import IncomingRequest, creation_keys
from schemas.sales.bodies import SaleBody
from schemas.sales.documents import draft_sale
from tests.support.clock import Clock
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.shop import OpenShop, Shop

SALE = "/api/orders/create-sale"
ESTIMATE = "/api/estimates/create"
PRECISE = "2026-12-01T10:20:30.123456"
CART = [line(id=1_790_000_000_001), line(50.0, id=1_790_000_000_002)]
COARSE = (
    *("", " ", "2026-12-01", "2026-12-01T10:20", "2026-12-01T10:20:30", "2026-12-01 10:20:30", "2026-12-01T10:20:30Z"),
    *("2026-12-01T10:20:30+05:30", "2026-12-01T10:20:30.000", "2026-12-01T00:00:00.000000Z", "today.5", "0.5"),
)


async def count(shop: Shop, kind: str = "orders") -> int:
    return await shop.database[kind].count_documents({"store": shop.store, "voided_at": None})


async def post(shop: Shop, path: str, body: Any, **headers: str) -> httpx.Response:
    """Post JSON; a text is sent unchanged."""
    content = body if isinstance(body, str) else json.dumps(body)
    return await shop.http.post(path, content=content, headers={"Content-Type": "application/json", **headers})


def is_replay(response: httpx.Response) -> bool:
    return response.is_success and response.headers.get("idempotent-replayed") == "true"


@pytest.mark.parametrize("stamp", COARSE)
async def test_the_same_basket_with_the_same_coarse_timestamp_is_two_sales(shop: Shop, stamp: str) -> None:
    for path, kind in ((SALE, "orders"), (ESTIMATE, "estimates")):
        for _ in range(2):
            response = await post(shop, path, sale_body(created_at=stamp))
            assert (response.status_code, is_replay(response)) == (201, False)
        assert await count(shop, kind) == 2


@pytest.mark.parametrize("stamp", COARSE)
async def test_with_a_coarse_timestamp_the_cart_identifies_the_sale(shop: Shop, stamp: str) -> None:
    first = await shop.sale(items=CART, created_at=stamp)
    assert await shop.sale(items=CART, created_at=stamp) == first
    assert (await shop.sale(items=CART, created_at=stamp, customer_name="Another"))["order_id"] != first["order_id"]


@pytest.mark.parametrize(
    ("stamp", "again"),
    [
        (PRECISE, PRECISE),
        ("2026-12-01T10:20:30.1", "2026-12-01T10:20:30.100"),
        ("2026-12-01 10:20:30.123", "2026-12-01T10:20:30.123000"),
        ("2026-12-01T10:20:30.5+05:30", "2026-12-01T04:50:30.500Z"),
    ],
)
async def test_a_timestamp_with_fractions_identifies_a_sale_in_any_notation(shop: Shop, stamp: str, again: str) -> None:
    first = await shop.sale(created_at=stamp)
    assert await shop.sale(created_at=again) == first
    assert (await shop.sale(created_at=again, sale_by="Another"))["order_id"] != first["order_id"]


#: The same content in several notations.
CONTENT = sale_body([line(50.0, 2)], discount=0.0, created_at=PRECISE)
NOTATIONS = {
    "numbers as integers": json.dumps(CONTENT).replace("50.0", "50").replace("100.0", "100"),
    "numbers with an exponent": json.dumps(CONTENT).replace("50.0", "5e1").replace("100.0", "1e2"),
    "numbers with zeros": json.dumps(CONTENT).replace("50.0", "50.000").replace("100.0", "100.00"),
    "null for what is left out": {**CONTENT, "amount_paid": None, "payment_mode": None},
    "an unknown member": {**CONTENT, "tip": None, "till": 7},
    "a default written out": {**CONTENT, "amount_paid": 100.0, "payment_mode": "Cash"},
    "another order of members": dict(reversed(CONTENT.items())),
    "another order in a line": {**CONTENT, "items": [dict(reversed(CONTENT["items"][0].items()))]},
    "a blank around a text": {**CONTENT, "customer_name": f" {CONTENT['customer_name']} "},
    "noise of a float": {**CONTENT, "total": 100.00000000000001, "subtotal": 99.99999999999999},
    "a default of a line left out": {
        **CONTENT,
        "items": [{n: v for n, v in CONTENT["items"][0].items() if n != "discount"}],
    },
    "an escaped character": json.dumps(CONTENT).replace("Test Customer", "Test\\u0020Customer"),
    "blanks between": json.dumps(CONTENT, indent=2),
}


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "till-1"}], ids=["by its stamp", "by its key"])
@pytest.mark.parametrize("notation", NOTATIONS.values(), ids=list(NOTATIONS))
async def test_a_retry_in_another_notation_is_the_same_sale(shop: Shop, notation: Any, key: dict[str, str]) -> None:
    first = await post(shop, SALE, CONTENT, **key)
    again = await post(shop, SALE, notation, **key)
    assert is_replay(again), again.text
    assert again.text == first.text
    assert await count(shop) == 1


async def test_a_retry_of_a_cart_in_another_notation_is_the_same_sale(shop: Shop) -> None:
    first = await shop.sale(items=CART)
    text = json.dumps(sale_body(CART, created_at="2026-12-01T11:00:00.5", amount_paid=150))
    again = await post(shop, SALE, text.replace("1790000000001", "1790000000001.0").replace("50.0", "5e1"))
    assert is_replay(again)
    assert again.json()["data"] == first


@pytest.mark.parametrize(
    "changes",
    [
        *({"customer_name": "B"}, {"customer_phone": "9"}, {"customer_address": "B"}, {"sale_by": "B"}),
        *({"payment_mode": "Card"}, {"amount_paid": 99.99}, {"is_percentage_discount": False}),
        {"items": [line(100.0)]},
        {"items": [line(50.0, 2, name="Another")]},
    ],
)
async def test_other_content_under_the_same_key_is_refused(shop: Shop, changes: dict[str, Any]) -> None:
    await post(shop, SALE, CONTENT, **{"Idempotency-Key": "till-1"})
    refused = await post(shop, SALE, {**CONTENT, **changes}, **{"Idempotency-Key": "till-1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert await count(shop) == 1


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "till-1"}], ids=["by its estimate", "by its key"])
@pytest.mark.parametrize(
    ("body", "again"),
    [
        ({}, {"payment_mode": "Cash"}),
        ({"payment_mode": "Cash"}, None),
        ({}, {"amount_paid": 100, "payment_mode": None}),
        ({"amount_paid": 100.0, "sale_by": "Test User"}, {}),
        ({"amount_paid": 4e1, "sale_by": "Ravi"}, {"sale_by": " Ravi ", "amount_paid": 40.0, "till": 3}),
    ],
)
async def test_a_conversion_in_another_notation_is_the_same(
    shop: Shop, body: Any, again: Any, key: dict[str, str]
) -> None:
    path = f"/api/estimates/{(await shop.estimate())['estimate_id']}/convert-to-order"
    first = await post(shop, path, body, **key)
    second = await post(shop, path, "" if again is None else again, **key)
    assert is_replay(second), second.text
    assert second.text == first.text


@pytest.mark.parametrize("changes", [{"payment_mode": "Card"}, {"amount_paid": 40}, {"sale_by": "Ravi"}])
async def test_a_second_conversion_is_refused_with_the_existing_order(shop: Shop, changes: dict[str, Any]) -> None:
    path = f"/api/estimates/{(await shop.estimate())['estimate_id']}/convert-to-order"
    first = (await post(shop, path, {})).json()
    refused = await post(shop, path, changes)
    assert (refused.status_code, refused.json()["code"]) == (400, "already_converted")
    assert (refused.json()["order_id"], refused.json()["sale_number"]) == (first["order_id"], first["sale_number"])
    assert first["sale_number"] in refused.json()["detail"]
    first = await post(shop, path, {}, **{"Idempotency-Key": "late"})
    assert first.status_code == 400


async def test_a_customer_in_another_notation_is_created_once(shop: Shop) -> None:
    body = {"name": "Asha", "created_at": PRECISE}
    for key in ({}, {"Idempotency-Key": "till-1"}):
        first = await post(shop, "/api/customers/create", body, **key)
        again = await post(shop, "/api/customers/create", {**body, "phone": "", "notes": None, "x": 1}, **key)
        assert is_replay(again)
        assert again.text == first.text


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"payment_mode": "UPI: Asha", "amount_paid": 4.0}),
        ({"payment_mode": "Cash"}, {"payment_mode": "Card"}),
        ({"amount_paid": 150.0}, {"amount_paid": 4.0}),
        ({"amount_paid": 4.0}, {}),
        ({"payment_mode": "UPI: Asha"}, {"payment_mode": "UPI: Ravi"}),
    ],
)
async def test_the_same_cart_with_another_payment_is_refused_with_the_first_sale(
    shop: Shop, first: dict[str, Any], second: dict[str, Any]
) -> None:
    sale = await shop.sale(items=CART, created_at="2026-12-01T10:20:30.1", **first)
    for stamp in ("2026-12-01T10:21:30.1", "2026-12-01T10:20:30.1"):
        refused = await post(shop, SALE, sale_body(CART, created_at=stamp, **second))
        problem = refused.json()
        assert (refused.status_code, problem["code"]) == (409, "sold_otherwise")
        assert (problem["order_id"], problem["sale_number"]) == (sale["order_id"], sale["sale_number"])
        assert sale["sale_number"] in problem["detail"]
        assert (problem["payment_mode"], problem["amount_paid"]) == (
            first.get("payment_mode", "Cash"),
            first.get("amount_paid", 150.0),
        )
    assert await count(shop) == 1
    # The cashier then deletes the first sale, and books the cart again.
    await shop.ok("DELETE", f"/api/orders/{sale['order_id']}")
    assert (await shop.sale(items=CART, **second))["sale_number"] == "#002"


async def test_the_apps_retry_with_the_same_payment_gets_the_first_answer(shop: Shop) -> None:
    for payment in ({}, {"payment_mode": "Card", "amount_paid": 40.0}):
        cart = [line(id=1_790_000_000_003 + len(payment))]
        first = await shop.sale(items=cart, created_at="2026-12-01T10:20:30.1", **payment)
        assert await shop.sale(items=cart, created_at="2026-12-01T10:29:30.9", **payment) == first


async def test_after_ten_minutes_another_payment_of_the_cart_is_another_sale(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    await shop.sale(items=CART)
    clock.advance(minutes=10)
    assert (await shop.sale(items=CART, payment_mode="Card"))["sale_number"] == "#002"


async def test_payments_of_estimates_are_not_compared(shop: Shop) -> None:
    first = await shop.estimate(items=CART)
    assert await shop.estimate(items=CART, payment_mode="Card", amount_paid=1.0) == first


def test_keys_depend_only_on_the_meaning_of_a_body() -> None:
    for changes in ({}, {"till": 7}, {"amount_paid": 100}, {"payment_mode": "Cash"}):
        body = {**estimate_body(created_at=PRECISE), **changes}
        draft = draft_sale(load_body(SaleBody(), body))
        assert creation_keys(IncomingRequest(None, SALE, body), draft) == creation_keys(
            IncomingRequest(None, SALE, estimate_body(created_at=PRECISE)),
            draft_sale(load_body(SaleBody(), estimate_body())),
        )


def test_keys_are_those_of_earlier_versions() -> None:
    """Check literal keys: if these changed, no retry of an earlier request would be recognized."""
    tea = {"id": 1_767_225_600_123, "name": "Tea", "price": 10_000, "quantity": 1_000, "discount": 0, "total": 10_000}
    customer = {"customer_name": "Asha", "customer_phone": "9822012345"}
    draft = {**customer, "total": 10_000, "items": [tea], "payment_mode": "Cash", "amount_paid": 10_000}
    [header] = creation_keys(IncomingRequest("till-1", SALE, {}), draft)
    stamped = IncomingRequest(None, SALE, {"created_at": "2026-03-14T09:30:00.123456"})
    stamp, lines = creation_keys(stamped, draft)
    assert (header.key, header.fingerprint) == ("header:till-1", "4c68ceb66059759ab10d8c93e955e7729b32fb7e")
    assert stamp.key == "stamp:3562e3c3fcb5af82c01ffdcf0449ee00abfa76dc"
    assert lines.key == "lines:4da004e2b716610a4e0eebdac4ebe48d15c318f7"
