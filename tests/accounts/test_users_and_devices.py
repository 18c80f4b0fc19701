"""The API for users and devices, and its limits by store and role."""

import asyncio
from typing import Any

import pytest

from schemas.core.principals import CASHIER, DEVICE, OWNER, VIEWER
from tests.accounts.test_sign_in import profile_of, refusal
from tests.support.accounts import NEW_PASSWORD, PASSWORD, PIN, add, as_, create, enrol, login, signed_in_shop
from tests.support.event_log import events_of
from tests.support.shop import OpenShop


async def test_an_owner_adds_changes_and_removes_users(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    made = await create(shop, owner, pin=PIN)
    assert made.status_code == 201, made.text
    user = made.json()
    assert user["id"].startswith("USER-")
    shown = {name: user[name] for name in ("username", "name", "role", "belongs_to", "has_password", "has_pin")}
    assert shown == {
        "username": f"ravi-{shop.store}",
        "name": "Ravi",
        "role": "cashier",
        "belongs_to": shop.store,
        "has_password": True,
        "has_pin": True,
    }
    address = f"/api/users/{user['id']}"
    assert (await shop.http.get(address, headers=owner)).json() == user
    assert user in (await shop.http.get("/api/users", headers=owner)).json()
    token = (await login(shop, user["username"])).json()["access_token"]
    promoted = await shop.http.put(address, json={"role": "viewer", "name": "Ravi K", "pin": None}, headers=owner)
    assert promoted.status_code == 200, promoted.text
    assert [promoted.json()[name] for name in ("role", "name", "has_pin", "version")] == ["viewer", "Ravi K", False, 2]
    shop.state["credentials"].clear_cache()
    assert (await profile_of(shop, token)).status_code == 401, "removing a PIN ends its sessions"
    token = (await login(shop, user["username"])).json()["access_token"]
    assert (await profile_of(shop, token)).json()["role"] == "viewer"
    assert (await shop.http.put(address, json={"password": NEW_PASSWORD}, headers=owner)).status_code == 200
    assert (await profile_of(shop, token)).status_code == 401
    assert refusal(await login(shop, user["username"])) == (401, "not_signed_in")
    token = (await login(shop, user["username"], NEW_PASSWORD)).json()["access_token"]
    assert (await shop.http.delete(address, headers=owner)).status_code == 200
    assert (await profile_of(shop, token)).status_code == 401
    assert refusal(await login(shop, user["username"], NEW_PASSWORD)) == (401, "not_signed_in")
    assert refusal(await shop.http.get(address, headers=owner)) == (404, "not_found")
    assert (await create(shop, owner)).status_code == 201, "the login can be used again"


async def test_every_change_of_an_account_is_an_event_without_secrets(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    user = (await create(shop, owner, pin=PIN)).json()["id"]
    await shop.http.put(f"/api/users/{user}", json={"password": NEW_PASSWORD}, headers=owner)
    await shop.http.delete(f"/api/users/{user}", headers=owner)
    device, _ = await enrol(shop, owner)
    await shop.http.delete(f"/api/devices/{device}", headers=owner)
    rows = [event for event in await events_of(shop) if event["id"] in (user, device)]
    assert [(row["type"], row["action"]) for row in rows] == [
        ("user", "create"),
        ("user", "update"),
        ("user", "delete"),
        ("device", "create"),
        ("device", "delete"),
    ]
    assert not any(secret in str(rows) for secret in (PASSWORD, NEW_PASSWORD, PIN, "argon2", "pos_k_"))


_NAMES_ROLES = {"role": "device"}


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "short"},
        {"password": "passwordpassword"},
        {"password": "qwertyuiopas"},
        {"password": "x" * 257},
        {"password": None},
        {"pin": "123456"},
        {"pin": "000000"},
        {"pin": "12345"},
        {"pin": "१२३४५६"},
        {"username": "r"},
        {"username": "ravi the cashier"},
        {"username": {"$ne": ""}},
        {"password": {"$ne": ""}},
        _NAMES_ROLES,
        {"role": "admin"},
        {"belongs_to": "no/such"},
        {"belongs_to": 7},
        {"name": ""},
    ],
    ids=str,
)
async def test_weak_or_invalid_secrets_are_refused_and_not_repeated(
    open_shop: OpenShop, changes: dict[str, Any]
) -> None:
    shop = await signed_in_shop(open_shop)
    answer = await create(shop, await as_(shop, OWNER), **changes)
    assert refusal(answer) == (422, "invalid_fields")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}" for name in changes]
    text = answer.text.replace("as 111111 or 123456", "")
    assert not any(name in text for name in map(str, changes.values()) if len(name) > 1 and changes != _NAMES_ROLES)


