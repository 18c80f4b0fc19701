"""`/api/orders`, route by route, without the lists."""

from typing import Any

import pytest

from tests.support.payloads import line, sale_body
from tests.support.shop import Shop

SALE = "/api/orders/create-sale"


async def test_a_sale_returns_its_number_and_the_receipt(shop: Shop) -> None:
    response = await shop.http.post(SALE, json=sale_body())
    assert response.status_code == 201
    answer = response.json()
    assert answer["success"] is True
    assert set(answer["data"]) == {"order_id", "sale_number", "customer_name", "total", "created_at"}
    assert (answer["order_id"], answer["sale_number"]) == (answer["data"]["order_id"], "#001")


async def test_a_sale_is_returned_by_id_and_by_each_form_of_its_number(shop: Shop) -> None:
    sale = await shop.sale(amount_paid=60.0, payment_mode="Card")
    shown = await shop.get(f"/api/orders/{sale['order_id']}")
    assert shown["id"] == shown["_id"] == shown["order_id"] == sale["order_id"]
    assert (shown["sale_number"], shown["status"], shown["payment_mode"]) == ("#001", "Completed", "Card")
    assert (shown["total"], shown["amount_paid"]) == (100.0, 60.0)
    assert (shown["source_estimate_id"], shown["source_estimate_number"]) == (None, None)
    assert shown["is_from_estimate"] is False
    for number in ("%23001", "001", "1"):
        assert await shop.get(f"/api/orders/number/{number}") == shown


@pytest.mark.parametrize(
    ("changes", "paid"),
    [({}, 100.0), ({"amount_paid": None}, 100.0), ({"amount_paid": 0}, 0.0), ({"amount_paid": 99.995}, 100.0)],
)
async def test_the_amount_paid_defaults_to_the_total(shop: Shop, changes: Any, paid: float) -> None:
    sale = await shop.sale(**changes)
    assert (await shop.get(f"/api/orders/{sale['order_id']}"))["amount_paid"] == paid


async def test_the_amount_paid_is_not_raised_to_the_exact_total(shop: Shop) -> None:
    # Rounded at the end by the client, 3 x 33.335 is 100.005; rounded for each line it is 100.02.
    items = [line(66.67, 0.5) for _ in range(3)]
    body = sale_body(items)
    for paid in ({"amount_paid": body["total"]}, {}):
        sale = await shop.sale(items=items, **paid)
        shown = await shop.get(f"/api/orders/{sale['order_id']}")
        assert (shown["total"], shown["amount_paid"]) == (100.02, 100.01)


@pytest.mark.parametrize("value", ["all of it", -1, True, [1], 1e300])
async def test_an_invalid_amount_paid_is_rejected(shop: Shop, value: Any) -> None:
    response = await shop.http.post(SALE, json={**sale_body(), "amount_paid": value})
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/amount_paid"


@pytest.mark.parametrize("path", ["/api/orders/ORDER-NONE", "/api/orders/number/9", "/api/orders/number/%23"])
async def test_a_missing_document_is_a_404(shop: Shop, path: str) -> None:
    response = await shop.http.get(path)
    assert response.status_code == 404
    assert isinstance(response.json()["detail"], str)


@pytest.mark.parametrize(
    "way",
    [{"params": {"status": "cancelled"}}, {"params": {"new_status": "CANCELLED"}}, {"json": {"status": "Cancelled"}}],
)
async def test_a_status_may_be_in_the_query_or_the_body_in_any_case(shop: Shop, way: dict[str, Any]) -> None:
    path = f"/api/orders/{(await shop.sale())['order_id']}"
    answer = await shop.ok("PUT", f"{path}/status", **way)
    assert (answer["success"], answer["status"]) == (True, "Cancelled")
    assert isinstance(answer["message"], str)
    assert (await shop.get(path))["status"] == "Cancelled"


async def test_the_current_status_is_accepted_and_changes_nothing(shop: Shop) -> None:
    path = f"/api/orders/{(await shop.sale())['order_id']}"
    before = await shop.get(path)
    assert (await shop.ok("PUT", f"{path}/status", params={"status": "Completed"}))["status"] == "Completed"
    assert await shop.get(path) == before


async def test_an_illegal_change_lists_the_legal_ones(shop: Shop) -> None:
    path = f"/api/orders/{(await shop.sale())['order_id']}/status"
    response = await shop.http.put(path, params={"status": "Pending"})
    assert response.status_code == 409
    assert response.json()["allowed"] == ["Cancelled", "Refunded"]
    await shop.ok("PUT", path, params={"status": "Refunded"})
    final = await shop.http.put(path, params={"status": "Completed"})
    assert (final.status_code, final.json()["allowed"]) == (409, [])


@pytest.mark.parametrize("way", [{}, {"params": {"status": "Lost"}}, {"json": {"status": 5}}, {"json": {}}])
async def test_an_unknown_or_missing_status_is_rejected(shop: Shop, way: dict[str, Any]) -> None:
    response = await shop.http.put(f"/api/orders/{(await shop.sale())['order_id']}/status", **way)
    assert response.status_code == 422


async def test_a_status_of_a_missing_order_is_a_404(shop: Shop) -> None:
    assert (await shop.http.put("/api/orders/ORDER-NONE/status", params={"status": "Refunded"})).status_code == 404


async def test_deleting_an_order_deletes_its_estimate(shop: Shop) -> None:
    estimate = await shop.estimate()
    order = await shop.convert(estimate["estimate_id"])
    response = await shop.http.delete(f"/api/orders/{order['order_id']}")
    assert (response.status_code, response.json()["success"]) == (200, True)
    for path in (f"/api/orders/{order['order_id']}", f"/api/estimates/{estimate['estimate_id']}"):
        assert (await shop.http.get(path)).status_code == 404
    assert await shop.get("/api/orders/all") == []
    assert (await shop.sale())["sale_number"] == "#002"


async def test_a_kept_estimate_is_pending_and_can_be_converted_again(shop: Shop) -> None:
    estimate = await shop.estimate()
    first = await shop.convert(estimate["estimate_id"])
    await shop.ok("DELETE", f"/api/orders/{first['order_id']}", params={"keep_estimate": "true"})
    shown = await shop.get(f"/api/estimates/{estimate['estimate_id']}")
    assert (shown["status"], shown["linked_order_id"], shown["linked_order_number"]) == ("Pending", None, None)
    second = await shop.convert(estimate["estimate_id"])
    assert (second["sale_number"], second["order_id"] == first["order_id"]) == ("#002", False)


async def test_a_changed_order_is_not_deleted_by_a_stale_version(shop: Shop) -> None:
    path = f"/api/orders/{(await shop.sale())['order_id']}"
    await shop.ok("PUT", f"{path}/status", params={"status": "Refunded"})
    assert (await shop.http.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await shop.http.delete(path, headers={"If-Match": '"2"'})).status_code == 200
