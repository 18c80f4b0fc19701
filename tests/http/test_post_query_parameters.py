"""Query parameters of a POST: known ones are used, all others are rejected by name."""

from typing import Any

import pytest

from endpoints.accounts.guard import GuardedRoute
from endpoints.routes import ROUTES
from tests.support.payloads import sale_body
from tests.support.shop import Shop

#: Sign-in by PIN needs a device, which is checked before the query.
TABLE = [route for route in ROUTES if isinstance(route, GuardedRoute)]
POSTS = {route.path for route in TABLE if "POST" in route.roles and not route.takes_any_query}
POSTS -= {"/api/auth/pin"}
QUERY = {"payment_mode": "Card", "sale_by": "Ravi", "amount_paid": "40.5"}


async def conversion(shop: Shop) -> str:
    return f"/api/estimates/{(await shop.estimate())['estimate_id']}/convert-to-order"


async def newest_order(shop: Shop) -> Any:
    """Return payment mode, seller and amount paid of the newest order."""
    order = (await shop.get("/api/orders/orders-only", limit=1))["orders"]["items"][0]
    return order["payment_mode"], order["sale_by"], order["amount_paid"]


@pytest.mark.parametrize("body", [None, {}, {"payment_mode": None}, {"payment_mode": "Card", "amount_paid": 40.50}])
async def test_a_conversion_uses_the_parameters_of_its_query(shop: Shop, body: Any) -> None:
    response = await shop.http.post(await conversion(shop), params=QUERY, json=body)
    assert response.status_code == 200, response.text
    assert await newest_order(shop) == ("Card", "Ravi", 40.5)


async def test_query_and_body_complement_each_other(shop: Shop) -> None:
    await shop.ok("POST", await conversion(shop), params={"payment_mode": "Card"}, json={"sale_by": "Ravi"})
    assert await newest_order(shop) == ("Card", "Ravi", 100.0)


@pytest.mark.parametrize("name", list(QUERY))
async def test_a_blank_parameter_is_ignored(shop: Shop, name: str) -> None:
    await shop.ok("POST", await conversion(shop), params={name: " "})
    assert await newest_order(shop) == ("Cash", "Test User", 100.0)


@pytest.mark.parametrize(
    ("query", "body", "name"),
    [
        ({"payment_mode": "Card"}, {"payment_mode": "Cash"}, "payment_mode"),
        ({"sale_by": "Ravi"}, {"sale_by": "Asha"}, "sale_by"),
        ({"amount_paid": "40"}, {"amount_paid": 4}, "amount_paid"),
        ({"amount_paid": "all"}, {}, "amount_paid"),
        ({"amount_paid": "-1"}, {}, "amount_paid"),
        ({"amount_paid": "NaN"}, {}, "amount_paid"),
        ({"amount_paid": "true"}, {}, "amount_paid"),
        ({"amount_paid": "10000000000.01"}, {}, "amount_paid"),
        ({"payment_mode": ["Card", "Cash"]}, {}, "payment_mode"),
        ({"payment": "Card"}, {}, "payment"),
    ],
)
async def test_an_invalid_or_contradicting_parameter_is_rejected_by_name(
    shop: Shop, query: Any, body: Any, name: str
) -> None:
    path = await conversion(shop)
    refused = await shop.http.post(path, params=query, json=body)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "invalid_query")
    assert problem["errors"][0]["pointer"] == f"/{name}"
    assert problem["detail"].startswith(f"{name}: ")
    assert (await shop.http.post(path, json=body)).status_code == 200


async def test_query_and_body_together_identify_a_request(shop: Shop) -> None:
    path = await conversion(shop)
    first = await shop.http.post(path, params={"payment_mode": "Card"})
    again = await shop.http.post(path, json={"payment_mode": "Card"})
    assert (again.headers["idempotent-replayed"], again.text) == ("true", first.text)
    assert (await shop.http.post(path, params={"payment_mode": "Cash"})).json()["code"] == "already_converted"
    key = {"Idempotency-Key": "a"}
    path = await conversion(shop)
    await shop.ok("POST", path, params={"payment_mode": "Card"}, headers=key)
    refused = await shop.http.post(path, params={"payment_mode": "UPI"}, headers=key)
    assert refused.json()["code"] == "idempotency_key_reused"


async def test_an_unknown_parameter_of_a_post_is_rejected_by_name(shop: Shop) -> None:
    for path in POSTS:
        for query in ("x=1", "payment_mod=Card&x=1", "x", "x=", "amount_paid=1&%78=2"):
            refused = await shop.http.post(f"{path}?{query}", json=sale_body())
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (422, "invalid_query"), path
            assert "/x" in {error["pointer"] for error in problem["errors"]}
    for kind in ("orders", "estimates", "customers", "users"):
        assert not await shop.database[kind].count_documents({"store": shop.store})


async def test_a_sale_with_the_payment_mode_in_its_query_is_rejected(shop: Shop) -> None:
    refused = await shop.http.post("/api/orders/create-sale?payment_mode=Card", json=sale_body())
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/payment_mode")
    assert (await shop.http.post("/api/orders/create-sale?", json=sale_body())).status_code == 201


async def test_a_long_parameter_name_is_shortened_in_the_error(shop: Shop) -> None:
    refused = await shop.http.post(f"/api/orders/create-sale?{'x' * 9_000}=1", json=sale_body())
    assert refused.status_code == 422
    assert len(refused.content) < 1_000
