"""Renewal after a lost response: the client can continue, a thief with a copied token cannot."""

import asyncio
from typing import Any, Final

import httpx
import pytest

from endpoints.reporting.board import ASSETS
from repositories.database.client import Database
from schemas.core.collections import CREDENTIALS
from schemas.core.tokens import hash_token
from schemas.journal.idempotency import RETRY_WINDOW
from tests.accounts.test_sign_in import profile_of, refusal
from tests.conftest import LongRun
from tests.support.accounts import SECRET_KEY, add, address_of, bearer, login, signed_in_shop
from tests.support.archives import empty_database
from tests.support.clock import Clock
from tests.support.faults.failpoints import failing
from tests.support.processes import Service, services
from tests.support.shop import OpenShop, Shop
from tests.support.shop_setup import OWNER_DRAFT, SETUP_TOKEN

Json = dict[str, Any]

REFRESH = "/api/auth/refresh"

Step = tuple[str, int] | None


async def renew(shop: Shop, token: str, *keys: str) -> httpx.Response:
    headers = [("X-Forwarded-For", address_of(shop)), *(("Idempotency-Key", key) for key in keys)]
    return await shop.http.post(REFRESH, json={"refresh_token": token}, headers=headers)


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await signed_in_shop(open_shop, clock=Clock())


async def signed_in(shop: Shop) -> Json:
    tokens: Json = (await login(shop, (await add(shop))["login"])).json()
    return tokens


async def test_a_lost_response_is_repeated_for_the_same_key(shop: Shop) -> None:
    first = await signed_in(shop)
    second, again = [await renew(shop, first["refresh_token"], "mine") for _ in range(2)]
    assert second.status_code == 200, second.text
    assert again.json() == second.json()
    tokens = second.json()
    assert (await profile_of(shop, tokens["access_token"])).status_code == 200
    third = await renew(shop, tokens["refresh_token"], "another")
    assert third.status_code == 200
    assert third.json()["refresh_token"] != tokens["refresh_token"]
    # The stored row does not reveal the next tokens.
    row = await shop.database[CREDENTIALS].find_one({"_id": hash_token(first["refresh_token"])})
    assert not any(secret in str(row) for secret in ("mine", *map(str, tokens.values())) if len(secret) > 6)


@pytest.mark.parametrize("keys", [(), ("theirs",)])
async def test_a_stolen_token_without_the_key_ends_the_session(shop: Shop, keys: tuple[str, ...]) -> None:
    first = await signed_in(shop)
    second = (await renew(shop, first["refresh_token"], "mine")).json()
    assert refusal(await renew(shop, first["refresh_token"], *keys)) == (401, "not_signed_in")
    for token in (second["refresh_token"], first["refresh_token"]):
        assert refusal(await renew(shop, token, "mine")) == (401, "not_signed_in")
    assert refusal(await profile_of(shop, second["access_token"])) == (401, "not_signed_in")


async def test_a_key_that_was_not_sent_the_first_time_is_ignored(shop: Shop) -> None:
    first = await signed_in(shop)
    assert (await renew(shop, first["refresh_token"])).status_code == 200
    for key in ("None", "mine"):
        assert refusal(await renew(shop, first["refresh_token"], key)) == (401, "not_signed_in")


async def test_a_response_is_repeated_for_ten_minutes(shop: Shop) -> None:
    clock: Any = shop.state["clock"]
    first = await signed_in(shop)
    second = (await renew(shop, first["refresh_token"], "mine")).json()
    clock.advance(seconds=RETRY_WINDOW.total_seconds() - 1)
    assert (await renew(shop, first["refresh_token"], "mine")).json() == second
    clock.advance(seconds=1)
    assert refusal(await renew(shop, first["refresh_token"], "mine")) == (401, "not_signed_in")
    assert refusal(await renew(shop, second["refresh_token"], "mine")) == (401, "not_signed_in")


