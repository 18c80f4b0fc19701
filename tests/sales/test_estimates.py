"""`/api/estimates`, route by route."""

from typing import Any

import orjson
import pytest

from tests.support.payloads import estimate_body, line
from tests.support.shop import Shop

CREATE = "/api/estimates/create"
FIELDS = {
    *("id", "_id", "estimate_id", "estimate_number", "customer_name", "customer_phone", "customer_address", "sale_by"),
    *("items", "items_count", "subtotal", "discount_amount", "is_percentage_discount", "discount_percentage"),
    *("discount_value", "round_off", "total", "created_at", "updated_at", "is_converted_to_order", "linked_order_id"),
    *("linked_order_number", "status", "version"),
}


async def test_a_creation_returns_the_number_and_the_receipt(shop: Shop) -> None:
    response = await shop.http.post(CREATE, json=estimate_body())
    assert response.status_code == 201
    answer = response.json()
    assert answer["success"] is True
    assert isinstance(answer["message"], str)
    assert set(answer["data"]) == {"estimate_id", "estimate_number", "customer_name", "total", "created_at"}
    assert answer["estimate_id"] == answer["data"]["estimate_id"]
    assert answer["estimate_number"] == answer["data"]["estimate_number"] == "#001"


async def test_an_estimate_is_returned_by_id_and_by_each_form_of_its_number(shop: Shop) -> None:
    receipt = await shop.estimate(items=[line(199.99, 3, 5), line(10, 0.5, name="Loose tea")], discount=10)
    shown = await shop.get(f"/api/estimates/{receipt['estimate_id']}")
    assert set(shown) == FIELDS
    assert shown["id"] == shown["_id"] == shown["estimate_id"] == receipt["estimate_id"]
    assert shown["estimate_number"] == "#001"
    assert shown["items"] == [
        {"id": 1, "name": "Test Item", "price": 199.99, "quantity": 3, "discount": 5.0, "total": 569.97},
        {"id": 1, "name": "Loose tea", "price": 10.0, "quantity": 0.5, "discount": 0.0, "total": 5.0},
    ]
    assert (shown["subtotal"], shown["discount_amount"], shown["discount_value"]) == (574.97, 10.0, 57.5)
    assert (shown["is_percentage_discount"], shown["discount_percentage"]) == (True, 10.0)
    assert shown["total"] == 517.47
    assert (shown["status"], shown["is_converted_to_order"], shown["linked_order_id"]) == ("Pending", False, None)
    for number in ("%23001", "001", "1", "0001"):
        assert await shop.get(f"/api/estimates/number/{number}") == shown


@pytest.mark.parametrize("path", ["/api/estimates/EST-NONE", "/api/estimates/number/2", "/api/estimates/number/first"])
async def test_a_missing_document_is_a_404(shop: Shop, path: str) -> None:
    await shop.estimate()
    response = await shop.http.get(path)
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


