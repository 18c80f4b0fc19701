"""The outbox: tried again, given up, taken over; nothing lost, and nothing sent twice."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from repositories.messaging.outbox import CLAIM_SECONDS, Outbox
from schemas.core.errors import IllegalTransition
from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.delivery import Accepted, Refused, RetryLater, Unknown
from schemas.messaging.states import CANCELLED, DELIVERED, FAILED, MAX_ATTEMPTS, QUEUED, READ, SENDING, SENT, UNKNOWN
from services.messaging.dispatcher import SEND_SECONDS, SETTLING_SECONDS, OutboxDispatcher
from tests.support.clock import Clock
from tests.support.messaging.in_memory_provider import InMemoryProvider, ask, message, until
from tests.support.shop import OpenShop, Shop

BUSY = RetryLater("131056", "Too many to this phone.")
LEASE = SEND_SECONDS + SETTLING_SECONDS


def outbox_of(shop: Shop) -> Outbox:
    outbox: Outbox = shop.state["outbox"]
    return outbox


async def idle(open_shop: OpenShop, clock: Clock, **options: Any) -> tuple[Shop, str]:
    """A shop whose worker has stopped, and a message that waits there."""
    shop = await open_shop(clock=clock, **options)
    await shop.state["dispatcher"].stop()
    return shop, await ask(shop)


async def claimed(shop: Shop, holder: str = "one") -> dict[str, Any]:
    found = await outbox_of(shop).claim(holder)
    assert found is not None
    return found


async def begun(shop: Shop, holder: str = "one") -> dict[str, Any]:
    found = await outbox_of(shop).begin_attempt(await claimed(shop, holder), "postman", LEASE)
    assert found is not None
    return found


async def next_try(shop: Shop, clock: Clock, message_id: str, *states: str) -> dict[str, Any]:
    """The message after its next try, which comes at once for a clock that is moved on."""
    clock.advance(hours=1)
    shop.state["dispatcher"].wake()
    return await until(shop, message_id, *states)


async def test_what_can_be_tried_again_is_tried_later(open_shop: OpenShop) -> None:
    postman, clock = InMemoryProvider(BUSY, RetryLater("500", "Down.", after=120), Accepted("wamid.1")), Clock()
    shop = await open_shop(clock=clock, provider=postman)
    asked = await ask(shop)
    async with asyncio.timeout(30):
        while (waiting := await message(shop, asked))["error"] is None:
            await asyncio.sleep(0.01)
    assert (waiting["state"], waiting["error"]["code"], waiting["attempts"]) == (QUEUED, "131056", 1)
    stored = await shop.database.messages.find_one({"_id": asked})
    assert stored is not None
    assert timedelta(seconds=2) < stored["due_at"] - clock.now <= timedelta(seconds=5)
    clock.advance(seconds=5)
    shop.state["dispatcher"].wake()
    async with asyncio.timeout(30):
        while (waiting := await message(shop, asked))["attempts"] < 2 or waiting["state"] != QUEUED:
            await asyncio.sleep(0.01)
    stored = await shop.database.messages.find_one({"_id": asked})
    assert stored is not None
    assert stored["due_at"] - clock.now == timedelta(seconds=120)
    sent = await next_try(shop, clock, asked, SENT)
    assert (sent["attempts"], sent["error"], len(postman.letters)) == (3, None, 3)


async def test_what_fails_for_good_is_not_tried_again(open_shop: OpenShop) -> None:
    postman, clock = InMemoryProvider(Refused("131026", "Not on WhatsApp.")), Clock()
    shop = await open_shop(clock=clock, provider=postman)
    asked = await ask(shop)
    await until(shop, asked, FAILED)
    assert await outbox_of(shop).claim("anybody") is None
    assert len(postman.letters) == 1


async def test_what_fails_too_often_is_given_up_until_somebody_wants_it(open_shop: OpenShop) -> None:
    postman, clock = InMemoryProvider(*[BUSY] * MAX_ATTEMPTS), Clock()
    shop = await open_shop(clock=clock, provider=postman)
    asked = await ask(shop)
    async with asyncio.timeout(20):
        while (await message(shop, asked))["state"] != FAILED:
            clock.advance(minutes=20)
            shop.state["dispatcher"].wake()
            await asyncio.sleep(0.02)
    assert len(postman.letters) == MAX_ATTEMPTS
    await shop.state["messages"].retry(asked, actor=SERVICE_ACTOR)
    sent = await next_try(shop, clock, asked, SENT)
    assert (sent["attempts"], sent["error"]) == (MAX_ATTEMPTS + 1, None)


async def test_what_nobody_knows_is_not_sent_again_by_itself(open_shop: OpenShop) -> None:
    postman, clock = InMemoryProvider(Unknown("The answer was lost.")), Clock()
    shop = await open_shop(clock=clock, provider=postman)
    asked = await ask(shop)
    lost = await until(shop, asked, UNKNOWN)
    assert lost["error"] == {"code": "unanswered", "reason": "The answer was lost."}
    clock.advance(days=30)
    assert await outbox_of(shop).claim("anybody") is None
    with pytest.raises(IllegalTransition, match="twice"):
        await shop.state["messages"].retry(asked, actor=SERVICE_ACTOR)
    await shop.state["messages"].retry(asked, is_sure=True, actor=SERVICE_ACTOR)
    await next_try(shop, clock, asked, SENT)
    assert [letter.reference for letter in postman.letters] == [f"{asked}.1", f"{asked}.2"]


async def test_a_provider_that_is_silent_is_not_waited_for(open_shop: OpenShop) -> None:
    shop, asked = await idle(open_shop, Clock())
    postman = InMemoryProvider()
    postman.door.clear()
    jobs = OutboxDispatcher(outbox_of(shop), postman, send_seconds=0.05)
    jobs.start()
    assert (await until(shop, asked, UNKNOWN))["attempts"] == 1
    await jobs.stop()


async def test_a_claim_holds_until_its_lease_has_run_out(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    first = await claimed(shop, "first")
    assert first["_id"] == asked
    assert await outbox_of(shop).claim("second") is None
    clock.advance(seconds=CLAIM_SECONDS)
    second = await claimed(shop, "second")
    assert await outbox_of(shop).begin_attempt(first, "postman", LEASE) is None
    taken = await outbox_of(shop).begin_attempt(second, "postman", LEASE)
    assert taken is not None
    # Whoever does not know whether it was begun begins it again.
    assert await outbox_of(shop).begin_attempt(second, "postman", LEASE) == taken
    clock.advance(seconds=CLAIM_SECONDS)
    assert await outbox_of(shop).claim("third") is None
    assert (await message(shop, asked))["attempts"] == 1


async def test_what_was_being_sent_by_somebody_who_died_is_unknown(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    late = await begun(shop)
    clock.advance(seconds=LEASE)
    postman = InMemoryProvider()
    jobs = OutboxDispatcher(outbox_of(shop), postman)
    jobs.start()
    assert (await until(shop, asked, UNKNOWN))["error"]["code"] == "unanswered"
    await jobs.stop()
    assert postman.letters == []
    # It was not dead after all.
    assert (await outbox_of(shop).record_outcome(late, Accepted("wamid.1"), 0.5))["state"] == SENT
    assert (await outbox_of(shop).record_outcome(late, Refused("1", "No."), 0.5))["state"] == SENT


async def test_who_comes_late_changes_nothing_in_a_later_attempt(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    late = await begun(shop)
    await outbox_of(shop).record_outcome(late, Unknown("The answer was lost."), 0.5)
    await shop.state["messages"].retry(asked, is_sure=True, actor=SERVICE_ACTOR)
    assert (await outbox_of(shop).record_outcome(late, Refused("1", "No."), 0.5))["state"] == QUEUED
    again = await begun(shop, "another")
    assert (await outbox_of(shop).record_outcome(late, Accepted("wamid.1"), 0.5))["state"] == SENDING
    assert (await outbox_of(shop).record_outcome(again, Accepted("wamid.2"), 0.5))["provider_id"] == "wamid.2"


async def test_what_is_dropped_is_not_sent(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    held = await claimed(shop)
    await shop.state["messages"].cancel(asked, actor=SERVICE_ACTOR)
    assert await outbox_of(shop).begin_attempt(held, "postman", LEASE) is None
    assert (await message(shop, asked))["state"] == CANCELLED
    with pytest.raises(IllegalTransition):
        await shop.state["messages"].cancel(asked, actor=SERVICE_ACTOR)
    await shop.state["messages"].retry(asked, actor=SERVICE_ACTOR)
    assert (await claimed(shop))["_id"] == asked


async def test_news_of_a_provider_is_never_taken_back(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    await outbox_of(shop).record_outcome(await begun(shop), Accepted("wamid.1"), 0.5)
    for told, expected in ((DELIVERED, DELIVERED), (SENT, DELIVERED), (READ, READ), (DELIVERED, READ), (FAILED, READ)):
        await outbox_of(shop).record_status("postman", "wamid.1", told, clock.now)
        assert (await message(shop, asked))["state"] == expected
    await outbox_of(shop).record_status("postman", "wamid.of-another-shop", READ, clock.now)
    await outbox_of(shop).record_status("another", "wamid.1", READ, clock.now)
    shown = await message(shop, asked)
    assert (shown["delivered_at"], shown["read_at"], shown["version"]) == (shown["sent_at"], shown["sent_at"], 5)


async def test_news_settles_what_nobody_knew(open_shop: OpenShop) -> None:
    """The answer was lost, and so was its id; the reference comes back all the same."""
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    sending = await begun(shop)
    await outbox_of(shop).record_status("postman", "wamid.1", FAILED, clock.now, {"code": "1", "reason": "No."}, "junk")
    assert (await message(shop, asked))["state"] == SENDING
    await outbox_of(shop).record_status("postman", "wamid.1", DELIVERED, clock.now, None, f"{asked}.1")
    assert (await message(shop, asked))["state"] == DELIVERED
    assert (await outbox_of(shop).record_outcome(sending, Unknown("The answer was lost."), 0.5))["state"] == DELIVERED


async def test_news_of_an_earlier_attempt_says_nothing_of_a_later_one(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    await outbox_of(shop).record_outcome(await begun(shop), Unknown("The answer was lost."), 0.5)
    await shop.state["messages"].retry(asked, is_sure=True, actor=SERVICE_ACTOR)
    await begun(shop, "another")
    await outbox_of(shop).record_status("postman", "wamid.1", FAILED, clock.now, None, f"{asked}.1")
    assert (await message(shop, asked))["state"] == SENDING


@pytest.mark.parametrize("told", [SENT, DELIVERED, READ])
async def test_what_the_provider_took_after_all_is_not_sent_again(open_shop: OpenShop, told: str) -> None:
    """It said that it may be tried again, and then, of the same attempt, that it was sent."""
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    assert (await outbox_of(shop).record_outcome(await begun(shop), BUSY, 0.5))["state"] == QUEUED
    await outbox_of(shop).record_status("postman", "wamid.1", told, clock.now, None, f"{asked}.1")
    shown = await message(shop, asked)
    assert (shown["state"], shown["error"], shown["next_try_at"]) == (told, None, None)
    clock.advance(days=1)
    assert await outbox_of(shop).claim("anybody") is None


async def test_that_it_was_taken_once_does_not_end_what_somebody_has_asked_for_again(open_shop: OpenShop) -> None:
    """The provider says late that it took what had failed since: only what is on the phone needs no other try."""
    clock = Clock()
    shop, asked = await idle(open_shop, clock)
    await outbox_of(shop).record_outcome(await begun(shop), Accepted("wamid.1"), 0.5)
    await outbox_of(shop).record_status("postman", "wamid.1", FAILED, clock.now, {"code": "1", "reason": "No."})
    await shop.state["messages"].retry(asked, actor=SERVICE_ACTOR)
    await outbox_of(shop).record_status("postman", "wamid.1", SENT, clock.now, None, f"{asked}.1")
    assert (await message(shop, asked))["state"] == QUEUED
    await outbox_of(shop).record_status("postman", "wamid.1", DELIVERED, clock.now, None, f"{asked}.1")
    assert (await message(shop, asked))["state"] == DELIVERED


async def test_what_is_due_is_found_by_its_index(open_shop: OpenShop) -> None:
    shop, _ = await idle(open_shop, Clock(), database_name="pos_due")
    await shop.database.command("profile", 2)
    await claimed(shop)
    await shop.database.command("profile", 0)
    asked = await shop.database["system.profile"].find({"command.findAndModify": "messages"}).to_list(None)
    assert [each["planSummary"] for each in asked] == ["IXSCAN { outbox: 1, due_at: 1 }"]
