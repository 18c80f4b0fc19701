"""Several processes with one outbox, and a database that fails for a while: each message is sent once."""

import asyncio

import pytest

from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.states import SENDING, SENT
from services.messaging.dispatcher import CONCURRENCY
from tests.support.faults.failpoints import failing
from tests.support.messaging.in_memory_provider import MESSAGE, InMemoryProvider, ask, until
from tests.support.shop import OpenShop


@pytest.mark.parametrize("fault", ["findAndModify", "update", "commitTransaction"])
async def test_no_message_is_lost_while_the_database_fails(open_shop: OpenShop, fault: str) -> None:
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider)
    provider.gate.clear()
    ids = [await ask(shop, f"Number {number}") for number in range(CONCURRENCY)]
    for each in ids:
        await until(shop, each, SENDING)
    async with failing(shop.database, fault, closeConnection=True) as is_reached:
        provider.gate.set()
        async with asyncio.timeout(20):
            while not await is_reached():
                await asyncio.sleep(0.02)
    for each in ids:
        await until(shop, each, SENT, seconds=30)
    assert len(provider.sent) == len(ids)


async def test_two_processes_send_each_message_once(open_shop: OpenShop) -> None:
    providers = InMemoryProvider(), InMemoryProvider()
    first = await open_shop(provider=providers[0])
    second = await open_shop(provider=providers[1], store_id=first.store)
    shops = first, second
    requested = await asyncio.gather(
        *(shops[number % 2].state["messages"].send(MESSAGE, actor=SERVICE_ACTOR) for number in range(200))
    )
    for shop in shops:
        shop.state["dispatcher"].wake()
    async with asyncio.timeout(60):
        while await first.database.messages.count_documents({"store": first.store, "state": {"$ne": SENT}}):
            await asyncio.sleep(0.05)
    references = [message.reference for provider in providers for message in provider.sent]
    assert sorted(map(str, references)) == sorted(f"{outcome.answer['_id']}.1" for outcome in requested)
    assert all(provider.sent for provider in providers)


async def test_a_deployment_sends_the_messages_of_its_own_stores_only(
    open_shop: OpenShop,
) -> None:
    provider = InMemoryProvider()
    home, other = await open_shop(provider=provider), await open_shop(provider=InMemoryProvider())
    state = await home.state["stores"].state(other.store)
    message_id = (await state["messages"].send(MESSAGE, actor=SERVICE_ACTOR)).answer["_id"]
    await until(other, message_id, SENT)
    other_id = await ask(other)
    await until(other, other_id, SENT)
    assert [message.reference for message in provider.sent] == [f"{message_id}.1"]


async def test_a_failed_worker_starts_again(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that each failed worker frees its place: there are more failures than places."""
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider)
    outbox = shop.state["outbox"]
    claim, failures = outbox.claim, iter(range(CONCURRENCY + 1))

    async def failing_claim(holder: str) -> object:
        if next(failures, None) is not None:
            raise ZeroDivisionError
        return await claim(holder)

    monkeypatch.setattr(shop.state["dispatcher"], "_poll", 0.01)
    monkeypatch.setattr(outbox, "claim", failing_claim)
    await until(shop, await ask(shop), SENT)
    assert next(failures, None) is None
    assert len(provider.sent) == 1
