"""A database with documents in all collections that a running service writes."""

import httpx

from tests.support.accounts import PASSWORD, PIN, as_, create, enrol, login, signed_in_shop
from tests.support.archives import busy_week
from tests.support.messaging.in_memory_provider import OUTSIDE, InMemoryProvider, ask, until, upload
from tests.support.payloads import estimate_body
from tests.support.shop import OpenShop, Shop


async def fill_all_collections(open_shop: OpenShop, database_name: str) -> Shop:
    """Use every part of the service that stores documents, in two stores of a database, and return one of them."""
    shop = await open_shop(database_name=database_name, provider=InMemoryProvider(), **OUTSIDE)
    await busy_week(shop)
    await _change_documents(shop)
    await _use_customers_and_settings(shop)
    sale = await shop.sale()
    link = await shop.ok("POST", f"/api/orders/{sale['order_id']}/link", json={})
    await shop.http.get("/d/" + link["url"].rpartition("/")[2])
    await shop.ok("POST", f"/api/orders/{sale['order_id']}/link", json={})
    await shop.ok("DELETE", f"/api/links/{link['id']}")
    await until(shop, await ask(shop), "sent")
    await until(shop, (await upload(shop)).json()["message_id"], "sent")
    sent = await shop.ok("POST", f"/api/orders/{sale['order_id']}/send", json={"phone_number": "98220 12345"})
    await until(shop, sent["message_id"], "sent")
    await _use_accounts(await signed_in_shop(open_shop, database_name=database_name))
    return shop


async def _change_documents(shop: Shop) -> None:
    estimate = await shop.estimate()
    path = f"/api/estimates/{estimate['estimate_id']}"
    await shop.ok("PUT", path, json=estimate_body(customer_name="Meera Shah", customer_phone="98220 54321"))
    order = await shop.convert(estimate["estimate_id"])
    await shop.ok("DELETE", f"/api/orders/{order['order_id']}", params={"keep_estimate": True})


async def _use_customers_and_settings(shop: Shop) -> None:
    customer = await shop.ok("POST", "/api/customers/create", json={"name": "Asha", "phone": "9822012345"})
    await shop.ok("PUT", f"/api/customers/{customer['id']}", json={"phone": "9822098220"})
    await shop.ok("POST", "/api/customers/create", json={"name": "Without a phone"})
    await shop.ok("DELETE", f"/api/customers/{customer['id']}")
    await shop.ok("PUT", "/api/settings", json={"business_name": "Hammer & Sons"})


async def _use_accounts(shop: Shop) -> None:
    owner = await as_(shop)
    device, key = await enrol(shop, owner)
    user = _data(await create(shop, owner, pin=PIN))
    signed_in = _data(await login(shop, user["username"]))
    _data(await shop.http.post("/api/auth/refresh", json={"refresh_token": signed_in["refresh_token"]}))
    _data(await shop.http.post("/api/auth/pin", json={"username": user["username"], "pin": PIN}, headers=key))
    _data(await shop.http.post("/api/ws-ticket", headers=owner))
    await login(shop, "unknown", PASSWORD)
    _data(await shop.http.put(f"/api/users/{user['id']}", json={"password": "a new long password"}, headers=owner))
    _data(await shop.http.delete(f"/api/devices/{device}", headers=owner))


def _data(response: httpx.Response) -> dict[str, str]:
    assert response.is_success, response.text
    content: dict[str, str] = response.json()
    return content
