"""Responses before routing: the setup of a shop, and each early rejection."""

import secrets

import httpx

from schemas.core.principals import OWNER, VIEWER
from tests.support.accounts import SECRET_KEY
from tests.support.credentials import credential_of
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop

SETUP_TOKEN = "uX7-kQ2_mB9zR4tY"
OWNER_DRAFT = {"token": SETUP_TOKEN, "username": "Asha", "name": "Asha Rao", "password": "Monsoon over Kochi"}


async def open_before_setup(open_shop: OpenShop) -> Shop:
    """Open a shop that is not set up, in a database of its own."""
    name = f"pos_setup_{secrets.token_hex(4)}"
    settings = {"setup_token": SETUP_TOKEN, "secret_key": SECRET_KEY}
    return await open_shop(sign_in="on", is_set_up=False, database_name=name, **settings)  # type: ignore[arg-type]


async def complete_setup(open_shop: OpenShop) -> httpx.Response:
    """Return the answer to a successful setup."""
    shop = await open_before_setup(open_shop)
    return await shop.http.post("/api/setup", json=OWNER_DRAFT)


async def early_rejections(open_shop: OpenShop) -> list[httpx.Response]:
    """Return one response for each reason of rejection."""
    new, unguarded, signed_in = await open_before_setup(open_shop), await open_shop(), await open_shop(sign_in="on")
    rejected = [
        await new.http.get("/api/orders/all"),
        await new.http.post("/api/setup", json={**OWNER_DRAFT, "token": "wrong"}),
    ]
    assert (await new.http.post("/api/setup", json=OWNER_DRAFT)).status_code == 201
    sale = "/api/orders/create-sale"
    return [
        *rejected,
        await new.http.post("/api/setup", json=OWNER_DRAFT),
        await unguarded.http.get("/api/orders/all", headers={"Host": "evil.example"}),
        await unguarded.http.get("/api/orders/all", headers={"X-Forwarded-For": "203.0.113.9"}),
        await unguarded.http.post(sale, json=sale_body(), headers={"Origin": "https://evil.example"}),
        await unguarded.http.get("/api/orders/all", headers={"X-Store": "nowhere"}),
        await signed_in.http.get("/api/orders/all"),
        await signed_in.http.get("/api/orders/all", headers=[("Authorization", "Bearer x")] * 2),
        await signed_in.http.get("/api/orders/all", headers=await credential_of(signed_in, OWNER, is_expired=True)),
        await signed_in.http.post(sale, json=sale_body(), headers=await credential_of(signed_in, VIEWER)),
    ]