async def test_optional_fields_have_defaults_and_unknown_ones_are_ignored(shop: Shop) -> None:
    body = {"customer_name": " Asha ", "sale_by": "Ravi", "items": [line()], "subtotal": 100, "total": 100}
    receipt = await shop.ok("POST", CREATE, json={**body, "customer_phone": None, "status": "Converted", "$set": 1})
    shown = await shop.get(f"/api/estimates/{receipt['estimate_id']}")
    assert set(shown) == FIELDS
    assert (shown["customer_name"], shown["customer_phone"], shown["customer_address"]) == ("Asha", "", "")
    assert (shown["discount_amount"], shown["is_percentage_discount"], shown["status"]) == (0.0, False, "Pending")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"customer_name": ""}, "/customer_name"),
        ({"customer_name": "x" * 501}, "/customer_name"),
        ({"customer_name": 5}, "/customer_name"),
        ({"customer_name": "a\x00b"}, "/customer_name"),
        ({"sale_by": None}, "/sale_by"),
        ({"items": []}, "/items"),
        ({"items": [line()] * 1_001}, "/items"),
        ({"items": {"0": line()}}, "/items"),
        ({"items": ["rice"]}, "/items/0"),
        ({"items": [line(), line(name=" ")]}, "/items/1/name"),
        ({"items": [line(id=True)]}, "/items/0/id"),
        ({"is_percentage_discount": "yes"}, "/is_percentage_discount"),
        ({"is_percentage_discount": 1}, "/is_percentage_discount"),
        ({"total": "100"}, "/total"),
        ({"total": True}, "/total"),
        ({"subtotal": -1}, "/subtotal"),
        ({"discount_amount": -0.01}, "/discount_amount"),
    ],
)
async def test_an_invalid_field_is_reported_by_its_pointer(shop: Shop, changes: dict[str, Any], pointer: str) -> None:
    response = await shop.http.post(CREATE, json={**estimate_body(), **changes})
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "invalid_fields"
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert await shop.get("/api/estimates/all") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", -0.01),
        ("price", 10_000_000.01),
        ("price", 1e308),
        ("price", 9.999),
        ("price", "5"),
        ("quantity", 0),
        ("quantity", -1),
        ("quantity", 1_000_001),
        ("quantity", 0.0001),
        ("quantity", True),
        ("discount", -1),
        ("discount", 100.01),
    ],
)
async def test_a_line_beyond_the_limits_is_rejected(shop: Shop, field: str, value: Any) -> None:
    body = estimate_body()
    body["items"] = [{**line(), field: value}]
    response = await shop.http.post(CREATE, json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == f"/items/0/{field}"
    assert response.json()["detail"].startswith(f"Line 1, {field}:")


@pytest.mark.parametrize("missing", ["customer_name", "sale_by", "items", "subtotal", "total"])
async def test_a_missing_field_is_named(shop: Shop, missing: str) -> None:
    body = {name: value for name, value in estimate_body().items() if name != missing}
    response = await shop.http.post(CREATE, json=body)
    assert response.status_code == 422
    assert response.json()["errors"] == [{"pointer": f"/{missing}", "detail": "is missing"}]


async def test_values_at_the_limits_are_accepted(shop: Shop) -> None:
    receipt = await shop.estimate(items=[line(10_000_000.0, 1_000)])
    assert receipt["total"] == 10_000_000_000.0
    receipt = await shop.estimate(items=[line(10_000_000.0, 1_000_000, 99.9)])
    assert receipt["total"] == 10_000_000_000.0
    await shop.estimate(items=[line(0.01, 0.001)] * 1_000, customer_name="x" * 500)


async def test_wrong_totals_are_rejected_with_the_correct_ones(shop: Shop) -> None:
    response = await shop.http.post(CREATE, json={**estimate_body([line(50.0, 2)]), "total": 90.0})
    assert response.status_code == 422
    problem = response.json()
    assert problem["code"] == "totals_mismatch"
    assert problem["computed"] == {"subtotal": 100.0, "discount": 0.0, "total": 100.0}
    assert "100.00" in problem["detail"]


async def test_replacing_the_body_raises_the_version(shop: Shop) -> None:
    estimate = await shop.estimate()
    path = f"/api/estimates/{estimate['estimate_id']}"
    replaced = await shop.ok("PUT", path, json=estimate_body([line(70.0)], customer_name="Another Customer"))
    assert (replaced["customer_name"], replaced["total"], replaced["version"]) == ("Another Customer", 70.0, 2)
    assert (replaced["estimate_number"], replaced["created_at"]) == ("#001", estimate["created_at"])
    assert await shop.get(path) == replaced


@pytest.mark.parametrize(
    ("held", "status"), [('"1"', 200), ('W/"1"', 200), ("*", 200), ('"7", "1"', 200), ('"2"', 412), ("junk", 412)]
)
async def test_if_match_lets_only_the_held_version_be_replaced(shop: Shop, held: str, status: int) -> None:
    path = f"/api/estimates/{(await shop.estimate())['estimate_id']}"
    assert (await shop.http.get(path)).headers["etag"] == '"1"'
    response = await shop.http.put(path, json=estimate_body(), headers={"If-Match": held})
    assert response.status_code == status
    assert (await shop.get(path))["version"] == (2 if status == 200 else 1)


async def test_a_deleted_estimate_is_gone_and_its_number_is_not_used_again(shop: Shop) -> None:
    path = f"/api/estimates/{(await shop.estimate())['estimate_id']}"
    response = await shop.http.delete(path, params={"reason": "typing error", "by": "Ravi"})
    assert response.status_code == 200
    assert response.json()["success"] is True
    for again in (
        await shop.http.get(path),
        await shop.http.delete(path),
        await shop.http.get("/api/estimates/number/1"),
    ):
        assert again.status_code == 404
    assert await shop.get("/api/estimates/all") == []
    assert (await shop.estimate())["estimate_number"] == "#002"
    stored = await shop.database.estimates.find_one({"store": shop.store, "number": 1})
    assert stored is not None
    assert (stored["void_reason"], stored["voided_by"]) == ("typing error", "Ravi")


async def test_a_conversion_creates_an_order_paid_in_full_by_default(shop: Shop) -> None:
    estimate = await shop.estimate(items=[line(49.99, 3)], discount=5)
    response = await shop.http.post(f"/api/estimates/{estimate['estimate_id']}/convert-to-order")
    assert response.status_code == 200
    answer = response.json()
    assert set(answer["data"]) == {
        *("order_id", "sale_number", "estimate_id", "estimate_number", "customer_name", "total", "payment_mode"),
        *("created_at", "amount_paid"),
    }
    assert (answer["order_id"], answer["sale_number"]) == (answer["data"]["order_id"], "#001")
    order = await shop.get(f"/api/orders/{answer['order_id']}")
    assert order["items"] == (await shop.get(f"/api/estimates/{estimate['estimate_id']}"))["items"]
    assert (order["payment_mode"], order["sale_by"], order["status"]) == ("Cash", "Test User", "Completed")
    assert order["amount_paid"] == order["total"] == estimate["total"]
    assert (order["source_estimate_id"], order["source_estimate_number"]) == (estimate["estimate_id"], "#001")
    assert order["is_from_estimate"] is True


async def test_a_conversion_uses_payment_and_seller_of_the_body(shop: Shop) -> None:
    estimate = await shop.estimate()
    receipt = await shop.convert(estimate["estimate_id"], payment_mode="UPI: Asha", sale_by="Ravi", amount_paid=40)
    assert (receipt["payment_mode"], receipt["amount_paid"]) == ("UPI: Asha", 40.0)
    assert (await shop.get(f"/api/orders/{receipt['order_id']}"))["sale_by"] == "Ravi"


async def test_a_converted_estimate_is_marked_and_cannot_be_converted_changed_or_deleted(shop: Shop) -> None:
    estimate = await shop.estimate()
    order = await shop.convert(estimate["estimate_id"])
    path = f"/api/estimates/{estimate['estimate_id']}"
    shown = await shop.get(path)
    assert (shown["status"], shown["is_converted_to_order"]) == ("Converted", True)
    assert (shown["linked_order_id"], shown["linked_order_number"]) == (order["order_id"], "#001")
    refusals = (
        await shop.http.post(f"{path}/convert-to-order", json={"payment_mode": "Card"}),
        await shop.http.put(path, json=estimate_body()),
        await shop.http.delete(path),
    )
    for refusal in refusals:
        assert refusal.status_code == 400
        assert refusal.json()["code"] == "already_converted"


async def test_converting_a_missing_estimate_is_a_404(shop: Shop) -> None:
    assert (await shop.http.post("/api/estimates/EST-NONE/convert-to-order")).status_code == 404
    path = f"/api/estimates/{(await shop.estimate())['estimate_id']}"
    await shop.ok("DELETE", path)
    assert (await shop.http.post(f"{path}/convert-to-order")).status_code == 404


async def test_pending_and_converted_are_lists_and_not_ids(shop: Shop) -> None:
    first, second = await shop.estimate(), await shop.estimate()
    await shop.convert(first["estimate_id"])
    assert [each["id"] for each in await shop.get("/api/estimates/pending")] == [second["estimate_id"]]
    assert [each["id"] for each in await shop.get("/api/estimates/converted")] == [first["estimate_id"]]
    assert len(await shop.get("/api/estimates/all")) == 2


@pytest.mark.parametrize("body", [b"", b"  ", b"null", b"{}"])
async def test_a_conversion_needs_no_body(shop: Shop, body: bytes) -> None:
    estimate = await shop.estimate()
    path = f"/api/estimates/{estimate['estimate_id']}/convert-to-order"
    assert (await shop.http.post(path, content=body)).status_code == 200


async def test_a_byte_order_mark_before_the_body_is_ignored(shop: Shop) -> None:
    content = "\ufeff".encode() + orjson.dumps(estimate_body())
    assert (await shop.http.post("/api/estimates/create", content=content)).status_code == 201


@pytest.mark.parametrize("name", ["\u200b", " \u2060\u00ad ", "\ufeff"])
async def test_an_invisible_name_is_refused(shop: Shop, name: str) -> None:
    response = await shop.http.post("/api/estimates/create", json=estimate_body(customer_name=name))
    assert response.json()["errors"] == [{"pointer": "/customer_name", "detail": "must not be empty"}]


async def test_an_empty_reason_is_null_and_an_empty_name_that_of_the_actor(shop: Shop) -> None:
    estimate = await shop.estimate()
    await shop.ok("DELETE", f"/api/estimates/{estimate['estimate_id']}?reason=&by=")
    voided = await shop.database.estimates.find_one({"_id": estimate["estimate_id"]})
    assert voided is not None
    assert (voided["void_reason"], voided["voided_by"]) == (None, "open")
