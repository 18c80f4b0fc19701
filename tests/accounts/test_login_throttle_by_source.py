"""The throttle by source: each known tablet and address waits separately; together they have a daily limit."""

from collections.abc import Awaitable, Callable

import pytest

from repositories.accounts.login_throttle import DAILY_LIMITS, FREE_FAILURES, KNOWN_SOURCE, PER_SOURCE
from schemas.core.principals import CASHIER, OWNER
from tests.support.accounts import PIN, Headers, add, address_of, as_, enrol, login, signed_in_shop
from tests.support.clock import Clock
from tests.support.shop import OpenShop, Shop

WRONG = "702947"

SignIn = Callable[[Headers, str], Awaitable[int]]


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await signed_in_shop(open_shop, clock=Clock())


async def cashier_of(shop: Shop) -> SignIn:
    """Return a function that signs a cashier in at a tablet and returns the response's status."""
    cashier = await add(shop, CASHIER, shop.store, pin=PIN)

    async def sign_in(at: Headers, pin: str) -> int:
        body = {"username": cashier["login"], "pin": pin}
        headers = {**at, "X-Forwarded-For": address_of(shop)}
        return (await shop.http.post("/api/auth/pin", json=body, headers=headers)).status_code

    return sign_in


async def test_a_faulty_tablet_does_not_lock_out_the_others(shop: Shop) -> None:
    clock = shop.state["clock"]
    owner, sign_in = await as_(shop, OWNER), await cashier_of(shop)
    bad, good, third = [(await enrol(shop, owner, name=name))[1] for name in ("One", "Two", "Three")]
    assert [await sign_in(at, PIN) for at in (bad, good, third)] == [200] * 3
    assert [await sign_in(bad, WRONG) for _ in range(FREE_FAILURES + 1)] == [401] * FREE_FAILURES + [429]
    assert [await sign_in(at, PIN) for at in (bad, good)] == [429, 200]

    async def guess_all_that_is_granted(at: Headers, granted: int = 0) -> int:
        for _ in range(PER_SOURCE + 2):
            clock.advance(seconds=900)
            granted += await sign_in(at, WRONG) == 401
        return granted

    # One tablet can use half of the daily limit; the others continue.
    assert await guess_all_that_is_granted(bad, FREE_FAILURES) == PER_SOURCE
    assert [await sign_in(at, PIN) for at in (bad, good, third)] == [429, 200, 200]
    # Two faulty tablets use up the daily limit. The next day starts at zero.
    assert await guess_all_that_is_granted(third) == PER_SOURCE == DAILY_LIMITS[KNOWN_SOURCE] / 2
    assert [await sign_in(at, PIN) for at in (bad, good, third)] == [429] * 3
    clock.advance(days=1)
    assert [await sign_in(at, PIN) for at in (bad, good, third)] == [200] * 3


async def test_a_success_at_one_tablet_clears_only_its_own_failures(shop: Shop) -> None:
    owner, sign_in = await as_(shop, OWNER), await cashier_of(shop)
    one, two = [(await enrol(shop, owner, name=name))[1] for name in ("One", "Two")]
    assert [await sign_in(at, PIN) for at in (one, two)] == [200] * 2
    for _ in range(FREE_FAILURES - 1):
        assert [await sign_in(at, WRONG) for at in (one, two)] == [401] * 2
    assert await sign_in(two, PIN) == 200
    assert [await sign_in(one, WRONG) for _ in range(2)] == [401, 429]
    assert [await sign_in(two, WRONG) for _ in range(FREE_FAILURES + 1)] == [401] * FREE_FAILURES + [429]


async def test_a_known_address_waits_separately_too(shop: Shop) -> None:
    user = await add(shop)
    home, office = "10.1.1.1", "10.1.1.2"
    for address in (home, office):
        assert (await login(shop, user["login"], address=address)).status_code == 200
    tried = [await login(shop, user["login"], "wrong", address=home) for _ in range(FREE_FAILURES + 1)]
    assert [answer.status_code for answer in tried] == [401] * FREE_FAILURES + [429]
    assert (await login(shop, user["login"], address=home)).status_code == 429
    assert (await login(shop, user["login"], address=office)).status_code == 200
