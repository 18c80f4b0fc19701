"""The document that a message brings: sent only while it opens, and only where it opens."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from schemas.core.errors import IllegalTransition
from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.states import CANCELLED, FAILED, SENT
from tests.support.clock import Clock
from tests.support.messaging.in_memory_provider import ADDRESS, OUTSIDE, PHONE, InMemoryProvider, message, until, upload
from tests.support.shop import OpenShop, Shop

Way = Callable[[Shop, Clock, str], Awaitable[Any]]


async def voided(shop: Shop, _: Clock, address: str) -> None:
    await shop.ok("DELETE", address)


async def revoked(shop: Shop, _: Clock, address: str) -> None:
    (link,) = (await shop.get(f"{address}/link"))["links"]
    await shop.ok("DELETE", f"/api/links/{link['id']}")


async def expired(_: Shop, clock: Clock, __: str) -> None:
    clock.advance(days=30)


async def waiting(open_shop: OpenShop) -> tuple[Shop, Clock, InMemoryProvider, str, str]:
    """A shop whose worker has stopped, a sale, and a message about it that waits."""
    clock, postman = Clock(), InMemoryProvider()
    shop = await open_shop(clock=clock, provider=postman, **OUTSIDE)
    await shop.state["dispatcher"].stop()
    address = f"/api/orders/{(await shop.sale(customer_phone=PHONE))['order_id']}"
    return shop, clock, postman, address, (await shop.http.post(f"{address}/send")).json()["message_id"]


@pytest.mark.parametrize("goes", [voided, revoked, expired])
async def test_what_does_not_open_any_more_is_not_sent(open_shop: OpenShop, goes: Way) -> None:
    shop, clock, _, address, asked = await waiting(open_shop)
    await goes(shop, clock, address)
    claimed = await shop.state["outbox"].claim("one")
    assert await shop.state["outbox"].begin_attempt(claimed, "postman", 60) is None
    failed = await message(shop, asked)
    assert (failed["state"], failed["error"]["code"], failed["attempts"]) == (FAILED, "document_gone", 0)
    with pytest.raises(IllegalTransition, match="its document is voided, or the link to it has ended"):
        await shop.state["messages"].retry(asked, actor=SERVICE_ACTOR)


@pytest.mark.parametrize("goes", [voided, revoked, expired])
async def test_what_does_not_open_any_more_is_not_asked_for_again(open_shop: OpenShop, goes: Way) -> None:
    shop, clock, _, address, asked = await waiting(open_shop)
    await shop.state["messages"].cancel(asked, actor=SERVICE_ACTOR)
    await goes(shop, clock, address)
    with pytest.raises(IllegalTransition):
        await shop.state["messages"].retry(asked, actor=SERVICE_ACTOR)
    assert (await message(shop, asked))["state"] == CANCELLED


async def test_a_pdf_that_was_uploaded_is_sent_while_it_is_kept(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock, provider=InMemoryProvider(), **OUTSIDE)
    await shop.state["dispatcher"].stop()
    asked = (await upload(shop)).json()["message_id"]
    clock.advance(days=30)
    claimed = await shop.state["outbox"].claim("one")
    assert await shop.state["outbox"].begin_attempt(claimed, "postman", 60) is None
    assert (await message(shop, asked))["error"]["code"] == "document_gone"


async def test_the_line_below_a_document_is_never_too_long(open_shop: OpenShop) -> None:
    postman = InMemoryProvider()
    shop = await open_shop(provider=postman, **OUTSIDE)
    await shop.ok("PUT", "/api/settings", json={"business_name": "S" * 500})
    made = await shop.sale(customer_phone=PHONE, customer_name="C" * 500)
    asked = (await shop.http.post(f"/api/orders/{made['order_id']}/send")).json()["message_id"]
    await until(shop, asked, SENT)
    assert postman.letters[0].text == f"Bill #001: ₹100.00. {'S' * 500}"


async def test_a_text_brings_only_a_pdf_that_opens(open_shop: OpenShop) -> None:
    postman = InMemoryProvider()
    shop, other = await open_shop(provider=postman, **OUTSIDE), await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    made, elsewhere = [
        (await each.http.post(f"/api/orders/{(await each.sale())['order_id']}/link")).json() for each in (shop, other)
    ]
    wrong = [
        made["url"],
        elsewhere["pdf_url"],
        f"{ADDRESS}/static/estimates/unknown.pdf",
        f"{ADDRESS}/api/orders/x/pdf",
        f"{ADDRESS}.evil.example/static/estimates/x.pdf",
    ]
    for url in wrong:
        refused = await shop.http.post("/api/whatsapp/send", json={"phone_number": PHONE, "pdf_url": url})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/pdf_url")
    body = {"phone_number": PHONE, "pdf_url": made["pdf_url"], "message": "Namaste.", "caption": "Your bill."}
    sent = await shop.http.post("/api/whatsapp/send", json=body)
    assert sent.status_code == 200, sent.text
    shown = await until(shop, sent.json()["message_id"], SENT)
    assert shown["document_id"].startswith("ORDER-")
    assert (postman.letters[0].document_url, postman.letters[0].text) == (made["pdf_url"], "Namaste.\n\nYour bill.")
    await shop.ok("DELETE", f"/api/orders/{shown['document_id']}")
    gone = await shop.http.post("/api/whatsapp/send", json={**body, "caption": "And again."})
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    await shop.ok("DELETE", f"/api/links/{made['id']}")
    again = await shop.http.post("/api/whatsapp/send", json={**body, "caption": "Once more."})
    assert (again.status_code, again.json()["errors"][0]["pointer"]) == (422, "/pdf_url")
