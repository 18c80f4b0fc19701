"""Devices with the roles owner, cashier and viewer: what a device key may do, and who may add devices."""

import base64
import secrets

import pytest

from schemas.core.principals import CASHIER, OWNER, SERVICE_ACTOR, VIEWER
from tests.accounts.test_sign_in import profile_of, refusal
from tests.support.accounts import PIN, Headers, add, as_, bearer, enrol, signed_in_shop
from tests.support.clients.live_client import closed_with
from tests.support.payloads import estimate_body, sale_body
from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import add_token_holder

REPORTS = (
    "/api/reports/staff-performance",
    "/api/reports/orders-only",
    "/api/reports/monthly/2026/11",
    "/api/reports/date-range?start_date=2026-11-01&end_date=2026-11-30",
)


def in_the_address(headers: Headers) -> Headers:
    """Return the header that the app sends for a key in the address: Basic, with any username."""
    key = headers["Authorization"].removeprefix("Bearer ")
    return {"Authorization": "Basic " + base64.b64encode(f"till:{key}".encode()).decode()}


async def test_an_owners_device_can_do_what_the_owner_does_in_the_app(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    device, key = await enrol(shop, await as_(shop, OWNER), role="owner")
    app = in_the_address(key)
    estimate = await shop.ok("POST", "/api/estimates/create", json=estimate_body(), headers=app)
    assert (await shop.http.delete(f"/api/estimates/{estimate['estimate_id']}", headers=app)).status_code == 200
    order = await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=app)
    address = f"/api/orders/{order['order_id']}"
    cancelled = await shop.http.put(f"{address}/status?status=Cancelled", headers=app)
    assert cancelled.status_code == 200, cancelled.text
    assert (await shop.http.delete(address, headers=app)).status_code == 200
    for path in REPORTS:
        assert (await shop.http.get(path, headers=app)).status_code == 200, path
    saved = await shop.http.put("/api/settings", json={"footer": "Come again"}, headers=app)
    assert saved.status_code == 200, saved.text
    rows = (await shop.http.get("/api/audit", headers=app)).json()
    assert {
        (row["by"]["id"], row["by"]["role"], row["by"]["device"])
        for row in rows
        if row["type"] not in ("user", "device")
    } == {(device, "owner", device)}


async def test_a_viewers_device_reads_documents_and_cannot_sell(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    _, key = await enrol(shop, await as_(shop, OWNER), role="Viewer")
    for path in (*REPORTS, "/api/orders/all", "/api/board"):
        assert (await shop.http.get(path, headers=key)).status_code == 200, path
    sale = await shop.http.post("/api/orders/create-sale", json=sale_body(), headers=key)
    assert refusal(sale) == (403, "forbidden")
    assert refusal(await shop.http.put("/api/settings", json={"footer": "x"}, headers=key)) == (403, "forbidden")
    async with shop.listen(additional_headers=key) as socket:
        await socket.send("ping")
        assert await socket.recv() == "pong"
    assert (await profile_of(shop, _token(key))).json()["role"] == "viewer"


@pytest.mark.parametrize("body", [{}, {"role": "cashier"}])
async def test_the_default_role_of_a_device_is_cashier(open_shop: OpenShop, body: dict[str, str]) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    device, key = await enrol(shop, owner, **body)
    shown = [each for each in (await shop.http.get("/api/devices", headers=owner)).json() if each["id"] == device]
    assert [each["role"] for each in shown] == ["cashier"]
    await sells_but_does_not_delete(shop, key)


@pytest.mark.parametrize("stored", [{}, {"role": "device"}, {"role": "chief"}])
async def test_a_device_without_a_stored_role_is_a_cashiers(open_shop: OpenShop, stored: dict[str, str]) -> None:
    shop = await signed_in_shop(open_shop)
    old = await add_token_holder(shop, "device")
    await shop.database["devices"].update_one({"_id": old.id}, {"$unset": {"role": 1}})
    await old.change(**stored, belongs_to=shop.store)
    await sells_but_does_not_delete(shop, old.headers)
    listed = (await shop.http.get("/api/devices", headers=await as_(shop, OWNER, shop.store))).json()
    assert [(each["id"], each["role"]) for each in listed] == [(old.id, "cashier")]


async def sells_but_does_not_delete(shop: Shop, key: Headers) -> None:
    order = await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=key)
    assert refusal(await shop.http.delete(f"/api/orders/{order['order_id']}", headers=key)) == (403, "forbidden")
    assert refusal(await shop.http.get(REPORTS[0], headers=key)) == (403, "forbidden")
    assert (await profile_of(shop, _token(key))).json()["role"] == "device"


