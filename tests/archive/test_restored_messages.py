"""Messages after a restore: open ones are not sent, because they may have been sent since the backup."""

from pathlib import Path

import pytest

from repositories.auditing.verification import verify
from repositories.database.client import Database
from schemas.core.errors import IllegalTransition
from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.delivery import Refused
from schemas.messaging.states import FAILED, QUEUED, SENDING, SENT, UNKNOWN
from tests.messaging.test_outbox import LEASE
from tests.support.archives import contents, read, write
from tests.support.messaging.in_memory_provider import MESSAGE, OUTSIDE, InMemoryProvider, ask, messages, until, upload
from tests.support.shop import OpenShop, opened


async def test_a_restore_sends_no_message(
    open_shop: OpenShop, target: Database, mongodb_url: str, tmp_path: Path
) -> None:
    shop = await open_shop(provider=InMemoryProvider(Refused("131026", "Not on WhatsApp.")))
    failed = await ask(shop)
    await until(shop, failed, FAILED)
    sent = await ask(shop, "Another one.")
    await until(shop, sent, SENT)
    await shop.state["dispatcher"].stop()
    sending = await ask(shop, "A third one.")
    claimed = await shop.state["outbox"].claim("worker")
    assert (await shop.state["outbox"].begin_attempt(claimed, "memory", LEASE))["_id"] == sending
    queued = await ask(shop, "A fourth one.")
    archive = await write(shop.database, shop.store, tmp_path / "archive")
    kept = {document["_id"]: document for collection, document in contents(archive) if collection == "messages"}
    assert [kept[each]["state"] for each in (failed, sent, sending, queued)] == [FAILED, SENT, SENDING, QUEUED]
    await read(archive, target, shop.store)
    assert await verify(target, shop.store) == []
    provider = InMemoryProvider()
    async with opened(mongodb_url, database_name=target.name, store_id=shop.store, provider=provider) as restored:
        # The store's own message was sent, so the worker has run.
        own = (await restored.state["messages"].send(MESSAGE, actor=SERVICE_ACTOR)).answer["_id"]
        await until(restored, own, SENT)
        states = {each["id"]: (each["state"], (each["error"] or {}).get("code")) for each in await messages(restored)}
        assert states == {
            own: (SENT, None),
            failed: (FAILED, "131026"),
            sent: (SENT, None),
            sending: (UNKNOWN, "restored"),
            queued: (UNKNOWN, "restored"),
        }
        assert len(provider.sent) == 1
        await restored.state["messages"].retry(queued, is_sure=True, actor=SERVICE_ACTOR)
        restored.state["dispatcher"].wake()
        await until(restored, queued, SENT)


async def test_a_message_whose_upload_is_not_in_the_backup_is_not_sent(
    open_shop: OpenShop, target: Database, mongodb_url: str, tmp_path: Path
) -> None:
    shop = await open_shop(provider=InMemoryProvider(Refused("131026", "Not on WhatsApp.")), **OUTSIDE)
    failed = (await upload(shop)).json()["message_id"]
    await until(shop, failed, FAILED)
    await read(await write(shop.database, shop.store, tmp_path / "archive"), target, shop.store)
    async with opened(
        mongodb_url, database_name=target.name, store_id=shop.store, provider=InMemoryProvider(), **OUTSIDE
    ) as restored:
        with pytest.raises(IllegalTransition, match="the link to it has ended"):
            await restored.state["messages"].retry(failed, actor=SERVICE_ACTOR)


async def test_a_message_restored_into_another_store_is_sent_by_it(
    open_shop: OpenShop, target: Database, mongodb_url: str, tmp_path: Path
) -> None:
    shop = await open_shop(provider=InMemoryProvider(Refused("131026", "Not on WhatsApp.")))
    failed = await ask(shop)
    await until(shop, failed, FAILED)
    await read(await write(shop.database, shop.store, tmp_path / "archive"), target, "another")
    async with opened(
        mongodb_url, database_name=target.name, store_id="another", provider=InMemoryProvider()
    ) as restored:
        await restored.state["messages"].retry(failed, actor=SERVICE_ACTOR)
        restored.state["dispatcher"].wake()
        await until(restored, failed, SENT)
