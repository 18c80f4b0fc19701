"""The owners' API: users and devices, whose they are, and that somebody stays who can do everything."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from repositories.ownership import LastOwner
from repositories.verification import verify
from schemas.principals import CASHIER, DEVICE, FIRST_OWNER, OWNER, THE_SERVICE, VIEWER
from tests.people import NEW_PASSWORD, PASSWORD, PIN, Headers, add, as_, bearer, enrol, login, signed_in_shop
from tests.shop import OpenShop, Shop
from tests.test_login import refusal, who


def body(shop: Shop, **changes: Any) -> dict[str, Any]:
    return {"username": f"Ravi-{shop.store}", "name": "Ravi", "role": "cashier", "password": PASSWORD, **changes}


async def create(shop: Shop, owner: Headers, **changes: Any) -> httpx.Response:
    return await shop.http.post("/api/users", json=body(shop, **changes), headers=owner)


async def test_an_owner_adds_changes_and_removes_people(open_shop: OpenShop) -> None:
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
    shop.state["credentials"].forget()
    assert (await who(shop, token)).status_code == 401, "a PIN that is taken away ends the sign-ins"
    token = (await login(shop, user["username"])).json()["access_token"]
    assert (await who(shop, token)).json()["role"] == "viewer"
    assert (await shop.http.put(address, json={"password": NEW_PASSWORD}, headers=owner)).status_code == 200
    assert (await who(shop, token)).status_code == 401
    assert refusal(await login(shop, user["username"])) == (401, "not_signed_in")
    token = (await login(shop, user["username"], NEW_PASSWORD)).json()["access_token"]
    assert (await shop.http.delete(address, headers=owner)).status_code == 200
    assert (await who(shop, token)).status_code == 401
    assert refusal(await login(shop, user["username"], NEW_PASSWORD)) == (401, "not_signed_in")
    assert refusal(await shop.http.get(address, headers=owner)) == (404, "not_found")
    assert (await create(shop, owner)).status_code == 201, "the login is free again"


async def test_every_change_of_an_account_is_an_event_without_secrets(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    user = (await create(shop, owner, pin=PIN)).json()["id"]
    await shop.http.put(f"/api/users/{user}", json={"password": NEW_PASSWORD}, headers=owner)
    await shop.http.delete(f"/api/users/{user}", headers=owner)
    device, _ = await enrol(shop, owner)
    await shop.http.delete(f"/api/devices/{device}", headers=owner)
    rows = await shop.database["events"].find({"store": shop.store, "id": {"$in": [user, device]}}).to_list()
    assert [(row["type"], row["action"]) for row in sorted(rows, key=lambda row: row["seq"])] == [
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
async def test_what_is_weak_or_wrong_is_refused_and_not_said_again(
    open_shop: OpenShop, changes: dict[str, Any]
) -> None:
    shop = await signed_in_shop(open_shop)
    answer = await create(shop, await as_(shop, OWNER), **changes)
    assert refusal(answer) == (422, "invalid_fields")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}" for name in changes]
    said = answer.text.replace("as 111111 or 123456", "")
    assert not any(name in said for name in map(str, changes.values()) if len(name) > 1 and changes != _NAMES_ROLES)


async def test_a_login_is_given_once(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    answers = await asyncio.gather(*(create(shop, owner, name=f"Ravi {number}") for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"account_exists"}


async def test_the_last_owner_stays(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop, database_name=f"pos_tests_{secrets.token_hex(4)}")
    first = await add(shop, OWNER)
    owner = bearer((await login(shop, first["login"])).json()["access_token"])
    address = f"/api/users/{first['_id']}"
    for refused in (
        await shop.http.delete(address, headers=owner),
        await shop.http.put(address, json={"role": "cashier"}, headers=owner),
        await shop.http.put(address, json={"belongs_to": shop.store}, headers=owner),
    ):
        assert refusal(refused) == (409, "last_owner")
    assert (await shop.http.put(address, json={"name": "Asha"}, headers=owner)).status_code == 200
    others = [await add(shop, OWNER, login=f"owner-{number}") for number in range(3)]
    everybody = [first, *others]
    # All at once: each would be allowed, were it alone.
    answers = await asyncio.gather(
        *(shop.http.put(f"/api/users/{each['_id']}", json={"role": "viewer"}, headers=owner) for each in everybody)
    )
    assert {answer.status_code for answer in answers} <= {200, 403, 409}
    left = await shop.database["users"].count_documents({"role": OWNER, "voided_at": None})
    assert left >= 1


@pytest.fixture
async def two_homes(open_shop: OpenShop) -> tuple[Shop, Shop]:
    """Two services of one database, each at home in a store of its own."""
    database = f"pos_tests_{secrets.token_hex(4)}"
    main = await signed_in_shop(open_shop, database_name=database)
    return main, await signed_in_shop(open_shop, database_name=database)


async def test_an_owner_of_all_stores_counts_wherever_they_are_kept(two_homes: tuple[Shop, Shop]) -> None:
    main, north = two_homes
    first, second = await add(main, OWNER), await add(north, OWNER)
    owner = bearer((await login(main, first["login"])).json()["access_token"])
    third = await create(main, owner, role=OWNER, belongs_to=north.store)
    moved = await main.http.put(f"/api/users/{third.json()['id']}", json={"belongs_to": None}, headers=owner)
    assert moved.json()["belongs_to"] is None
    for each in (third.json()["id"], second["_id"]):
        changed = await main.http.put(f"/api/users/{each}", json={"role": "cashier"}, headers=owner)
        assert (changed.status_code, changed.json()["role"]) == (200, "cashier"), changed.text
    last = await main.http.put(f"/api/users/{first['_id']}", json={"role": "cashier"}, headers=owner)
    assert refusal(last) == (409, "last_owner")


async def test_owners_of_two_journals_do_not_demote_each_other(two_homes: tuple[Shop, Shop]) -> None:
    main, north = two_homes
    users = [shop.state["users"] for shop in two_homes]
    here, there = await add(main, OWNER), await add(north, OWNER)
    for _ in range(10):
        changes = [
            each.change(user, {"role": "viewer"}, THE_SERVICE) for each, user in zip(users, (here, there), strict=True)
        ]
        outcomes = await asyncio.gather(*changes, return_exceptions=True)
        assert [type(each) for each in outcomes].count(LastOwner) == 1, outcomes
        for shop, user, outcome in zip(two_homes, (here, there), outcomes, strict=True):
            if not isinstance(outcome, LastOwner):
                await shop.state["users"].change(user, {"role": OWNER}, THE_SERVICE)


async def test_the_last_owner_of_any_store_stays_where_there_is_none_of_all(two_homes: tuple[Shop, Shop]) -> None:
    main, north = two_homes
    meena, asha = await add(main, OWNER, north.store), await add(north, OWNER, main.store)
    await main.state["users"].change(meena, {"role": "cashier"}, THE_SERVICE)
    with pytest.raises(LastOwner):
        await main.state["users"].change(asha, {"role": "cashier"}, THE_SERVICE)


async def test_a_shop_that_was_claimed_stays_so(two_homes: tuple[Shop, Shop]) -> None:
    main, _ = two_homes
    users = main.state["users"]
    await main.database["users"].delete_many({"_id": "USER-GONE"})
    assert not await users.is_claimed()
    owner = await add(main, OWNER)
    assert await users.is_claimed()
    rows = main.database["users"]
    await rows.update_one({"_id": owner["_id"]}, {"$set": {"role": "cashier"}})
    assert await users.is_claimed()
    await rows.update_one({"_id": owner["_id"]}, {"$set": {"role": OWNER}})


async def test_who_moves_is_in_the_audit_of_the_store_that_they_come_to(two_homes: tuple[Shop, Shop]) -> None:
    main, north = two_homes
    owner = await as_(main, OWNER)
    user = (await create(main, owner)).json()["id"]
    changes: tuple[dict[str, Any], ...] = ({"belongs_to": north.store}, {"name": "R"}, {"belongs_to": main.store})
    for change in changes:
        changed = await main.http.put(f"/api/users/{user}", json=change, headers=owner)
        assert changed.status_code == 200, changed.text
    for store, actions in ((main.store, ["update", "create"]), (north.store, ["update", "update"])):
        rows = await main.http.get("/api/audit", params={"id": user}, headers=owner | {"X-Store": store})
        assert [row["action"] for row in rows.json()] == actions
        assert await verify(main.database, store) == []
    await main.http.delete(f"/api/users/{user}", headers=owner)
    kept = await main.database["users"].find_one({"_id": user})
    assert kept is not None
    assert kept["store"] == main.store


async def test_an_owner_of_one_store_looks_after_its_people_alone(open_shop: OpenShop) -> None:
    shop, other = await signed_in_shop(open_shop), await signed_in_shop(open_shop)
    everywhere = await add(shop, OWNER, login=f"everywhere-{shop.store}")
    local = await as_(shop, OWNER, shop.store)
    stranger = await add(other, CASHIER, other.store)
    device, _ = await enrol(other, await as_(other, OWNER))
    own = (await create(shop, local)).json()
    listed = (await shop.http.get("/api/users", headers=local)).json()
    assert {user["belongs_to"] for user in listed} == {shop.store}
    assert own["id"] in {user["id"] for user in listed}
    for somebody in (everywhere["_id"], stranger["_id"]):
        for method in ("GET", "PUT", "DELETE"):
            answer = await shop.http.request(
                method, f"/api/users/{somebody}", headers=local, json={} if method == "PUT" else None
            )
            assert refusal(answer) == (404, "not_found")
    assert refusal(await shop.http.delete(f"/api/devices/{device}", headers=local)) == (404, "not_found")
    for store in (other.store, None):
        assert refusal(await create(shop, local, belongs_to=store)) == (403, "forbidden")
        moved = await shop.http.put(f"/api/users/{own['id']}", json={"belongs_to": store}, headers=local)
        assert refusal(moved) == (403, "forbidden")
        enrolled = await shop.http.post("/api/devices", json={"name": "T", "belongs_to": store}, headers=local)
        assert refusal(enrolled) == (403, "forbidden")


async def test_an_owner_of_all_stores_adds_people_to_any_that_is_there(open_shop: OpenShop) -> None:
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


async def test_nobody_is_moved_to_a_store_that_is_not_there(open_shop: OpenShop) -> None:
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
async def test_nobody_but_an_owner_sees_accounts(open_shop: OpenShop, role: str) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    headers = (await enrol(shop, owner))[1] if role == DEVICE else await as_(shop, role, shop.store)
    for path in ("/api/users", "/api/devices", "/api/users/USER-OWNER"):
        assert refusal(await shop.http.get(path, headers=headers)) == (403, "forbidden")


async def test_a_devices_key_is_shown_once_and_kept_as_a_hash(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    device, key = await enrol(shop, owner)
    token = key["Authorization"].removeprefix("Bearer ")
    listed = await shop.http.get("/api/devices", headers=owner)
    assert device in listed.text
    assert token not in listed.text
    assert token not in str(await shop.database["credentials"].find({"owner": device}).to_list())
    assert (await who(shop, token)).json()["role"] == DEVICE


async def test_the_shop_is_claimed_once(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop, is_claimed=False, database_name=f"pos_tests_{secrets.token_hex(4)}")
    users = shop.state["users"]
    assert not await users.is_claimed()

    async def claim(number: int) -> bool:
        draft = {"login": f"owner-{number}", "name": "Asha", "role": OWNER, "belongs_to": None}
        secret = {"password": PASSWORD, "pin": None}
        answer = await asyncio.gather(
            users.add({**draft, **secret}, THE_SERVICE, user_id=FIRST_OWNER), return_exceptions=True
        )
        return isinstance(answer[0], dict)

    claims = await asyncio.gather(*(claim(number) for number in range(20)))
    assert sum(claims) == 1
    assert await users.is_claimed()
    assert await shop.database["users"].count_documents({}) == 1
