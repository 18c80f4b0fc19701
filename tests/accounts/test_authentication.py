"""Authentication: which credentials are accepted, and for which store."""

from base64 import b64encode

from tests.support.credentials import credential_of
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop


async def _key(shop: Shop, role: str) -> str:
    """Return the access token of a new user."""
    return (await credential_of(shop, role))["Authorization"].removeprefix("Bearer ")


async def test_a_request_without_credentials_is_asked_to_sign_in(open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="on")
    answer = await shop.http.get("/api/orders/all")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert answer.headers["www-authenticate"] == 'Bearer realm="pos"'


async def test_a_device_key_is_accepted_as_bearer_and_as_basic_password(open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="on")
    key = await _key(shop, "device")
    basic = b64encode(f"till:{key}".encode()).decode()
    for authorization in (f"Bearer {key}", f"Basic {basic}"):
        answer = await shop.http.post(
            "/api/orders/create-sale", json=sale_body(), headers={"Authorization": authorization}
        )
        assert answer.status_code == 201, answer.text


async def test_a_role_without_permission_gets_403(open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="on")
    key = await _key(shop, "viewer")
    headers = {"Authorization": f"Bearer {key}"}
    answer = await shop.http.post("/api/orders/create-sale", json=sale_body(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert (await shop.http.get("/api/orders/all", headers=headers)).status_code == 200
