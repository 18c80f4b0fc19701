"""Repeated requests of a message: the same message, unless the request has changed or the message ended."""

from typing import Any

from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.delivery import Refused
from schemas.messaging.states import FAILED, SENT
from tests.support.messaging.in_memory_provider import OUTSIDE, PHONE, InMemoryProvider, ask, until
from tests.support.payloads import estimate_body
from tests.support.shop import OpenShop, Shop


async def request_message(shop: Shop, address: str, **headers: str) -> dict[str, Any]:
    answer = await shop.http.post(f"{address}/send", headers=headers)
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "replayed": "Idempotent-Replayed" in answer.headers}


async def new_sale(shop: Shop) -> str:
    return f"/api/orders/{(await shop.sale(customer_phone=PHONE))['order_id']}"


async def test_a_replay_shows_the_current_state(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    address = await new_sale(shop)
    first = await request_message(shop, address)
    await until(shop, first["message_id"], SENT)
    assert await request_message(shop, address) == {**first, "message": "Message sent", "state": SENT, "replayed": True}


async def test_a_corrected_phone_number_makes_a_new_message(open_shop: OpenShop) -> None:
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider, **OUTSIDE)
    estimate = await shop.estimate(customer_phone=PHONE)
    address = f"/api/estimates/{estimate['estimate_id']}"
    first = await request_message(shop, address)
    await shop.ok("PUT", address, json=estimate_body(customer_phone="98220 54321"))
    again = await request_message(shop, address)
    assert (again["replayed"], again["message_id"] != first["message_id"]) == (False, True)
    for each in (first, again):
        await until(shop, each["message_id"], SENT)
    assert {message.to for message in provider.sent} == {"+919822012345", "+919822054321"}


async def test_a_repeated_key_returns_the_same_message(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(Refused("131026", "Not on WhatsApp.")), **OUTSIDE)
    address = await new_sale(shop)
    failed = await request_message(shop, address, **{"Idempotency-Key": "one"})
    await until(shop, failed["message_id"], FAILED)
    again = await request_message(shop, address, **{"Idempotency-Key": "one"})
    assert again == {**failed, "message": "Message failed", "state": FAILED, "replayed": True}


async def test_a_repeated_request_after_a_failure_makes_a_new_message(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(Refused("131026", "Not on WhatsApp.")), **OUTSIDE)
    failed = await ask(shop)
    await until(shop, failed, FAILED)
    again = await ask(shop)
    assert again != failed
    await until(shop, again, SENT)


async def test_a_repeated_request_after_a_drop_makes_a_new_message(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider())
    await shop.state["dispatcher"].stop()
    dropped = await ask(shop)
    assert await ask(shop) == dropped
    await shop.state["messages"].cancel(dropped, actor=SERVICE_ACTOR)
    assert await ask(shop) != dropped


async def test_a_revoked_link_is_replaced(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    address = await new_sale(shop)
    first = await request_message(shop, address)
    await until(shop, first["message_id"], SENT)
    (link,) = (await shop.get(f"{address}/link"))["links"]
    await shop.ok("DELETE", f"/api/links/{link['id']}")
    again = await request_message(shop, address)
    assert not again["replayed"]
    assert again["pdf_url"] != first["pdf_url"]
    assert "retry_keys" not in (await shop.http.get("/api/audit")).text