async def test_a_login_is_unique(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    answers = await asyncio.gather(*(create(shop, owner, name=f"Ravi {number}") for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"account_exists"}


async def test_an_owner_of_one_store_manages_only_its_users(open_shop: OpenShop) -> None:
    shop, other = await signed_in_shop(open_shop), await signed_in_shop(open_shop)
    everywhere = await add(shop, OWNER, login=f"everywhere-{shop.store}")
    local = await as_(shop, OWNER, shop.store)
    other_user = await add(other, CASHIER, other.store)
    device, _ = await enrol(other, await as_(other, OWNER))
    own = (await create(shop, local)).json()
    listed = (await shop.http.get("/api/users", headers=local)).json()
    assert {user["belongs_to"] for user in listed} == {shop.store}
    assert own["id"] in {user["id"] for user in listed}
    for user_id in (everywhere["_id"], other_user["_id"]):
        for method in ("GET", "PUT", "DELETE"):
            answer = await shop.http.request(
                method, f"/api/users/{user_id}", headers=local, json={} if method == "PUT" else None
            )
            assert refusal(answer) == (404, "not_found")
    assert refusal(await shop.http.delete(f"/api/devices/{device}", headers=local)) == (404, "not_found")
    for store in (other.store, None):
        assert refusal(await create(shop, local, belongs_to=store)) == (403, "forbidden")
        moved = await shop.http.put(f"/api/users/{own['id']}", json={"belongs_to": store}, headers=local)
        assert refusal(moved) == (403, "forbidden")
        enrolled = await shop.http.post("/api/devices", json={"name": "T", "belongs_to": store}, headers=local)
        assert refusal(enrolled) == (403, "forbidden")


async def test_an_owner_of_all_stores_adds_users_to_any_existing_store(open_shop: OpenShop) -> None:
    shop, other = await signed_in_shop(open_shop), await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    made = await create(shop, owner, belongs_to=other.store)
    assert made.status_code == 201, made.text
    stored = await shop.database["users"].find_one({"_id": made.json()["id"]})
    assert stored is not None
    assert stored["store"] == other.store
    there = await create(shop, owner | {"X-Store": other.store}, username=f"third-{shop.store}")
    assert there.json()["belongs_to"] == other.store
    assert refusal(await create(shop, owner, username="fourth", belongs_to="nowhere")) == (404, "no_such_store")


async def test_a_user_cannot_be_moved_to_an_unknown_store(open_shop: OpenShop) -> None:
    shop, other = await signed_in_shop(open_shop), await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    address = f"/api/users/{(await create(shop, owner)).json()['id']}"
    refused = await shop.http.put(address, json={"belongs_to": "nowhere", "name": "Ravi K"}, headers=owner)
    assert refusal(refused) == (404, "no_such_store")
    assert (await shop.http.get(address, headers=owner)).json()["version"] == 1
    for store in (other.store, None):
        moved = await shop.http.put(address, json={"belongs_to": store}, headers=owner)
        assert (moved.status_code, moved.json()["belongs_to"]) == (200, store)


@pytest.mark.parametrize("role", [CASHIER, VIEWER, DEVICE])
async def test_only_owners_see_accounts(open_shop: OpenShop, role: str) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    headers = (await enrol(shop, owner))[1] if role == DEVICE else await as_(shop, role, shop.store)
    for path in ("/api/users", "/api/devices", "/api/users/USER-OWNER"):
        assert refusal(await shop.http.get(path, headers=headers)) == (403, "forbidden")


async def test_a_device_key_is_shown_once_and_stored_as_a_hash(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    device, key = await enrol(shop, owner)
    token = key["Authorization"].removeprefix("Bearer ")
    listed = await shop.http.get("/api/devices", headers=owner)
    assert device in listed.text
    assert token not in listed.text
    assert token not in str(await shop.database["credentials"].find({"owner": device}).to_list())
    assert (await profile_of(shop, token)).json()["role"] == DEVICE
