"""Unknown tokens: an address that sends many is refused without a query, and no other client is."""

import asyncio
import secrets

import httpx
import pytest

from repositories.accounts.credentials import ACCESS, KEY, TICKET, Credentials, new_token
from repositories.accounts.rate_limits import UNKNOWN_TOKENS
from schemas.core.collections import CREDENTIALS
from schemas.core.principals import OWNER
from schemas.core.tokens import hash_token
from tests.accounts.test_sign_in import refusal
from tests.migrations.test_indexes import recorded
from tests.support.accounts import Headers, as_, bearer, enrol, signed_in_shop
from tests.support.shop import OpenShop, Shop

#: If the current minute has fewer seconds left, the test waits for the next one.
_LEFT = 5


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await signed_in_shop(open_shop)


def new_address() -> str:
    return f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::7"


async def profile(shop: Shop, headers: Headers, address: str) -> httpx.Response:
    return await shop.http.get("/api/auth/profile", headers={**headers, "X-Forwarded-For": address})


async def guess(shop: Shop, address: str) -> httpx.Response:
    return await profile(shop, bearer(new_token(ACCESS)), address)


async def guess_until_refused(shop: Shop, address: str) -> int:
    """Return how many unknown tokens were accepted before the block."""
    granted = 0
    while True:
        answers = await asyncio.gather(*(guess(shop, address) for _ in range(25)))
        granted += sum(answer.status_code == 401 for answer in answers)
        waits = [int(answer.headers["retry-after"]) for answer in answers if answer.status_code == 429]
        if waits and waits[-1] > _LEFT:
            return granted


async def test_an_address_that_guesses_tokens_is_refused_without_a_query(shop: Shop) -> None:
    address = new_address()
    granted = await guess_until_refused(shop, address)
    # The minute of the count may end in between, and requests are concurrent.
    assert UNKNOWN_TOKENS.amount <= granted <= 2 * UNKNOWN_TOKENS.amount + 25
    forged = [new_token(kind) for kind in (ACCESS, KEY, ACCESS)]
    async with recorded(shop.database) as commands:
        answers = [await profile(shop, bearer(token), address) for token in forged]
        ticketed = await shop.http.get(
            f"/api/events/stream?ticket={new_token(TICKET)}", headers={"X-Forwarded-For": address}
        )
    assert {refusal(answer) for answer in [*answers, ticketed]} == {(429, "too_many_requests")}
    assert 1 <= int(answers[0].headers["retry-after"]) <= 60
    asked = str(commands)
    assert not any(hash_token(token) in asked for token in forged)
    # Only this network, a /64 of IPv6, is blocked.
    assert refusal(await guess(shop, new_address())) == (401, "not_signed_in")
    assert refusal(await guess(shop, address.replace("::7", "::8"))) == (429, "too_many_requests")


async def test_a_known_token_from_a_blocked_address_is_accepted(shop: Shop) -> None:
    """Use one address for all tills of a shop, one of which is faulty."""
    address = new_address()
    # As if another process had signed them in.
    elsewhere = Credentials(shop.database, shop.state["clock"])
    owner = await as_(shop, OWNER)
    user = (await shop.http.get("/api/users", headers=owner)).json()[0]["id"]
    seen, unseen = [bearer(await elsewhere.issue(ACCESS, user)) for _ in range(2)]
    assert (await profile(shop, seen, address)).status_code == 200
    await guess_until_refused(shop, address)
    shop.state["credentials"].clear_cache()
    for headers in (owner, seen, (await enrol(shop, owner))[1]):
        assert (await profile(shop, headers, address)).status_code == 200
    ticket = (await shop.http.post("/api/ws-ticket", headers=owner)).json()["ticket"]
    async with shop.http.stream(
        "GET", f"/api/events/stream?ticket={ticket}", headers={"X-Forwarded-For": address}
    ) as stream:
        assert stream.status_code == 200
    # A token that this process has not seen counts as a guess from there, but not from another address.
    assert refusal(await profile(shop, unseen, address)) == (429, "too_many_requests")
    assert (await profile(shop, unseen, new_address())).status_code == 200
    assert (await profile(shop, unseen, address)).status_code == 200
    # A revoked token is unknown and stays so.
    await shop.database[CREDENTIALS].delete_one({"_id": hash_token(unseen["Authorization"].removeprefix("Bearer "))})
    shop.state["credentials"].clear_cache()
    assert refusal(await profile(shop, unseen, address)) == (401, "not_signed_in")
    shop.state["credentials"].clear_cache()
    assert refusal(await profile(shop, unseen, address)) == (429, "too_many_requests")


async def test_unknown_tokens_are_counted_across_processes(shop: Shop, open_shop: OpenShop) -> None:
    other, address = await signed_in_shop(open_shop), new_address()
    # The minute of the count may end in between.
    while True:
        await guess_until_refused(shop, address)
        first, second = await guess(other, address), await guess(other, address)
        if first.status_code == 401 and second.status_code == 429:
            break
