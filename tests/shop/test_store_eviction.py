"""Eviction of idle stores: a store in use stays open, and a failure to close one does not affect the others."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.composition.stores import MOST_OPEN, Stores
from repositories.journal.transaction import GroupTransaction
from repositories.sales.commands import CreateDocument
from schemas.core.collections import ESTIMATES
from schemas.core.principals import OWNER
from schemas.sales.bodies import EstimateBody
from schemas.sales.documents import draft
from tests.shop.test_stores import found
from tests.support.credentials import credential_of
from tests.support.faults.failpoints import failing
from tests.support.payloads import estimate_body
from tests.support.shop import DATABASE, OpenShop, Shop


@pytest.fixture
async def stores(shop: Shop) -> AsyncIterator[Stores]:
    """Yield stores that close idle ones at every check; the store `beside` exists."""
    stores = Stores(shop.store, shop.state["stores"]._around, idle=0.01)
    await found(shop, beside(shop))
    await stores.start()
    yield stores
    await stores.stop()


def beside(shop: Shop) -> str:
    return f"{shop.store}-beside"


async def wait_for_checks(stores: Stores, count: int) -> None:
    """Wait until the task that closes idle stores has run a number of checks."""
    seen = 0
    check = stores._unused_for

    def note(seconds: float) -> list[object]:
        nonlocal seen
        seen += 1
        return list(check(seconds))

    stores._unused_for = note  # type: ignore[method-assign,assignment]
    async with asyncio.timeout(20):
        while seen < count:
            await asyncio.sleep(0.005)
    stores._unused_for = check  # type: ignore[method-assign]


def are_open(stores: Stores) -> set[str]:
    return {store.name for store in stores}


async def closed(stores: Stores, name: str) -> None:
    async with asyncio.timeout(20):
        while name in are_open(stores):
            await asyncio.sleep(0.005)


async def test_a_store_in_use_by_a_request_is_not_closed(shop: Shop, stores: Stores) -> None:
    await stores.state(beside(shop))
    with stores.in_use(beside(shop)):
        with stores.in_use(beside(shop)):
            await wait_for_checks(stores, 5)
        # The other request still uses it.
        await wait_for_checks(stores, 5)
        assert beside(shop) in are_open(stores)
    await closed(stores, beside(shop))


async def test_a_store_in_use_by_a_background_command_is_not_closed(
    shop: Shop, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = asyncio.Event()
    run = GroupTransaction.run

    async def held(*arguments: Any) -> Any:
        await released.wait()
        return await run(*arguments)

    monkeypatch.setattr(GroupTransaction, "run", held)
    journal = await stores.journal_of(beside(shop))
    estimate = CreateDocument(ESTIMATES, f"EST-{secrets.token_hex(8)}", draft(EstimateBody().load(estimate_body())))
    command = asyncio.create_task(journal.submit(estimate))
    await asyncio.sleep(0)
    await wait_for_checks(stores, 5)
    assert beside(shop) in are_open(stores)
    released.set()
    await command
    await closed(stores, beside(shop))


async def test_all_waiting_requests_get_an_open_store(shop: Shop, stores: Stores) -> None:
    """Check that each gets an open store, though it may be closed and opened again in between."""

    async def use() -> None:
        state = await stores.state(beside(shop))
        with stores.in_use(beside(shop)):
            assert next(store for store in stores if store.name == beside(shop)).state is state
            await state["event_log"].head()

    for _ in range(20):
        await asyncio.gather(*(use() for _ in range(5)))
        await asyncio.sleep(0)
    await closed(stores, beside(shop))


async def test_a_store_that_fails_to_stop_does_not_delay_the_others(
    shop: Shop, stores: Stores, caplog: pytest.LogCaptureFixture
) -> None:
    await found(shop, f"{shop.store}-third")
    await stores.state(beside(shop))
    with stores.in_use(beside(shop)):
        broken = next(store for store in stores if store.name == beside(shop))
        stop = broken.stop

        async def fail() -> None:
            await stop()
            raise RuntimeError("It does not stop.")

        broken.stop = fail  # type: ignore[method-assign]
    await closed(stores, beside(shop))
    await stores.state(f"{shop.store}-third")
    await closed(stores, f"{shop.store}-third")
    # The first of them can be opened again.
    assert (await stores.state(beside(shop)))["store"] == beside(shop)
    assert "could not be closed properly" in caplog.text


async def test_an_http_request_keeps_its_store_open_until_the_response(
    open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stores.__init__, "__kwdefaults__", {"idle": 0.01, "most": MOST_OPEN})
    shop = await open_shop(sign_in="on")
    await found(shop, beside(shop))
    headers = {**await credential_of(shop, OWNER), "X-Store": beside(shop)}
    await shop.ok("POST", "/api/estimates/create", json=estimate_body(), headers=headers)
    stores = shop.state["stores"]
    there = f"{DATABASE}.estimates"
    async with failing(shop.database, "find", namespace=there, blockConnection=True, blockTimeMS=2_000) as is_reached:
        asking = asyncio.create_task(shop.http.get("/api/estimates/all", headers=headers))
        async with asyncio.timeout(20):
            while not await is_reached():
                await asyncio.sleep(0.005)
        await wait_for_checks(stores, 2)
        assert beside(shop) in are_open(stores)
        answer = await asking
    assert (answer.status_code, len(answer.json())) == (200, 1)
    await closed(stores, beside(shop))
