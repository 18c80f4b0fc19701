"""Clocks that differ: expiry uses the database's clock, and the difference is logged and shown."""

import asyncio
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.clock import utc_now
from app.database.local_mongod import find_mongod, local_mongod
from repositories.accounts.rate_limits import LOGIN, RateLimits
from repositories.database.clock import DatabaseClock
from repositories.database.errors import TooManyRequests
from tests.support.clock import Clock
from tests.support.event_log import groups_of
from tests.support.payloads import sale_body
from tests.support.shop import DATABASE, OpenShop, Shop, opened

SALE = "/api/orders/create-sale"
KEYED = {"Idempotency-Key": "one-and-the-same"}


@pytest.fixture(scope="module")
def ttl_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of a mongod that deletes expired documents every second."""
    settings = ("--setParameter", "enableTestCommands=1", "--setParameter", "ttlMonitorSleepSecs=1")
    with local_mongod(tmp_path_factory.mktemp("tidy"), executable=find_mongod(), extra=settings) as url:
        yield url


async def expired_documents_deleted(shop: Shop) -> None:
    """Wait until the TTL monitor has run twice."""

    async def passes() -> int:
        status = await shop.database.client.admin.command("serverStatus")
        return int(status["metrics"]["ttl"]["passes"])

    before = await passes()
    async with asyncio.timeout(30):
        while await passes() < before + 3:
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("days", [-400, 400])
async def test_events_and_stored_answers_are_kept_for_any_time_of_the_machines_clock(ttl_url: str, days: int) -> None:
    store = f"apart-{secrets.token_hex(6)}"
    async with opened(ttl_url, clock=lambda: utc_now() + timedelta(days=days), store_id=store) as shop:
        first = await shop.http.post(SALE, json=sale_body(), headers=KEYED)
        await expired_documents_deleted(shop)
        again = await shop.http.post(SALE, json=sale_body(), headers=KEYED)
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json()["order_id"] == again.json()["order_id"]
        assert again.headers["idempotent-replayed"] == "true"
        [group] = await groups_of(shop.database, store)
        assert abs(group["at"] - utc_now()) < timedelta(minutes=5)
        assert await shop.database.orders.count_documents({"store": store}) == 1


async def test_a_stored_answer_survives_a_jump_of_the_clock(ttl_url: str) -> None:
    clock = Clock(utc_now())
    async with opened(ttl_url, clock=clock, store_id=f"jump-{secrets.token_hex(6)}") as shop:
        clock.advance(days=-400)
        first = await shop.http.post(SALE, json=sale_body(), headers=KEYED)
        await expired_documents_deleted(shop)
        again = await shop.http.post(SALE, json=sale_body(), headers=KEYED)
        assert first.json()["order_id"] == again.json()["order_id"]


async def test_windows_and_leases_use_the_databases_clock(shop: Shop) -> None:
    """Check that machines with different clocks agree on expiry, since they use the database's clock."""
    ahead = DatabaseClock(shop.database, lambda: utc_now() + timedelta(hours=3))
    behind = DatabaseClock(shop.database, lambda: utc_now() - timedelta(hours=3))
    for clock in (ahead, behind):
        await clock.measure()
    assert abs(ahead() - behind()) < timedelta(seconds=5)
    assert timedelta(hours=2, minutes=59) < behind.behind < timedelta(hours=3, minutes=1)
    assert timedelta(hours=2, minutes=59) < -ahead.behind < timedelta(hours=3, minutes=1)
    expiry = shop.state["outbox"]._clock
    assert expiry is shop.state["database_clock"]
    assert shop.state["sign_in"]._throttle._clock is expiry
    for part in ("credentials", "sessions", "uploads", "public_links", "setup", "links"):
        assert shop.state[part]._clock is expiry, part


async def test_rate_limits_hold_with_a_clock_that_is_behind(ttl_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that only the database's clock begins and ends the windows of rate limits."""

    class Behind(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(days=40)

    monkeypatch.setattr("limits.aio.storage.mongodb.datetime.datetime", Behind)
    limits = RateLimits(ttl_url, DATABASE, 0)
    address = f"10.1.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    for _ in range(LOGIN.amount):
        await limits.count(LOGIN, address)
    with pytest.raises(TooManyRequests) as refused:
        await limits.count(LOGIN, address)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 61
    limits.close()


async def test_a_wrong_clock_is_logged_at_the_start_and_shown_by_readiness(
    open_shop: OpenShop, caplog: pytest.LogCaptureFixture
) -> None:
    shop = await open_shop(clock=lambda: utc_now() - timedelta(minutes=5))
    assert "0:05:00 behind the database's" in caplog.text
    ready = await shop.get("/readyz")
    assert (ready["status"], ready["clock"]["status"]) == ("ready", "wrong")
    assert 299 <= ready["clock"]["behind_seconds"] <= 301
    assert (await shop.get("/health"))["clock"]["status"] == "wrong"


async def test_a_correct_clock_is_not_logged(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    assert "database's" not in caplog.text
    assert await shop.get("/readyz") == {"status": "ready"}
    assert abs(shop.state["database_clock"].behind) < timedelta(seconds=5)


async def test_a_jump_of_the_clock_is_logged_and_shown(open_shop: OpenShop, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(utc_now())
    shop = await open_shop(clock=clock)
    assert "clock" not in await shop.get("/readyz")
    clock.advance(hours=1)
    ready = await shop.get("/readyz")
    assert (ready["clock"]["status"], round(ready["clock"]["behind_seconds"] / 60)) == ("wrong", -60)
    assert "ahead of the database's" in caplog.text
    clock.advance(hours=-1)
    assert "clock" not in await shop.get("/readyz")
    assert "agrees with the database's again" in caplog.text


async def test_a_start_before_the_newest_event_is_logged(open_shop: OpenShop, caplog: pytest.LogCaptureFixture) -> None:
    shop = await open_shop(clock=Clock(utc_now() + timedelta(days=2)))
    await shop.sale()
    caplog.clear()
    await open_shop(store_id=shop.store)
    assert "in the future by the clock of this machine" in caplog.text