async def test_concurrent_renewals_with_one_key_get_the_same_response(shop: Shop) -> None:
    first = await signed_in(shop)
    answers = await asyncio.gather(*(renew(shop, first["refresh_token"], "mine") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert (await renew(shop, answers[0].json()["refresh_token"])).status_code == 200


async def test_a_key_does_not_restore_an_ended_session(shop: Shop) -> None:
    first = await signed_in(shop)
    second = (await renew(shop, first["refresh_token"], "mine")).json()
    assert (await shop.http.post("/api/auth/logout", headers=bearer(second["access_token"]))).status_code == 200
    assert refusal(await renew(shop, first["refresh_token"], "mine")) == (401, "not_signed_in")
    assert await shop.database[CREDENTIALS].count_documents({"_id": hash_token(second["refresh_token"])}) == 0


async def test_a_key_follows_the_rules_of_idempotency_keys(shop: Shop) -> None:
    token = (await signed_in(shop))["refresh_token"]
    assert refusal(await renew(shop, token, "x" * 256)) == (422, "invalid_idempotency_key")
    assert refusal(await renew(shop, token, "one", "two")) == (400, "repeated_idempotency_key")
    assert (await renew(shop, token, "one")).status_code == 200


def test_the_board_sends_a_key() -> None:
    assert b"'Idempotency-Key'" in ASSETS["sign-in.js"].file.body


#: Where in a renewal the server is killed: at the nth occurrence of this database command, or at the end.
STEPS: Final[list[Step]] = [("find", 0), ("insert", 0), ("insert", 1), ("update", 0), None]


#: The response to a repeated request without a key. A pending update may still happen.
BARE: Final[dict[Step, set[int]]] = {("update", 0): {200, 401}, None: {401}}


async def ask(server: Service, path: str, body: Json, **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as http:
        return await http.post(path, json=body, headers=headers)


async def sign_in(server: Service) -> Json:
    answer = await ask(
        server, "/api/auth/login", {"username": OWNER_DRAFT["username"], "password": OWNER_DRAFT["password"]}
    )
    assert answer.status_code == 200, answer.text
    tokens: Json = answer.json()
    return tokens


async def renew_in_vain(server: Service, database: Database, step: Step, token: str, headers: dict[str, str]) -> None:
    """Renew without a response: the server is killed in the middle of it, and started again."""
    body = {"refresh_token": token}
    if step is None:
        assert (await ask(server, REFRESH, body, **headers)).status_code == 200
        await server.kill()
    else:
        command, skip = step
        # The stopped command may still complete later, or never.
        there: Json = {"namespace": f"{database.name}.{CREDENTIALS}", "blockConnection": True, "blockTimeMS": 3_000}
        async with failing(database, command, skip=skip, **there) as is_reached:
            asking = asyncio.create_task(ask(server, REFRESH, body, **headers))
            async with asyncio.timeout(20):
                while not await is_reached():
                    await asyncio.sleep(0.005)
            await server.kill()
            with pytest.raises(httpx.TransportError):
                await asking
    await server.start()


async def test_a_server_killed_in_a_renewal_keeps_the_user_in_and_a_thief_out(
    mongodb_url: str, long_run: LongRun
) -> None:
    names = {"SIGN_IN": "on", "SECRET_KEY": SECRET_KEY, "SETUP_TOKEN": SETUP_TOKEN}
    async with (
        empty_database(mongodb_url) as database,
        services(mongodb_url, "main", 1, DATABASE_NAME=database.name, **names) as (server,),
    ):
        assert (await ask(server, "/api/setup", OWNER_DRAFT)).status_code == 201
        for step in STEPS:
            key = {"Idempotency-Key": f"at {step}"}
            first = await sign_in(server)
            token = {"refresh_token": first["refresh_token"]}
            await renew_in_vain(server, database, step, first["refresh_token"], key)
            second = await ask(server, REFRESH, token, **key)
            assert second.status_code == 200, f"{step}: {second.text}"
            third = await ask(server, REFRESH, {"refresh_token": second.json()["refresh_token"]})
            assert third.status_code == 200, f"{step}: {third.text}"
            # A thief uses a copy of the first token: the request fails and the family ends.
            for headers in ({}, {"Idempotency-Key": "a guess"}):
                assert refusal(await ask(server, REFRESH, token, **headers)) == (401, "not_signed_in"), step
            for each in (second.json(), third.json()):
                assert refusal(await ask(server, REFRESH, {"refresh_token": each["refresh_token"]}))[0] == 401, step
            assert await database[CREDENTIALS].count_documents({"kind": {"$ne": "setup"}}) == 0, step
            if not long_run.is_long:
                continue
            # Without a key, a used token is lost, and the user must sign in again.
            bare = (await sign_in(server))["refresh_token"]
            await renew_in_vain(server, database, step, bare, {})
            again = await ask(server, REFRESH, {"refresh_token": bare})
            assert again.status_code in BARE.get(step, {200}), f"{step}: {again.text}"
            await database[CREDENTIALS].delete_many({"kind": {"$ne": "setup"}})
