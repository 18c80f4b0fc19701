"""Owners: the last one cannot be removed, setup is permanent, and a moved user is audited in the new store."""

import asyncio
import secrets
from typing import Any

import pytest

from repositories.accounts.last_owner import LastOwner
from repositories.auditing.verification import verify
from schemas.core.principals import FIRST_OWNER_ID, OWNER, SERVICE_ACTOR
from tests.accounts.test_sign_in import refusal
from tests.support.accounts import PASSWORD, add, as_, bearer, create, login, signed_in_shop
from tests.support.shop import OpenShop, Shop


async def test_the_last_owner_cannot_be_removed_or_demoted(open_shop: OpenShop) -> None:
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
    all_owners = [first, *others]
    # Concurrently: each alone would be allowed.
    answers = await asyncio.gather(
        *(shop.http.put(f"/api/users/{each['_id']}", json={"role": "viewer"}, headers=owner) for each in all_owners)
    )
    assert {answer.status_code for answer in answers} <= {200, 403, 409}
    left = await shop.database["users"].count_documents({"role": OWNER, "voided_at": None})
    assert left >= 1


@pytest.fixture
async def two_homes(open_shop: OpenShop) -> tuple[Shop, Shop]:
    """Yield two services of one database, each with its own home store."""
    database = f"pos_tests_{secrets.token_hex(4)}"
    main = await signed_in_shop(open_shop, database_name=database)
    return main, await signed_in_shop(open_shop, database_name=database)


async def test_an_owner_of_all_stores_counts_in_every_store(two_homes: tuple[Shop, Shop]) -> None:
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


async def test_two_owners_cannot_demote_each_other_through_two_journals(two_homes: tuple[Shop, Shop]) -> None:
    main, north = two_homes
    users = [shop.state["users"] for shop in two_homes]
    here, there = await add(main, OWNER), await add(north, OWNER)
    for _ in range(10):
        changes = [
            each.change(user, {"role": "viewer"}, SERVICE_ACTOR)
            for each, user in zip(users, (here, there), strict=True)
        ]
        outcomes = await asyncio.gather(*changes, return_exceptions=True)
        assert [type(each) for each in outcomes].count(LastOwner) == 1, outcomes
        for shop, user, outcome in zip(two_homes, (here, there), outcomes, strict=True):
            if not isinstance(outcome, LastOwner):
                await shop.state["users"].change(user, {"role": OWNER}, SERVICE_ACTOR)


async def test_the_last_owner_of_a_store_stays_if_no_owner_has_all_stores(two_homes: tuple[Shop, Shop]) -> None:
    main, north = two_homes
    meena, asha = await add(main, OWNER, north.store), await add(north, OWNER, main.store)
    await main.state["users"].change(meena, {"role": "cashier"}, SERVICE_ACTOR)
    with pytest.raises(LastOwner):
        await main.state["users"].change(asha, {"role": "cashier"}, SERVICE_ACTOR)


async def test_a_completed_setup_stays_completed(two_homes: tuple[Shop, Shop]) -> None:
    main, _ = two_homes
    users = main.state["users"]
    await main.database["users"].delete_many({"_id": "USER-GONE"})
    assert not await users.is_set_up()
    owner = await add(main, OWNER)
    assert await users.is_set_up()
    rows = main.database["users"]
    await rows.update_one({"_id": owner["_id"]}, {"$set": {"role": "cashier"}})
    assert await users.is_set_up()
    await rows.update_one({"_id": owner["_id"]}, {"$set": {"role": OWNER}})


async def test_setup_succeeds_once(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop, is_set_up=False, database_name=f"pos_tests_{secrets.token_hex(4)}")
    users = shop.state["users"]
    assert not await users.is_set_up()

    async def claim(number: int) -> bool:
        draft = {"login": f"owner-{number}", "name": "Asha", "role": OWNER, "belongs_to": None}
        secret = {"password": PASSWORD, "pin": None}
        answer = await asyncio.gather(
            users.add({**draft, **secret}, SERVICE_ACTOR, user_id=FIRST_OWNER_ID), return_exceptions=True
        )
        return isinstance(answer[0], dict)

    claims = await asyncio.gather(*(claim(number) for number in range(20)))
    assert sum(claims) == 1
    assert await users.is_set_up()
    assert await shop.database["users"].count_documents({}) == 1


async def test_a_moved_user_is_in_the_audit_log_of_the_new_store(two_homes: tuple[Shop, Shop]) -> None:
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
