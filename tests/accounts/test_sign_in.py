"""Sign-in and sign-out: passwords, PINs, renewals and revocation."""

import asyncio

import httpx

from repositories.accounts.credentials import ACCESS, LIFETIMES
from repositories.accounts.login_throttle import FREE_FAILURES
from schemas.core.principals import CASHIER, OWNER
from schemas.core.tokens import hash_token
from tests.support.accounts import (
    NEW_PASSWORD,
    PASSWORD,
    PIN,
    add,
    address_of,
    as_,
    bearer,
    enrol,
    login,
    signed_in_shop,
)
from tests.support.clock import Clock
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def renew(shop: Shop, token: str) -> httpx.Response:
    headers = {"X-Forwarded-For": address_of(shop)}
    return await shop.http.post("/api/auth/refresh", json={"refresh_token": token}, headers=headers)


async def profile_of(shop: Shop, token: str) -> httpx.Response:
    return await shop.http.get("/api/auth/profile", headers=bearer(token))


async def test_a_password_signs_in_and_the_profile_names_the_user(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    user = await add(shop, CASHIER, shop.store)
    answer = await login(shop, user["login"].upper())
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["token_type"], body["expires_in"]) == ("bearer", 3600)
    expected = {"id": user["_id"], "name": "Cashier", "role": "cashier", "store": shop.store, "device": None}
    assert body["user"] == expected
    assert (await profile_of(shop, body["access_token"])).json() == expected
    sold = await shop.http.post("/api/orders/create-sale", json=sale_body(), headers=bearer(body["access_token"]))
    assert sold.status_code == 201


