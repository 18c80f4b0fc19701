"""Users and devices after a restore: they exist, and all must sign in again."""

from pathlib import Path
from typing import Any

import httpx

from repositories.auditing.verification import verify
from repositories.database.client import Database
from schemas.core.collections import CREDENTIALS
from schemas.core.principals import CASHIER
from tests.accounts.test_sign_in import refusal, renew
from tests.support.accounts import PASSWORD, PIN, SECRET_KEY, Headers, add, bearer, enrol, login
from tests.support.archives import read, write
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop
from tests.support.shop_setup import OWNER_DRAFT, SETUP_TOKEN


async def opened(open_shop: OpenShop, database_name: str, **settings: Any) -> Shop:
    """Open a shop with the secrets of these tests."""
    secrets = {"secret_key": SECRET_KEY, "setup_token": SETUP_TOKEN, **settings}
    return await open_shop(sign_in="on", database_name=database_name, is_set_up=False, trusted_proxies=1, **secrets)


async def claimed(open_shop: OpenShop, database_name: str) -> Shop:
    """Yield a shop with an owner, in its own database."""
    shop = await opened(open_shop, database_name)
    assert (await shop.http.post("/api/setup", json=OWNER_DRAFT)).status_code == 201
    return shop


async def owner_of(shop: Shop) -> httpx.Response:
    return await login(shop, OWNER_DRAFT["username"], OWNER_DRAFT["password"])


async def status_of(shop: Shop, shown: Headers) -> int:
    return (await shop.http.get("/api/auth/profile", headers=shown)).status_code


async def test_users_are_restored_and_their_credentials_are_not(
    target: Database, open_shop: OpenShop, tmp_path: Path
) -> None:
    old = await claimed(open_shop, f"{target.name}_old")
    tokens = (await owner_of(old)).json()
    owner = bearer(tokens["access_token"])
    cashier = await add(old, CASHIER, old.store, pin=PIN)
    device, key = await enrol(old, owner)
    at_device = await old.http.post("/api/auth/pin", json={"username": cashier["login"], "pin": PIN}, headers=key)
    shown = [owner, key, bearer(at_device.json()["access_token"])]
    assert [await status_of(old, each) for each in shown] == [200] * 3
    ticket = (await old.http.post("/api/ws-ticket", headers=owner)).json()["ticket"]
    people, devices = [(await old.http.get(f"/api/{kind}", headers=owner)).json() for kind in ("users", "devices")]
    file = await write(old.database, old.store, tmp_path / "file")
    await read(file, target, old.store)
    assert await target[CREDENTIALS].count_documents({}) == 0

    new = await opened(open_shop, target.name, store_id=old.store)
    # The setup stays complete: a second one fails, with the right token or a wrong one.
    assert await new.get("/api/setup") == {"claimed": True}
    for token in (SETUP_TOKEN, "wrong"):
        again = await new.http.post("/api/setup", json={**OWNER_DRAFT, "username": "thief", "token": token})
        assert refusal(again) == (409, "already_claimed")
    assert [await status_of(new, each) for each in shown] == [401] * 3
    assert refusal(await renew(new, tokens["refresh_token"])) == (401, "not_signed_in")
    assert (await new.http.get("/api/events/stream", params={"ticket": ticket})).status_code == 401
    pin = {"username": cashier["login"], "pin": PIN}
    assert refusal(await new.http.post("/api/auth/pin", json=pin, headers=key)) == (401, "not_signed_in")

    signed_in = await owner_of(new)
    assert signed_in.status_code == 200, signed_in.text
    owner = bearer(signed_in.json()["access_token"])
    assert (await new.http.get("/api/users", headers=owner)).json() == people
    assert (await new.http.get("/api/devices", headers=owner)).json() == devices
    assert (await login(new, cashier["login"], PASSWORD)).status_code == 200
    # The tablet is registered again; the old device can be removed.
    _, key = await enrol(new, owner)
    assert (await new.http.post("/api/auth/pin", json=pin, headers=key)).status_code == 200
    assert (await new.http.delete(f"/api/devices/{device}", headers=owner)).status_code == 200
    sold = await new.http.post("/api/orders/create-sale", json=sale_body(), headers=owner)
    assert (sold.status_code, sold.json()["sale_number"]) == (201, "#001")
    assert await verify(target, new.store) == []


async def test_accounts_belong_to_the_store_under_its_new_name(
    target: Database, open_shop: OpenShop, tmp_path: Path
) -> None:
    old = await claimed(open_shop, f"{target.name}_old")
    owner = bearer((await owner_of(old)).json()["access_token"])
    cashier = await add(old, CASHIER, old.store, pin=PIN)
    await enrol(old, owner, belongs_to=old.store)
    await read(await write(old.database, old.store, tmp_path / "file"), target, "branch")
    new = await opened(open_shop, target.name, store_id="branch")
    signed_in = await login(new, cashier["login"], PASSWORD)
    assert signed_in.json()["user"]["store"] == "branch"
    shown = bearer(signed_in.json()["access_token"])
    assert (await new.http.get("/api/orders/all", headers=shown)).json() == []
    owner = bearer((await owner_of(new)).json()["access_token"])
    (device,) = (await new.http.get("/api/devices", headers=owner)).json()
    assert device["belongs_to"] == "branch"
    assert await verify(target, "branch") == []
