"""The outbox: retries, failures, leases. No message is lost or sent twice."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from repositories.messaging.outbox import CLAIM_SECONDS, Outbox
from schemas.core.errors import IllegalTransition
from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.delivery import Accepted, Refused, RetryLater, Unknown
from schemas.messaging.documents import Message
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


async def shop_with_queued_message(open_shop: OpenShop, clock: Clock, **options: Any) -> tuple[Shop, str]:
    """Open a shop with a stopped dispatcher, and return it with the id of a queued message."""
    shop = await open_shop(clock=clock, **options)
    await shop.state["dispatcher"].stop()
    return shop, await ask(shop)


async def claim(shop: Shop, holder: str = "one") -> Message:
    found = await outbox_of(shop).claim(holder)
    assert found is not None
    return found


async def begin_attempt(shop: Shop, holder: str = "one") -> Message:
    found = await outbox_of(shop).begin_attempt(await claim(shop, holder), "memory", LEASE)
    assert found is not None
    return found


async def next_attempt(shop: Shop, clock: Clock, message_id: str, *states: str) -> dict[str, Any]:
    """Advance the clock, and return the message after its next attempt."""
    clock.advance(hours=1)
    shop.state["dispatcher"].wake()
    return await until(shop, message_id, *states)


async def test_a_temporary_failure_is_retried_later(open_shop: OpenShop) -> None:
    provider, clock = InMemoryProvider(BUSY, RetryLater("500", "Down.", after=120), Accepted("wamid.1")), Clock()
    shop = await open_shop(clock=clock, provider=provider)
    message_id = await ask(shop)
    async with asyncio.timeout(30):
        while (waiting := await message(shop, message_id))["error"] is None:
            await asyncio.sleep(0.01)
    assert (waiting["state"], waiting["error"]["code"], waiting["attempts"]) == (QUEUED, "131056", 1)
    stored = await shop.database.messages.find_one({"_id": message_id})
    assert stored is not None
    assert timedelta(seconds=2) < stored["due_at"] - clock.now <= timedelta(seconds=5)
    clock.advance(seconds=5)
    shop.state["dispatcher"].wake()
    async with asyncio.timeout(30):
        while (waiting := await message(shop, message_id))["attempts"] < 2 or waiting["state"] != QUEUED:
            await asyncio.sleep(0.01)
    stored = await shop.database.messages.find_one({"_id": message_id})
    assert stored is not None
    assert stored["due_at"] - clock.now == timedelta(seconds=120)
    sent = await next_attempt(shop, clock, message_id, SENT)
    assert (sent["attempts"], sent["error"], len(provider.sent)) == (3, None, 3)


async def test_a_final_failure_is_not_retried(open_shop: OpenShop) -> None:
    provider, clock = InMemoryProvider(Refused("131026", "Not on WhatsApp.")), Clock()
    shop = await open_shop(clock=clock, provider=provider)
    message_id = await ask(shop)
    await until(shop, message_id, FAILED)
    assert await outbox_of(shop).claim("any") is None
    assert len(provider.sent) == 1


async def test_after_the_last_attempt_a_message_fails_until_a_user_retries_it(open_shop: OpenShop) -> None:
    provider, clock = InMemoryProvider(*[BUSY] * MAX_ATTEMPTS), Clock()
    shop = await open_shop(clock=clock, provider=provider)
    message_id = await ask(shop)
    async with asyncio.timeout(20):
        while (await message(shop, message_id))["state"] != FAILED:
            clock.advance(minutes=20)
            shop.state["dispatcher"].wake()
            await asyncio.sleep(0.02)
    assert len(provider.sent) == MAX_ATTEMPTS
    await shop.state["messages"].retry(message_id, actor=SERVICE_ACTOR)
    sent = await next_attempt(shop, clock, message_id, SENT)
    assert (sent["attempts"], sent["error"]) == (MAX_ATTEMPTS + 1, None)


async def test_an_unknown_message_is_not_retried_automatically(open_shop: OpenShop) -> None:
    provider, clock = InMemoryProvider(Unknown("The answer was lost.")), Clock()
    shop = await open_shop(clock=clock, provider=provider)
    message_id = await ask(shop)
    lost = await until(shop, message_id, UNKNOWN)
    assert lost["error"] == {"code": "unanswered", "reason": "The answer was lost."}
    clock.advance(days=30)
    assert await outbox_of(shop).claim("any") is None
    with pytest.raises(IllegalTransition, match="twice"):
        await shop.state["messages"].retry(message_id, actor=SERVICE_ACTOR)
    await shop.state["messages"].retry(message_id, is_sure=True, actor=SERVICE_ACTOR)
    await next_attempt(shop, clock, message_id, SENT)
    assert [message_.reference for message_ in provider.sent] == [f"{message_id}.1", f"{message_id}.2"]


async def test_a_provider_that_does_not_answer_times_out(open_shop: OpenShop) -> None:
    shop, message_id = await shop_with_queued_message(open_shop, Clock())
    provider = InMemoryProvider()
    provider.gate.clear()
    dispatcher = OutboxDispatcher(outbox_of(shop), provider, send_seconds=0.05)
    dispatcher.start()
    assert (await until(shop, message_id, UNKNOWN))["attempts"] == 1
    await dispatcher.stop()


async def test_a_claim_lasts_until_its_lease_ends(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    first = await claim(shop, "first")
    assert first["_id"] == message_id
    assert await outbox_of(shop).claim("second") is None
    clock.advance(seconds=CLAIM_SECONDS)
    second = await claim(shop, "second")
    assert await outbox_of(shop).begin_attempt(first, "memory", LEASE) is None
    taken = await outbox_of(shop).begin_attempt(second, "memory", LEASE)
    assert taken is not None
    # A worker that does not know whether the attempt began repeats the command.
    assert await outbox_of(shop).begin_attempt(second, "memory", LEASE) == taken
    clock.advance(seconds=CLAIM_SECONDS)
    assert await outbox_of(shop).claim("third") is None
    assert (await message(shop, message_id))["attempts"] == 1


async def test_a_message_is_unknown_after_the_lease_of_its_attempt(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    late = await begin_attempt(shop)
    clock.advance(seconds=LEASE)
    provider = InMemoryProvider()
    dispatcher = OutboxDispatcher(outbox_of(shop), provider)
    dispatcher.start()
    assert (await until(shop, message_id, UNKNOWN))["error"]["code"] == "unanswered"
    await dispatcher.stop()
    assert provider.sent == []
    # The worker was only slow, and records the outcome now.
    assert (await outbox_of(shop).record_outcome(late, Accepted("wamid.1"), 0.5))["state"] == SENT
    assert (await outbox_of(shop).record_outcome(late, Refused("1", "No."), 0.5))["state"] == SENT


async def test_a_late_outcome_does_not_change_a_later_attempt(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    late = await begin_attempt(shop)
    await outbox_of(shop).record_outcome(late, Unknown("The answer was lost."), 0.5)
    await shop.state["messages"].retry(message_id, is_sure=True, actor=SERVICE_ACTOR)
    assert (await outbox_of(shop).record_outcome(late, Refused("1", "No."), 0.5))["state"] == QUEUED
    again = await begin_attempt(shop, "another")
    assert (await outbox_of(shop).record_outcome(late, Accepted("wamid.1"), 0.5))["state"] == SENDING
    assert (await outbox_of(shop).record_outcome(again, Accepted("wamid.2"), 0.5))["provider_id"] == "wamid.2"


async def test_a_dropped_message_is_not_sent(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    held = await claim(shop)
    await shop.state["messages"].cancel(message_id, actor=SERVICE_ACTOR)
    assert await outbox_of(shop).begin_attempt(held, "memory", LEASE) is None
    assert (await message(shop, message_id))["state"] == CANCELLED
    with pytest.raises(IllegalTransition):
        await shop.state["messages"].cancel(message_id, actor=SERVICE_ACTOR)
    await shop.state["messages"].retry(message_id, actor=SERVICE_ACTOR)
    assert (await claim(shop))["_id"] == message_id


async def test_a_status_report_never_moves_a_message_backwards(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    await outbox_of(shop).record_outcome(await begin_attempt(shop), Accepted("wamid.1"), 0.5)
    for status, expected in (
        (DELIVERED, DELIVERED),
        (SENT, DELIVERED),
        (READ, READ),
        (DELIVERED, READ),
        (FAILED, READ),
    ):
        await outbox_of(shop).record_status("memory", "wamid.1", status, clock.now)
        assert (await message(shop, message_id))["state"] == expected
    await outbox_of(shop).record_status("memory", "wamid.of-another-shop", READ, clock.now)
    await outbox_of(shop).record_status("another", "wamid.1", READ, clock.now)
    shown = await message(shop, message_id)
    assert (shown["delivered_at"], shown["read_at"], shown["version"]) == (shown["sent_at"], shown["sent_at"], 5)


async def test_a_status_report_resolves_an_unknown_message(open_shop: OpenShop) -> None:
    """Find the message by the reference of the attempt, since the answer with the provider's id was lost."""
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    sending = await begin_attempt(shop)
    await outbox_of(shop).record_status("memory", "wamid.1", FAILED, clock.now, {"code": "1", "reason": "No."}, "junk")
    assert (await message(shop, message_id))["state"] == SENDING
    await outbox_of(shop).record_status("memory", "wamid.1", DELIVERED, clock.now, None, f"{message_id}.1")
    assert (await message(shop, message_id))["state"] == DELIVERED
    assert (await outbox_of(shop).record_outcome(sending, Unknown("The answer was lost."), 0.5))["state"] == DELIVERED