async def test_a_wrong_password_and_an_unknown_login_get_the_same_response(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    user = await add(shop)
    wrong = await login(shop, user["login"], "not " + PASSWORD)
    unknown = await login(shop, "unknown-" + shop.store)
    assert refusal(wrong) == refusal(unknown) == (401, "not_signed_in")
    assert wrong.json()["detail"] == unknown.json()["detail"] == "The name or the password is wrong."


async def test_a_user_without_a_password_cannot_sign_in_with_one(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    user = await add(shop, password=None, pin=PIN)
    for password in (PASSWORD, PIN, "None", "none"):
        assert refusal(await login(shop, user["login"], password)) == (401, "not_signed_in")


async def test_an_access_token_expires_after_an_hour(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await signed_in_shop(open_shop, clock=clock)
    token = (await login(shop, (await add(shop))["login"])).json()["access_token"]
    clock.advance(seconds=3599)
    shop.state["credentials"].clear_cache()
    assert (await profile_of(shop, token)).status_code == 200
    clock.advance(seconds=2)
    shop.state["credentials"].clear_cache()
    assert refusal(await profile_of(shop, token)) == (401, "sign_in_expired")


async def test_a_refresh_token_is_exchanged_once(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    first = (await login(shop, (await add(shop))["login"])).json()
    answer = await renew(shop, first["refresh_token"])
    assert answer.status_code == 200, answer.text
    second = answer.json()
    assert (await profile_of(shop, second["access_token"])).status_code == 200
    # A second use of the first token ends the family, for the thief and for the owner.
    assert refusal(await renew(shop, first["refresh_token"])) == (401, "not_signed_in")
    for token in (first["access_token"], second["access_token"]):
        assert refusal(await profile_of(shop, token)) == (401, "not_signed_in")
    assert refusal(await renew(shop, second["refresh_token"])) == (401, "not_signed_in")


async def test_of_concurrent_renewals_at_most_one_succeeds_and_the_family_ends(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    tokens = (await login(shop, (await add(shop))["login"])).json()
    answers = await asyncio.gather(*(renew(shop, tokens["refresh_token"]) for _ in range(20)))
    renewed = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(renewed) <= 1
    assert {answer.status_code for answer in answers} <= {200, 401}
    shop.state["credentials"].clear_cache()
    for each in [tokens, *renewed]:
        assert refusal(await profile_of(shop, each["access_token"])) == (401, "not_signed_in")
    family = {"owner": (await owner_of(shop, tokens["access_token"]))}
    assert await shop.database["credentials"].count_documents(family) == 0


async def owner_of(shop: Shop, token: str) -> str:
    row = await shop.database["credentials"].find_one({"_id": hash_token(token)})
    return "none" if row is None else str(row["owner"])


async def test_an_interrupted_renewal_can_be_repeated(open_shop: OpenShop) -> None:
    """Simulate a process that dies after storing the new pair and before marking the old token as used."""
    shop = await signed_in_shop(open_shop)
    user = await add(shop)
    tokens = (await login(shop, user["login"])).json()
    row = await shop.database["credentials"].find_one({"_id": hash_token(tokens["refresh_token"])})
    assert row is not None
    await shop.state["credentials"].issue("refresh", user["_id"], family=row["family"], used_at=None)
    assert (await renew(shop, tokens["refresh_token"])).status_code == 200


async def test_signing_out_ends_the_family(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    user = await add(shop)
    this_session, other_session = [(await login(shop, user["login"])).json() for _ in range(2)]
    left = await shop.http.post("/api/auth/logout", headers=bearer(this_session["access_token"]))
    assert left.status_code == 200
    assert refusal(await profile_of(shop, this_session["access_token"])) == (401, "not_signed_in")
    assert refusal(await renew(shop, this_session["refresh_token"])) == (401, "not_signed_in")
    assert (await profile_of(shop, other_session["access_token"])).status_code == 200


async def test_a_password_change_ends_all_other_sessions(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    user = await add(shop)
    this_session, other_session = [(await login(shop, user["login"])).json() for _ in range(2)]
    headers = bearer(this_session["access_token"])
    body = {"current": PASSWORD, "new": NEW_PASSWORD}
    wrong = await shop.http.post("/api/auth/password", json={**body, "current": NEW_PASSWORD}, headers=headers)
    assert refusal(wrong) == (401, "not_signed_in")
    weak = await shop.http.post("/api/auth/password", json={**body, "new": "aaaaaaaaaaaa"}, headers=headers)
    assert refusal(weak) == (422, "invalid_fields")
    assert weak.json()["errors"] == [{"pointer": "/new", "detail": "must not repeat one piece over and over"}]
    assert (await shop.http.post("/api/auth/password", json=body, headers=headers)).status_code == 200
    assert (await profile_of(shop, this_session["access_token"])).status_code == 200
    assert (await renew(shop, this_session["refresh_token"])).status_code == 200
    assert refusal(await profile_of(shop, other_session["access_token"])) == (401, "not_signed_in")
    assert refusal(await login(shop, user["login"])) == (401, "not_signed_in")
    assert (await login(shop, user["login"], NEW_PASSWORD)).status_code == 200


async def test_a_pin_session_needs_a_registered_device_and_ends_with_it(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    cashier = await add(shop, CASHIER, shop.store, pin=PIN)
    body = {"username": cashier["login"], "pin": PIN}
    assert refusal(await shop.http.post("/api/auth/pin", json=body)) == (401, "not_signed_in")
    assert refusal(await shop.http.post("/api/auth/pin", json=body, headers=owner)) == (403, "forbidden")
    device, key = await enrol(shop, owner)
    wrong = await shop.http.post("/api/auth/pin", json={**body, "pin": "702947"}, headers=key)
    assert refusal(wrong) == (401, "not_signed_in")
    answer = await shop.http.post("/api/auth/pin", json=body, headers=key)
    assert answer.status_code == 200, answer.text
    assert "refresh_token" not in answer.json()
    token = answer.json()["access_token"]
    assert (await profile_of(shop, token)).json()["device"] == device
    assert refusal(await shop.http.post("/api/auth/pin", json=body, headers=bearer(token))) == (403, "forbidden")
    assert (await shop.http.delete(f"/api/devices/{device}", headers=owner)).status_code == 200
    assert refusal(await profile_of(shop, token)) == (401, "not_signed_in")
    assert refusal(await shop.http.post("/api/auth/pin", json=body, headers=key)) == (401, "not_signed_in")
    assert await shop.database["credentials"].count_documents({"owner": device}) == 0


async def test_a_right_pin_at_another_stores_device_is_refused_like_a_wrong_one(open_shop: OpenShop) -> None:
    shop, other = await signed_in_shop(open_shop), await signed_in_shop(open_shop)
    _, key = await enrol(shop, await as_(shop, OWNER), belongs_to=shop.store)
    others = [await add(other, CASHIER, other.store, pin=PIN, login=f"{n}-{other.store}") for n in range(2)]
    rejections = []
    for other_user, pin in zip(others, (PIN, "702947"), strict=True):
        body = {"username": other_user["login"], "pin": pin}
        answers = [await shop.http.post("/api/auth/pin", json=body, headers=key) for _ in range(FREE_FAILURES + 2)]
        rejections.append([refusal(answer) for answer in answers])
    assert rejections[0] == rejections[1] == [(401, "not_signed_in")] * FREE_FAILURES + [(429, "too_many_requests")] * 2


async def test_only_the_right_kind_of_token_is_accepted(open_shop: OpenShop) -> None:
    """Use forged, shortened and other tokens: only an access token or a key signs in, only a refresh token renews."""
    shop = await signed_in_shop(open_shop)
    user = await add(shop)
    tokens = (await login(shop, user["login"])).json()
    ticket = await shop.state["credentials"].issue("ticket", user["_id"])
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    forged = [refresh, ticket, access[:-1], access + "A", access.swapcase(), hash_token(access), "pos_a_" + "A" * 43]
    for token in [*forged, access.replace("pos_a_", "pos_k_"), "x" * 600]:
        assert refusal(await profile_of(shop, token)) == (401, "not_signed_in"), token
    for token in [access, ticket, refresh[:-1], refresh + "=", hash_token(refresh), "pos_r_"]:
        assert refusal(await renew(shop, token)) == (401, "not_signed_in"), token
    assert (await renew(shop, "x" * 600)).status_code == 422
    assert (await profile_of(shop, access)).status_code == 200
    assert (await renew(shop, refresh)).status_code == 200


async def test_hashes_are_renewed_when_their_parameters_are_out_of_date(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop)
    user = await add(shop)
    assert "m=7168,t=5,p=1" in user["password"]
    passwords = shop.state["sign_in"]._passwords
    weak = type(passwords._hasher)(time_cost=1, memory_cost=1024, parallelism=1).hash(passwords._keyed(PASSWORD))
    await shop.database["users"].update_one({"_id": user["_id"]}, {"$set": {"password": weak}})
    assert (await login(shop, user["login"])).status_code == 200
    renewed = await shop.database["users"].find_one({"_id": user["_id"]})
    assert renewed is not None
    assert "m=7168,t=5,p=1" in renewed["password"]
    assert (await login(shop, user["login"])).status_code == 200


async def test_without_a_secret_key_no_password_can_be_set(open_shop: OpenShop) -> None:
    shop = await open_shop()
    answer = await login(shop, "anybody", address="127.0.0.1")
    assert refusal(answer) == (409, "no_secret_key")


def test_the_lifetimes_are_those_of_the_documentation() -> None:
    lifetime = LIFETIMES[ACCESS]
    assert lifetime is not None
    assert lifetime.total_seconds() == 3600
