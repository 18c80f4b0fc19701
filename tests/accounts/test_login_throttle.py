"""The login throttle: how often a client may try, and that other clients do not wait for an attack.

`tests/faults/test_brute_force_load.py` measures that the event loop is not blocked.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest
from argon2 import PasswordHasher

from repositories.accounts.login_throttle import DAILY_LIMITS, FREE_FAILURES, PASSWORD, LoginThrottle
from repositories.database.errors import TooManyRequests
from schemas.core.principals import CASHIER, OWNER
from tests.accounts.test_sign_in import refusal
from tests.conftest import LongRun
from tests.support.accounts import PIN, Headers, add, as_, enrol, login, signed_in_shop
from tests.support.clients.password_guessing import guess
from tests.support.clock import Clock
from tests.support.shop import OpenShop, Shop

pytestmark = pytest.mark.soak

Json = dict[str, Any]


class CountingHasher(PasswordHasher):
    """An argon2id hasher that counts its verifications."""

    verified = 0

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002  (the library's name)
        self.verified += 1
        return super().verify(hash, password)


def counting(shop: Shop) -> CountingHasher:
    """Return a counting hasher, which the shop uses from now on."""
    hasher = CountingHasher(time_cost=5, memory_cost=7 * 1024, parallelism=1)
    shop.state["passwords"]._hasher = hasher
    return hasher


def _guesses(long_run: LongRun) -> int:
    return 10_000 if long_run.is_long else 500


async def accompanied(attack: Awaitable[Counter[int]], meanwhile: Callable[[], Awaitable[None]]) -> Counter[int]:
    """Run an attack, and repeat other work beside it until it ends."""
    running = asyncio.ensure_future(attack)
    while not running.done():
        await meanwhile()
    return await running


async def test_thousands_of_guesses_of_a_password(open_shop: OpenShop, long_run: LongRun) -> None:
    """Attack from many addresses, so that the limit of an address does not stop it."""
    shop = await signed_in_shop(open_shop)
    victim, bystander = await add(shop, OWNER), await add(shop, CASHIER, shop.store)
    hasher = counting(shop)
    others = 0

    async def sign_in() -> None:
        nonlocal others
        answer = await login(shop, bystander["login"], address=f"192.0.2.{others % 250}")
        assert answer.status_code == 200, answer.text
        others += 1

    def address(number: int) -> Headers:
        return {"X-Forwarded-For": f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}"}

    guesses = (
        {"username": victim["login"], "password": f"a wrong guess {number}"} for number in range(_guesses(long_run))
    )
    statuses = await accompanied(guess(shop.port, "/api/auth/login", guesses, address), sign_in)
    assert statuses.keys() <= {401, 429}
    assert sum(statuses.values()) == _guesses(long_run)
    assert statuses[401] <= 100
    assert hasher.verified - others <= 100
    assert others >= 1
    assert await shop.database["attempts"].count_documents({"_id": {"$regex": "^password:"}}) < 5_000


async def test_thousands_of_guesses_of_a_pin(open_shop: OpenShop, long_run: LongRun) -> None:
    """Attack at the shop's own tablet, which has one address."""
    shop = await signed_in_shop(open_shop)
    owner = await as_(shop, OWNER)
    victim = await add(shop, CASHIER, shop.store, pin=PIN)
    _, key = await enrol(shop, owner)
    hasher = counting(shop)

    async def sell() -> None:
        assert (await shop.http.get("/api/orders/all", headers=owner)).status_code == 200
        await asyncio.sleep(0.05)

    guesses = ({"username": victim["login"], "pin": f"{number:06}"} for number in range(_guesses(long_run)))
    attack = guess(
        shop.port, "/api/auth/pin", guesses, lambda number: {**key, "X-Forwarded-For": f"10.9.{number % 200}.1"}
    )
    statuses = await accompanied(attack, sell)
    assert statuses.keys() <= {401, 429}
    assert hasher.verified <= 100


async def test_concurrent_attempts_never_exceed_the_daily_limit(shop: Shop) -> None:
    attempts = LoginThrottle(shop.database, Clock())
    results = await asyncio.gather(
        *(attempts.reserve(PASSWORD, f"one-{shop.store}", f"10.0.0.{number}") for number in range(100)),
        return_exceptions=True,
    )
    assert sum(not isinstance(each, BaseException) for each in results) == FREE_FAILURES
    assert {type(each) for each in results if isinstance(each, BaseException)} == {TooManyRequests}


