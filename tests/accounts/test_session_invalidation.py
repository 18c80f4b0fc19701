"""A new password ends the user's sessions in the transaction that stores it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.core.collections import CREDENTIALS
from schemas.core.principals import CASHIER, OWNER
from tests.accounts.test_sign_in import profile_of, refusal, renew
from tests.support.accounts import NEW_PASSWORD, PASSWORD, PIN, add, as_, bearer, enrol, login, signed_in_shop
from tests.support.clients.live_client import closed_with
from tests.support.faults.failpoints import failing
from tests.support.shop import OpenShop, Shop

NOT_SIGNED_IN = 4401


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await signed_in_shop(open_shop)


@asynccontextmanager
async def nothing_is_deleted(shop: Shop) -> AsyncIterator[None]:
    """Cut the connection to the database at each deletion of credentials."""
    there = f"{shop.database.name}.{CREDENTIALS}"
    async with failing(shop.database, "delete", namespace=there, closeConnection=True) as is_reached:
        yield
        assert await is_reached()


async def signed_in(shop: Shop, user: dict[str, Any]) -> dict[str, Any]:
    tokens: dict[str, Any] = (await login(shop, user["login"])).json()
    return tokens


async def assert_over(shop: Shop, tokens: dict[str, Any]) -> None:
    assert refusal(await profile_of(shop, tokens["access_token"])) == (401, "not_signed_in")
    assert refusal(await renew(shop, tokens["refresh_token"])) == (401, "not_signed_in")


async def test_a_new_password_ends_other_sessions_even_if_no_row_can_be_deleted(shop: Shop) -> None:
    user = await add(shop)
    here, there = await signed_in(shop, user), await signed_in(shop, user)
    assert (await profile_of(shop, there["access_token"])).status_code == 200
    body = {"current": PASSWORD, "new": NEW_PASSWORD}
    async with nothing_is_deleted(shop):
        changed = await shop.http.post("/api/auth/password", json=body, headers=bearer(here["access_token"]))
    assert changed.status_code == 200, changed.text
    await assert_over(shop, there)
    assert (await profile_of(shop, here["access_token"])).status_code == 200
    renewed = await renew(shop, here["refresh_token"])
    assert renewed.status_code == 200, "the session that made the change stays"
    assert (await profile_of(shop, renewed.json()["access_token"])).status_code == 200
    fresh_login = await login(shop, user["login"], NEW_PASSWORD)
    assert (await profile_of(shop, fresh_login.json()["access_token"])).status_code == 200
    assert (await renew(shop, fresh_login.json()["refresh_token"])).status_code == 200
    assert len(await shop.state["sessions"].all(user["_id"])) == 2, "ended sessions are not listed"


async def test_a_new_password_set_by_an_owner_closes_the_users_sockets(shop: Shop, open_shop: OpenShop) -> None:
    other = await signed_in_shop(open_shop, store_id=shop.store)
    owner, user = await as_(shop, OWNER), await add(shop)
    tokens = await signed_in(shop, user)
    async with other.listen(additional_headers=bearer(tokens["access_token"])) as socket:
        await socket.send("ping")
        assert await socket.recv() == "pong"
        async with nothing_is_deleted(shop):
            body = {"password": NEW_PASSWORD}
            changed = await shop.http.put(f"/api/users/{user['_id']}", json=body, headers=owner)
        assert changed.status_code == 200, changed.text
        async with asyncio.timeout(30):
            assert await closed_with(socket) == NOT_SIGNED_IN
    await assert_over(shop, tokens)
    assert "sign_ins" not in str(await shop.database["log"].find({"events.id": user["_id"]}).to_list())


async def test_a_deactivated_user_is_refused_even_if_no_row_can_be_deleted(shop: Shop) -> None:
    owner, user = await as_(shop, OWNER), await add(shop, CASHIER, shop.store, pin=PIN)
    device, key = await enrol(shop, owner)
    at = await shop.http.post("/api/auth/pin", json={"username": user["login"], "pin": PIN}, headers=key)
    tokens = await signed_in(shop, user)
    async with nothing_is_deleted(shop):
        gone = await shop.http.delete(f"/api/devices/{device}", headers=owner)
    assert gone.status_code == 200, gone.text
    assert refusal(await profile_of(shop, at.json()["access_token"])) == (401, "not_signed_in")
    async with nothing_is_deleted(shop):
        gone = await shop.http.delete(f"/api/users/{user['_id']}", headers=owner)
    assert gone.status_code == 200, gone.text
    await assert_over(shop, tokens)


async def test_a_late_sign_in_with_the_old_password_is_refused(shop: Shop) -> None:
    """Store the tokens after the password was changed and the earlier credentials were deleted."""
    owner, user = await as_(shop, OWNER), await add(shop)
    await shop.http.put(f"/api/users/{user['_id']}", json={"password": NEW_PASSWORD}, headers=owner)
    late = await shop.state["sessions"].begin(user["_id"], user["version"])
    assert refusal(await profile_of(shop, late.access)) == (401, "not_signed_in")
    renamed = await shop.http.put(f"/api/users/{user['_id']}", json={"name": "Ravi"}, headers=owner)
    assert renamed.json()["version"] == 3
    fresh_login = (await login(shop, user["login"], NEW_PASSWORD)).json()
    assert (await profile_of(shop, fresh_login["access_token"])).status_code == 200
    await shop.http.put(f"/api/users/{user['_id']}", json={"name": "Ravi K"}, headers=owner)
    shop.state["credentials"].clear_cache()
    assert (await profile_of(shop, fresh_login["access_token"])).status_code == 200, (
        "a change of the name ends no session"
    )
