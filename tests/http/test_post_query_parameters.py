"""Query members of a POST: those with a meaning are honoured, all others are refused by name."""

from typing import Any

import pytest

from endpoints.accounts.guard import GuardedRoute
from endpoints.routes import ROUTES
from tests.support.payloads import sale_body
from tests.support.shop import Shop

#: Nobody but a device may ask for a PIN, and is refused as such before.
TABLE = [route for route in ROUTES if isinstance(route, GuardedRoute)]
POSTS = {route.path for route in TABLE if "POST" in route.roles and not route.takes_any_query}
POSTS -= {"/api/auth/pin"}
HOW = {"payment_mode": "Card", "sale_by": "Ravi", "amount_paid": "40.5"}


async def conversion(shop: Shop) -> str:
    return f"/api/estimates/{(await shop.estimate())['estimate_id']}/convert-to-order"


async def booked(shop: Shop) -> Any:
    """How the newest order was paid, and who sold it."""
    order = (await shop.get("/api/orders/orders-only", limit=1))["orders"]["items"][0]
    return order["payment_mode"], order["sale_by"], order["amount_paid"]


@pytest.mark.parametrize("body", [None, {}, {"payment_mode": None}, {"payment_mode": "Card", "amount_paid": 40.50}])
async def test_a_conversion_honours_what_its_address_says(shop: Shop, body: Any) -> None:
    response = await shop.http.post(await conversion(shop), params=HOW, json=body)
    assert response.status_code == 200, response.text
    assert await booked(shop) == ("Card", "Ravi", 40.5)


async def test_address_and_body_complete_each_other(shop: Shop) -> None:
    await shop.ok("POST", await conversion(shop), params={"payment_mode": "Card"}, json={"sale_by": "Ravi"})
    assert await booked(shop) == ("Card", "Ravi", 100.0)


@pytest.mark.parametrize("name", list(HOW))
async def test_what_is_blank_in_an_address_is_left_out(shop: Shop, name: str) -> None:
    await shop.ok("POST", await conversion(shop), params={name: " "})
    assert await booked(shop) == ("Cash", "Test User", 100.0)


@pytest.mark.parametrize(
    ("asked", "said", "name"),
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
async def test_what_an_address_says_wrongly_or_otherwise_than_the_body_is_refused_by_name(
    shop: Shop, asked: Any, said: Any, name: str
) -> None:
    path = await conversion(shop)
    refused = await shop.http.post(path, params=asked, json=said)
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (422, "invalid_query")
    assert problem["errors"][0]["pointer"] == f"/{name}"
    assert problem["detail"].startswith(f"{name}: ")
    assert (await shop.http.post(path, json=said)).status_code == 200


async def test_address_and_body_are_one_request(shop: Shop) -> None:
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


async def test_any_other_member_of_a_posts_address_is_refused_by_name(shop: Shop) -> None:
    for path in POSTS:
        for query in ("x=1", "payment_mod=Card&x=1", "x", "x=", "amount_paid=1&%78=2"):
            refused = await shop.http.post(f"{path}?{query}", json=sale_body())
            problem = refused.json()
            assert (refused.status_code, problem["code"]) == (422, "invalid_query"), path
            assert "/x" in {error["pointer"] for error in problem["errors"]}
    for kind in ("orders", "estimates", "customers", "users"):
        assert not await shop.database[kind].count_documents({"store": shop.store})


async def test_a_sale_whose_payment_stands_in_its_address_is_refused_and_not_booked_as_cash(shop: Shop) -> None:
    refused = await shop.http.post("/api/orders/create-sale?payment_mode=Card", json=sale_body())
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/payment_mode")
    assert (await shop.http.post("/api/orders/create-sale?", json=sale_body())).status_code == 201


async def test_a_members_name_of_any_length_is_named_in_short(shop: Shop) -> None:
    refused = await shop.http.post(f"/api/orders/create-sale?{'x' * 9_000}=1", json=sale_body())
    assert refused.status_code == 422
    assert len(refused.content) < 1_000
