"""Documents attached to messages: a message is sent only if its document can be opened."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schemas.core.errors import IllegalTransition
from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.states import CANCELLED, FAILED, SENT
from tests.support.clock import Clock
from tests.support.messaging.in_memory_provider import ADDRESS, OUTSIDE, PHONE, InMemoryProvider, message, until, upload
from tests.support.shop import OpenShop, Shop

Ending = Callable[[Shop, Clock, str], Awaitable[Any]]


async def voided(shop: Shop, _: Clock, address: str) -> None:
    await shop.ok("DELETE", address)


async def revoked(shop: Shop, _: Clock, address: str) -> None:
    (link,) = (await shop.get(f"{address}/link"))["links"]
    await shop.ok("DELETE", f"/api/links/{link['id']}")


async def expired(_: Shop, clock: Clock, __: str) -> None:
    clock.advance(days=30)


async def queued(open_shop: OpenShop) -> tuple[Shop, Clock, InMemoryProvider, str, str]:
    """Open a shop with a stopped dispatcher, a sale, and a queued message about it."""
    clock, provider = Clock(), InMemoryProvider()
    shop = await open_shop(clock=clock, provider=provider, **OUTSIDE)
    await shop.state["dispatcher"].stop()
    address = f"/api/orders/{(await shop.sale(customer_phone=PHONE))['order_id']}"
    return shop, clock, provider, address, (await shop.http.post(f"{address}/send")).json()["message_id"]


@pytest.mark.parametrize("end", [voided, revoked, expired])
async def test_a_message_whose_document_is_gone_is_not_sent(open_shop: OpenShop, end: Ending) -> None:
    shop, clock, _, address, message_id = await queued(open_shop)
    await end(shop, clock, address)
    claimed = await shop.state["outbox"].claim("one")
    assert await shop.state["outbox"].begin_attempt(claimed, "memory", 60) is None
    failed = await message(shop, message_id)
    assert (failed["state"], failed["error"]["code"], failed["attempts"]) == (FAILED, "document_gone", 0)
    with pytest.raises(IllegalTransition, match="its document is voided, or the link to it has ended"):
        await shop.state["messages"].retry(message_id, actor=SERVICE_ACTOR)


@pytest.mark.parametrize("end", [voided, revoked, expired])
async def test_a_message_whose_document_is_gone_is_not_retried(open_shop: OpenShop, end: Ending) -> None:
    shop, clock, _, address, message_id = await queued(open_shop)
    await shop.state["messages"].cancel(message_id, actor=SERVICE_ACTOR)
    await end(shop, clock, address)
    with pytest.raises(IllegalTransition):
        await shop.state["messages"].retry(message_id, actor=SERVICE_ACTOR)
    assert (await message(shop, message_id))["state"] == CANCELLED


async def test_a_message_fails_if_its_upload_has_expired(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock, provider=InMemoryProvider(), **OUTSIDE)
    await shop.state["dispatcher"].stop()
    message_id = (await upload(shop)).json()["message_id"]
    clock.advance(days=30)
    claimed = await shop.state["outbox"].claim("one")
    assert await shop.state["outbox"].begin_attempt(claimed, "memory", 60) is None
    assert (await message(shop, message_id))["error"]["code"] == "document_gone"


async def test_a_long_caption_is_shortened(open_shop: OpenShop) -> None:
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider, **OUTSIDE)
    await shop.ok("PUT", "/api/settings", json={"business_name": "S" * 500})
    sale = await shop.sale(customer_phone=PHONE, customer_name="C" * 500)
    message_id = (await shop.http.post(f"/api/orders/{sale['order_id']}/send")).json()["message_id"]
    await until(shop, message_id, SENT)
    assert provider.sent[0].text == f"Bill #001: ₹100.00. {'S' * 500}"


async def test_a_text_may_only_attach_a_pdf_that_can_be_opened(open_shop: OpenShop) -> None:
    provider = InMemoryProvider()
    shop, other = await open_shop(provider=provider, **OUTSIDE), await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    link, other_link = [
        (await each.http.post(f"/api/orders/{(await each.sale())['order_id']}/link")).json() for each in (shop, other)
    ]
    wrong = [
        link["url"],
        other_link["pdf_url"],
        f"{ADDRESS}/static/estimates/unknown.pdf",
        f"{ADDRESS}/api/orders/x/pdf",
        f"{ADDRESS}.evil.example/static/estimates/x.pdf",
    ]
    for url in wrong:
        refused = await shop.http.post("/api/whatsapp/send", json={"phone_number": PHONE, "pdf_url": url})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/pdf_url")
    body = {"phone_number": PHONE, "pdf_url": link["pdf_url"], "message": "Namaste.", "caption": "Your bill."}
    sent = await shop.http.post("/api/whatsapp/send", json=body)
    assert sent.status_code == 200, sent.text
    shown = await until(shop, sent.json()["message_id"], SENT)
    assert shown["document_id"].startswith("ORDER-")
    assert (provider.sent[0].document_url, provider.sent[0].text) == (link["pdf_url"], "Namaste.\n\nYour bill.")
    await shop.ok("DELETE", f"/api/orders/{shown['document_id']}")
    gone = await shop.http.post("/api/whatsapp/send", json={**body, "caption": "And again."})
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    await shop.ok("DELETE", f"/api/links/{link['id']}")
    again = await shop.http.post("/api/whatsapp/send", json={**body, "caption": "Once more."})
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (422, "/pdf_url")
