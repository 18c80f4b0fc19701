"""`pos messages`: lists, retries and drops messages."""

from typing import Any

from schemas.messaging.delivery import Refused, Unknown
from schemas.messaging.states import CANCELLED, FAILED, SENT, UNKNOWN
from tests.support.commands import refusal
from tests.support.messaging.in_memory_provider import InMemoryProvider, ask, message, until
from tests.support.shop import OpenShop, Shop


async def lost_and_failed(open_shop: OpenShop, shop: Shop) -> tuple[Shop, str, str]:
    """Return a shop with the store of `pos`, the id of an unknown message, and that of a failed one."""
    await shop.state["dispatcher"].stop()
    provider = InMemoryProvider(Unknown("The answer was lost."), Refused("131026", "Not on WhatsApp."))
    served = await open_shop(provider=provider, store_id=shop.store)
    lost = await ask(served)
    await until(served, lost, UNKNOWN)
    failed = await ask(served, "Another one.")
    await until(served, failed, FAILED)
    return served, lost, failed


async def test_unsent_messages_are_listed_without_phone_numbers(open_shop: OpenShop, shop: Shop, pos: Any) -> None:
    served, lost, failed = await lost_and_failed(open_shop, shop)
    await until(served, await ask(served, "A third one."), SENT)
    listed = pos("messages", "list")
    assert listed.returncode == 0, listed.stderr
    head, *rows = listed.stdout.splitlines()
    assert head.split() == ["id", "state", "tries", "next", "try", "(UTC)", "error", "about"]
    assert [row.split()[:2] for row in rows] == [[failed, FAILED], [lost, UNKNOWN]]
    assert "131026: Not on WhatsApp." in rows[0]
    assert "98220" not in listed.stdout
    assert len(pos("messages", "list", "--state", "sent").stdout.splitlines()) == 2
    assert pos("messages", "list", "--state", "gone").returncode == 2


async def test_a_retried_message_is_sent_by_the_running_service(open_shop: OpenShop, shop: Shop, pos: Any) -> None:
    served, lost, failed = await lost_and_failed(open_shop, shop)
    assert pos("messages", "retry", failed).returncode == 0
    assert (await until(served, failed, SENT))["attempts"] == 2
    assert "twice" in refusal(pos("messages", "retry", lost))
    assert pos("messages", "retry", lost, "--anyway").returncode == 0
    await until(served, lost, SENT)
    assert "nothing to send again" in refusal(pos("messages", "retry", lost))
    assert "no such message" in refusal(pos("messages", "retry", "MSG-NONE"))


async def test_a_message_of_another_store_can_be_retried(open_shop: OpenShop, shop: Shop, pos: Any) -> None:
    """Run the command with another STORE_ID than the service."""
    served, _, failed = await lost_and_failed(open_shop, shop)
    store_option = ("--store", served.store)
    assert failed in pos("messages", "list", *store_option, STORE_ID="main").stdout
    assert pos("messages", "retry", failed, *store_option, STORE_ID="main").returncode == 0
    assert (await until(served, failed, SENT))["attempts"] == 2
    for command in (("list",), ("retry", failed), ("drop", failed)):
        assert "There is no store 'typo'" in refusal(pos("messages", *command, "--store", "typo"))


async def test_a_message_is_dropped(open_shop: OpenShop, shop: Shop, pos: Any) -> None:
    served, lost, _ = await lost_and_failed(open_shop, shop)
    assert pos("messages", "drop", lost).returncode == 0
    assert (await message(served, lost))["state"] == CANCELLED
    assert "nothing to drop" in refusal(pos("messages", "drop", lost))
