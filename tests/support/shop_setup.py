"""Answers before a route is reached: the setup of a shop, and each early refusal."""

import secrets

import httpx

from schemas.core.principals import OWNER, VIEWER
from tests.support.accounts import SECRET_KEY
from tests.support.credentials import credential_of
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop

SETUP_TOKEN = "uX7-kQ2_mB9zR4tY"
CLAIM = {"token": SETUP_TOKEN, "username": "Asha", "name": "Asha Rao", "password": "Monsoon over Kochi"}


async def unclaimed(open_shop: OpenShop) -> Shop:
    """Open a shop that is not set up, in a database of its own."""
    name = f"pos_setup_{secrets.token_hex(4)}"
    given = {"setup_token": SETUP_TOKEN, "secret_key": SECRET_KEY}
    return await open_shop(sign_in="on", is_claimed=False, database_name=name, **given)  # type: ignore[arg-type]


async def claimed(open_shop: OpenShop) -> httpx.Response:
    """Return the answer to a successful setup."""
    shop = await unclaimed(open_shop)
    return await shop.http.post("/api/setup", json=CLAIM)


async def early_refusals(open_shop: OpenShop) -> list[httpx.Response]:
    """Return one answer for each reason of refusal."""
    new, open_to_all, signed_in = await unclaimed(open_shop), await open_shop(), await open_shop(sign_in="on")
    refused = [
        await new.http.get("/api/orders/all"),
        await new.http.post("/api/setup", json={**CLAIM, "token": "wrong"}),
    ]
    assert (await new.http.post("/api/setup", json=CLAIM)).status_code == 201
    sale = "/api/orders/create-sale"
    return [
        *refused,
        await new.http.post("/api/setup", json=CLAIM),
        await open_to_all.http.get("/api/orders/all", headers={"Host": "evil.example"}),
        await open_to_all.http.get("/api/orders/all", headers={"X-Forwarded-For": "203.0.113.9"}),
        await open_to_all.http.post(sale, json=sale_body(), headers={"Origin": "https://evil.example"}),
        await open_to_all.http.get("/api/orders/all", headers={"X-Store": "nowhere"}),
        await signed_in.http.get("/api/orders/all"),
        await signed_in.http.get("/api/orders/all", headers=[("Authorization", "Bearer x")] * 2),
        await signed_in.http.get("/api/orders/all", headers=await credential_of(signed_in, OWNER, is_expired=True)),
        await signed_in.http.post(sale, json=sale_body(), headers=await credential_of(signed_in, VIEWER)),
    ]
