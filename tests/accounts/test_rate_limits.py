"""Rate limits, across all processes."""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from limits import RateLimitItemPerMinute

from repositories.accounts.rate_limits import LOGIN, RateLimits, network_of
from repositories.database.errors import TooManyRequests, Unavailable
from schemas.core.principals import OWNER
from tests.accounts.test_sign_in import refusal
from tests.support.accounts import add, as_, login, signed_in_shop
from tests.support.ports import free_port
from tests.support.shop import DATABASE, OpenShop


@pytest.fixture
def two(mongodb_url: str) -> Iterator[list[RateLimits]]:
    """Yield the rate limits of two processes."""
    processes = [RateLimits(mongodb_url, DATABASE, 1_000) for _ in range(2)]
    yield processes
    for each in processes:
        each.close()


async def spent(limits: RateLimits, credential: str, times: int) -> int:
    """Return how many of a number of requests were accepted."""

    async def one() -> bool:
        try:
            await limits.count_request(credential)
        except TooManyRequests:
            return False
        return True

    return sum(await asyncio.gather(*(one() for _ in range(times))))


async def test_the_limit_of_a_credential_holds_across_processes(two: list[RateLimits]) -> None:
    credential = secrets.token_hex(8)
    through = sum(await asyncio.gather(*(spent(limits, credential, 800) for limits in two)))
    # The minute of the count may end in between.
    assert 900 <= through <= 1_600
    assert through % 100 == 0
    assert await spent(two[0], secrets.token_hex(8), 50) == 50


async def test_sign_ins_are_counted_by_address_across_processes(two: list[RateLimits]) -> None:
    address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"

    async def one(number: int) -> bool:
        try:
            await two[number % 2].count(LOGIN, f"{address}::{number:x}")
        except TooManyRequests:
            return False
        return True

    through = sum(await asyncio.gather(*(one(number) for number in range(200))))
    assert LOGIN.amount <= through <= 2 * LOGIN.amount


async def test_without_a_database_sales_go_on_and_sign_ins_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = RateLimits(f"mongodb://127.0.0.1:{free_port()}/", DATABASE, 1_000)
    ask, asked = limits._limiter.hit, []

    async def noted(*arguments: Any, **options: Any) -> bool:
        asked.append(arguments)
        return await ask(*arguments, **options)

    monkeypatch.setattr(limits._limiter, "hit", noted)
    assert await spent(limits, "a", 5_000) == 5_000
    # All shared one query, which times out after half a second, and later requests do not wait again.
    assert len(asked) == 1
    monkeypatch.setattr("repositories.accounts.rate_limits._FAIL_CLOSED_SECONDS", 0.5)
    with pytest.raises(Unavailable):
        await limits.count(LOGIN, "10.0.0.1")
    limits.close()


async def test_a_limited_credential_gets_retry_after(open_shop: OpenShop) -> None:
    shop = await signed_in_shop(open_shop, rate_limit=50)
    headers = await as_(shop, OWNER)
    answers = [await shop.http.get("/api/auth/profile", headers=headers) for _ in range(120)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 120 - 2 * 50
    assert refusal(refused[0]) == (429, "too_many_requests")
    assert 1 <= int(refused[0].headers["retry-after"]) <= 60


async def test_the_limit_can_be_off_and_is_off_without_sign_in(open_shop: OpenShop) -> None:
    free, opened = await signed_in_shop(open_shop, rate_limit=0), await open_shop(rate_limit=1)
    headers = await as_(free, OWNER)
    for shop, sent in ((free, headers), (opened, {})):
        answers = [await shop.http.get("/api/auth/profile", headers=sent) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 5


async def test_sign_ins_of_one_address_are_limited_a_minute(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("endpoints.accounts.sign_in.LOGIN", RateLimitItemPerMinute(10, namespace="login"))
    shop = await signed_in_shop(open_shop)
    user = await add(shop)
    address = f"10.200.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    statuses = [
        (await login(shop, f"{number}-{user['login']}", address=address)).status_code for number in range(2 * 10 + 1)
    ]
    assert 429 in statuses
    assert statuses[:10] == [401] * 10
    assert (await login(shop, user["login"], address="10.201.1.1")).status_code == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:0db8:0001:0002"),
        ("2001:db8:1:2::1", "2001:0db8:0001:0002"),
        (None, "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str | None, network: str) -> None:
    assert network_of(address) == network
