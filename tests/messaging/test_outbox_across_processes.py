"""Several processes and one outbox, and a database that is away for a while: each message is sent once."""

import asyncio

import pytest

from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.states import SENDING, SENT
from services.messaging.dispatcher import CONCURRENCY
from tests.support.faults.failpoints import failing
from tests.support.messaging.in_memory_provider import LETTER, InMemoryProvider, ask, until
from tests.support.shop import OpenShop


@pytest.mark.parametrize("fault", ["findAndModify", "update", "commitTransaction"])
async def test_a_database_that_is_away_for_a_while_loses_nothing(open_shop: OpenShop, fault: str) -> None:
    postman = InMemoryProvider()
    shop = await open_shop(provider=postman)
    postman.door.clear()
    ids = [await ask(shop, f"Number {number}") for number in range(CONCURRENCY)]
    for each in ids:
        await until(shop, each, SENDING)
    async with failing(shop.database, fault, closeConnection=True) as is_reached:
        postman.door.set()
        async with asyncio.timeout(20):
            while not await is_reached():
                await asyncio.sleep(0.02)
    for each in ids:
        await until(shop, each, SENT, seconds=30)
    assert len(postman.letters) == len(ids)


async def test_two_processes_send_each_message_once(open_shop: OpenShop) -> None:
    postmen = InMemoryProvider(), InMemoryProvider()
    first = await open_shop(provider=postmen[0])
    second = await open_shop(provider=postmen[1], store_id=first.store)
    shops = first, second
    asked = await asyncio.gather(
        *(shops[number % 2].state["messages"].send(LETTER, actor=SERVICE_ACTOR) for number in range(200))
    )
    for shop in shops:
        shop.state["dispatcher"].wake()
    async with asyncio.timeout(60):
        while await first.database.messages.count_documents({"store": first.store, "state": {"$ne": SENT}}):
            await asyncio.sleep(0.05)
    references = [letter.reference for postman in postmen for letter in postman.letters]
    assert sorted(map(str, references)) == sorted(f"{outcome.answer['_id']}.1" for outcome in asked)
    assert all(postman.letters for postman in postmen)


async def test_messages_of_another_store_are_sent_too_and_those_of_another_deployment_are_not(
    open_shop: OpenShop,
) -> None:
    postman = InMemoryProvider()
    home, other = await open_shop(provider=postman), await open_shop(provider=InMemoryProvider())
    state = await home.state["stores"].state(other.store)
    asked = (await state["messages"].send(LETTER, actor=SERVICE_ACTOR)).answer["_id"]
    await until(other, asked, SENT)
    own = await ask(other)
    await until(other, own, SENT)
    assert [letter.reference for letter in postman.letters] == [f"{asked}.1"]


async def test_a_worker_that_fails_begins_again(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """And gives back its place each time: it fails more often than it has places."""
    postman = InMemoryProvider()
    shop = await open_shop(provider=postman)
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
    assert len(postman.letters) == 1