async def wait_of(attempts: LoginThrottle, name: str, place: str) -> int:
    """Return the seconds that a refused attempt has to wait, 0 if it is granted."""
    try:
        await attempts.reserve(PASSWORD, name, place)
    except TooManyRequests as refused:
        return int(refused.headers["Retry-After"])
    return 0


async def test_the_wait_doubles_up_to_15_minutes(shop: Shop) -> None:
    clock = Clock()
    attempts = LoginThrottle(shop.database, clock)
    name, waits = f"two-{shop.store}", []
    for _ in range(FREE_FAILURES):
        assert await wait_of(attempts, name, "10.0.0.1") == 0
    for _ in range(10):
        waits.append(await wait_of(attempts, name, "10.0.0.1"))
        clock.advance(seconds=waits[-1])
        assert await wait_of(attempts, name, "10.0.0.1") == 0
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


async def test_a_day_has_at_most_100_failures(shop: Shop) -> None:
    clock = Clock()
    attempts = LoginThrottle(shop.database, clock)
    name, home = f"three-{shop.store}", "10.0.0.1"
    await attempts.record_success(await attempts.reserve(PASSWORD, name, home))
    began, granted = clock(), 0
    while (clock() - began).total_seconds() < 86_400:
        for place in (home, "203.0.113.9"):
            granted += await wait_of(attempts, name, place) == 0
        clock.advance(seconds=300)
    assert granted <= sum(DAILY_LIMITS.values()) <= 100
    clock.advance(days=1)
    assert await wait_of(attempts, name, "203.0.113.9") == 0
    assert await wait_of(attempts, name, home) == 0


async def test_unknown_sources_do_not_lock_out_the_user(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await signed_in_shop(open_shop, clock=clock)
    user = await add(shop)
    assert (await login(shop, user["login"], address="10.1.1.1")).status_code == 200
    for number in range(FREE_FAILURES):
        assert (await login(shop, user["login"], "wrong", address=f"203.0.113.{number}")).status_code == 401
    refused = await login(shop, user["login"], address="203.0.113.77")
    assert refusal(refused) == (429, "too_many_requests")
    assert refused.headers["retry-after"] == "5"
    assert (await login(shop, user["login"], address="10.1.1.1")).status_code == 200
    clock.advance(days=31)
    assert (await login(shop, user["login"], address="10.1.1.1")).status_code == 200, "a success clears"


async def test_a_success_clears_the_failures(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop, clock=Clock())
    user = await add(shop)
    for _ in range(3):
        for _ in range(FREE_FAILURES - 1):
            assert (await login(shop, user["login"], "wrong")).status_code == 401
        assert (await login(shop, user["login"])).status_code == 200


async def test_unknown_logins_are_throttled_like_known_ones_and_take_as_long(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop, clock=Clock())
    user = await add(shop)
    hasher = counting(shop)
    for name in (user["login"], "unknown-" + shop.store):
        before = hasher.verified
        statuses = [(await login(shop, name, "wrong")).status_code for _ in range(FREE_FAILURES + 2)]
        assert statuses == [401] * FREE_FAILURES + [429] * 2
        assert hasher.verified - before == FREE_FAILURES


async def test_attempt_rows_expire(shop: Shop) -> None:
    clock = Clock()
    attempts = LoginThrottle(shop.database, clock)
    made = [await attempts.reserve(PASSWORD, "x" * 250 + f"{number}-{shop.store}", "10.0.0.1") for number in range(50)]
    indexes = await shop.database["attempts"].index_information()
    assert indexes["retention"]["expireAfterSeconds"] == 0
    rows = await shop.database["attempts"].find({"_id": {"$in": [each.account for each in made]}}).to_list()
    assert len(rows) == 50
    for row in rows:
        assert (row["expires_at"] - clock()).total_seconds() <= 86_400
        assert len(json.dumps(row, default=str)) < 500
        assert re.fullmatch(r"password:[0-9a-f]{32}", row["_id"])