async def test_only_a_signed_in_owner_adds_devices_and_users(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    keys = [(await enrol(shop, owner, role=role))[1] for role in ("owner", "cashier", "viewer")]
    for headers in (await as_(shop, CASHIER), await as_(shop, VIEWER), *keys):
        for role in ("owner", "cashier"):
            made = await shop.http.post("/api/devices", json={"name": "Another", "role": role}, headers=headers)
            assert refusal(made) == (403, "forbidden")
        assert refusal(await shop.http.post("/api/users", json={}, headers=headers)) == (403, "forbidden")
        assert refusal(await shop.http.get("/api/devices", headers=headers)) == (403, "forbidden")
    wrong = await shop.http.post("/api/devices", json={"name": "Another", "role": "device"}, headers=owner)
    assert refusal(wrong) == (422, "invalid_fields")


async def test_devices_have_no_sign_out_and_no_password_and_accept_pins(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    cashier = await add(shop, CASHIER, pin=PIN)
    body = {"username": cashier["login"], "pin": PIN}
    for role in ("owner", "cashier", "viewer"):
        _, key = await enrol(shop, owner, role=role)
        assert refusal(await shop.http.post("/api/auth/logout", headers=key)) == (403, "forbidden")
        assert refusal(await shop.http.post("/api/auth/password", json={}, headers=key)) == (403, "forbidden")
        signed_in = await shop.http.post("/api/auth/pin", json=body, headers=key)
        assert signed_in.status_code == 200, signed_in.text
        # A cashier who signs in at an owner's device is not an owner.
        assert refusal(await shop.http.get("/api/audit", headers=bearer(signed_in.json()["access_token"])))[0] == 403


async def test_an_owners_device_of_one_store_cannot_reach_another_store(open_shop: OpenShop) -> None:
    shop, other = await signed_in_shop(open_shop), await signed_in_shop(open_shop)
    local = await as_(shop, OWNER, shop.store)
    _, key = await enrol(shop, local, role="owner")
    assert (await shop.http.get("/api/orders/all", headers=key)).status_code == 200
    elsewhere = {**key, "X-Store": other.store}
    assert refusal(await shop.http.get("/api/orders/all", headers=elsewhere)) == (403, "forbidden")
    refused = await shop.http.post(
        "/api/devices", json={"name": "T", "role": "owner", "belongs_to": None}, headers=local
    )
    assert refusal(refused) == (403, "forbidden")


async def test_an_owners_device_does_not_count_as_the_last_owner(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop, database_name=f"pos_{secrets.token_hex(4)}")
    user = await add(shop, OWNER, login="asha")
    owner = await as_(shop, OWNER, login="meena")
    await enrol(shop, owner, role="owner", belongs_to=None)
    second = (await profile_of(shop, _token(owner))).json()["id"]
    assert (await shop.http.delete(f"/api/users/{user['_id']}", headers=owner)).status_code == 200
    assert refusal(await shop.http.delete(f"/api/users/{second}", headers=owner)) == (409, "last_owner")
    demoted = await shop.http.put(f"/api/users/{second}", json={"role": "cashier"}, headers=owner)
    assert refusal(demoted) == (409, "last_owner")


async def test_an_owners_device_does_not_complete_the_setup(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop, database_name=f"pos_{secrets.token_hex(4)}", is_set_up=False)
    device = await shop.state["devices"].add("Phone", None, SERVICE_ACTOR, "owner")
    key = bearer(await shop.state["credentials"].issue("key", device["_id"]))
    assert await shop.database["facts"].find_one({"_id": "owners", "claimed": True}) is None
    assert refusal(await shop.http.get("/api/orders/all", headers=key)) == (503, "not_set_up")
    assert (await shop.http.get("/api/setup")).json() == {"claimed": False}


async def test_a_removed_owners_device_is_refused(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    device, key = await enrol(shop, owner, role="owner")
    async with shop.listen(additional_headers=key) as socket:
        assert (await shop.http.delete(f"/api/devices/{device}", headers=owner)).status_code == 200
        assert await closed_with(socket) == 4401
    assert refusal(await shop.http.get("/api/audit", headers=key)) == (401, "not_signed_in")


@pytest.mark.parametrize(("role", "status"), [("viewer", 200), ("owner", 200), ("cashier", 403)])
async def test_a_viewers_device_key_reads_the_metrics(open_shop: OpenShop, role: str, status: int) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    _, key = await enrol(shop, owner, role=role, belongs_to=None)
    assert (await shop.http.get("/metrics", headers=key)).status_code == status
    # The metrics cover all stores.
    _, local = await enrol(shop, owner, role=role, belongs_to=shop.store)
    assert (await shop.http.get("/metrics", headers=local)).status_code == 403


def _token(headers: Headers) -> str:
    return headers["Authorization"].removeprefix("Bearer ")