async def test_a_status_report_of_an_earlier_attempt_is_ignored(open_shop: OpenShop) -> None:
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    await outbox_of(shop).record_outcome(await begin_attempt(shop), Unknown("The answer was lost."), 0.5)
    await shop.state["messages"].retry(message_id, is_sure=True, actor=SERVICE_ACTOR)
    await begin_attempt(shop, "another")
    await outbox_of(shop).record_status("memory", "wamid.1", FAILED, clock.now, None, f"{message_id}.1")
    assert (await message(shop, message_id))["state"] == SENDING


@pytest.mark.parametrize("status", [SENT, DELIVERED, READ])
async def test_a_message_reported_as_sent_is_not_retried(open_shop: OpenShop, status: str) -> None:
    """Ask for a retry as the provider, and then report the same attempt as sent."""
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    assert (await outbox_of(shop).record_outcome(await begin_attempt(shop), BUSY, 0.5))["state"] == QUEUED
    await outbox_of(shop).record_status("memory", "wamid.1", status, clock.now, None, f"{message_id}.1")
    shown = await message(shop, message_id)
    assert (shown["state"], shown["error"], shown["next_try_at"]) == (status, None, None)
    clock.advance(days=1)
    assert await outbox_of(shop).claim("any") is None


async def test_a_late_sent_report_does_not_cancel_a_retry(open_shop: OpenShop) -> None:
    """Check that a late "sent" of an earlier attempt does not cancel a retry, but that "delivered" does."""
    clock = Clock()
    shop, message_id = await shop_with_queued_message(open_shop, clock)
    await outbox_of(shop).record_outcome(await begin_attempt(shop), Accepted("wamid.1"), 0.5)
    await outbox_of(shop).record_status("memory", "wamid.1", FAILED, clock.now, {"code": "1", "reason": "No."})
    await shop.state["messages"].retry(message_id, actor=SERVICE_ACTOR)
    await outbox_of(shop).record_status("memory", "wamid.1", SENT, clock.now, None, f"{message_id}.1")
    assert (await message(shop, message_id))["state"] == QUEUED
    await outbox_of(shop).record_status("memory", "wamid.1", DELIVERED, clock.now, None, f"{message_id}.1")
    assert (await message(shop, message_id))["state"] == DELIVERED


async def test_due_messages_are_found_by_an_index(open_shop: OpenShop) -> None:
    shop, _ = await shop_with_queued_message(open_shop, Clock(), database_name="pos_due")
    await shop.database.command("profile", 2)
    await claim(shop)
    await shop.database.command("profile", 0)
    message_id = await shop.database["system.profile"].find({"command.findAndModify": "messages"}).to_list(None)
    assert [each["planSummary"] for each in message_id] == ["IXSCAN { outbox: 1, due_at: 1 }"]
