"""Responses of the sign-in routes match the OpenAPI document: operations, examples and errors."""

from typing import Any, Final

import orjson
import pytest

from app.openapi.document import document
from endpoints.routes import ROUTES
from repositories.accounts.credentials import ACCESS, LIFETIMES
from schemas.core.principals import CASHIER, OWNER
from schemas.openapi.examples import LOGINS, PINS, USERS
from tests.support.accounts import PASSWORD, PIN, add, bearer, signed_in_shop
from tests.support.clock import Clock
from tests.support.openapi_contract import Contract
from tests.support.shop import OpenShop

#: Checked here and not in `test_responses.py`, whose shop has no sign-in.
PATHS: Final = ("/api/auth/", "/api/users", "/api/devices")
CODES: Final = frozenset(
    {
        *("not_signed_in", "sign_in_expired", "forbidden", "no_such_store", "too_many_requests"),
        *("account_exists", "no_secret_key", "last_owner"),
    }
)


@pytest.fixture
def contract() -> Contract:
    return Contract(orjson.loads(orjson.dumps(document(ROUTES))))


async def test_every_operation_and_error_is_as_documented(open_shop: OpenShop, contract: Contract) -> None:
    clock = Clock()
    # In a separate database, since an owner of all stores sees the users of all other tests.
    shop = await signed_in_shop(open_shop, clock=clock, database_name="pos_contract_of_sign_in")
    judge, login = contract.judge, {"username": f"owner-{shop.store}", "password": PASSWORD}
    await add(shop, OWNER)
    first = judge(await shop.http.post("/api/auth/login", json=login))
    owner = bearer(first["access_token"])
    judge(await shop.http.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]}))
    judge(await shop.http.get("/api/auth/profile", headers=owner))
    new = {"username": f"ravi-{shop.store}", "name": "Ravi", "role": "cashier", "password": PASSWORD, "pin": PIN}
    user = judge(await shop.http.post("/api/users", json=new, headers=owner))["id"]
    assert judge(await shop.http.post("/api/users", json=new, headers=owner))["code"] == "account_exists"
    assert judge(await shop.http.post("/api/users", json={}, headers=owner))["code"] == "invalid_fields"
    judge(await shop.http.get("/api/users", headers=owner))
    judge(await shop.http.get(f"/api/users/{user}", headers=owner))
    judge(await shop.http.put(f"/api/users/{user}", json={"name": "Ravi K"}, headers=owner))
    enrolled = judge(await shop.http.post("/api/devices", json={"name": "Tablet"}, headers=owner))
    judge(await shop.http.get("/api/devices", headers=owner))
    key, pin = bearer(enrolled["key"]), {"username": new["username"], "pin": PIN}
    judge(await shop.http.post("/api/auth/pin", json=pin, headers=key))
    assert judge(await shop.http.post("/api/auth/pin", json=pin, headers=owner))["code"] == "forbidden"
    assert judge(await shop.http.get("/api/auth/profile"))["code"] == "not_signed_in"
    elsewhere = {**owner, "X-Store": "nowhere"}
    assert judge(await shop.http.get("/api/auth/profile", headers=elsewhere))["code"] == "no_such_store"
    own = judge(await shop.http.get("/api/auth/profile", headers=owner))["id"]
    assert judge(await shop.http.delete(f"/api/users/{own}", headers=owner))["code"] == "last_owner"
    changed = {"current": PASSWORD, "new": "seven loud coconut palms"}
    judge(await shop.http.post("/api/auth/password", json=changed, headers=owner))
    judge(await shop.http.delete(f"/api/users/{user}", headers=owner))
    judge(await shop.http.delete(f"/api/devices/{enrolled['device']['id']}", headers=owner))
    wrong = [await shop.http.post("/api/auth/login", json={**login, "password": "wrong"}) for _ in range(7)]
    assert {judge(answer)["code"] for answer in wrong} == {"not_signed_in", "too_many_requests"}
    lifetime = LIFETIMES[ACCESS]
    assert lifetime is not None
    clock.now += lifetime
    shop.state["credentials"].clear_cache()
    assert judge(await shop.http.get("/api/auth/profile", headers=owner))["code"] == "sign_in_expired"
    version = (await shop.state["users"].get(own, None))["version"]
    token = (await shop.state["sessions"].begin(own, version)).access
    judge(await shop.http.post("/api/auth/logout", headers=bearer(token)))
    keyless = await open_shop()
    assert judge(await keyless.http.post("/api/auth/login", json=login))["code"] == "no_secret_key"
    assert contract.codes >= CODES
    succeeded = {(method, path) for method, path, status in contract.seen if status < 300}
    assert succeeded >= {(method, path) for method, path, _ in contract.operations if path.startswith(PATHS)}


async def test_the_examples_are_accepted(open_shop: OpenShop, contract: Contract) -> None:
    for _, _, operation in contract.operations:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in body.get("examples", {}).values():
            contract.assert_valid(body["schema"], example["value"])
    shop = await signed_in_shop(open_shop)
    examples: list[dict[str, Any]] = [*LOGINS.values(), *PINS.values(), *USERS.values()]
    for number, example in enumerate(examples):
        secrets = {name: example.get(name) for name in ("password", "pin")}
        user = await add(shop, CASHIER, login=f"{number}-{shop.store}", **secrets)
        assert user["_id"].startswith("USER-")
