"""A message that is asked for again: the same one, unless it is not what is meant any more."""

from typing import Any

from schemas.core.principals import SERVICE_ACTOR
from schemas.messaging.delivery import Refused
from schemas.messaging.states import FAILED, SENT
from tests.support.messaging.in_memory_provider import OUTSIDE, PHONE, InMemoryProvider, ask, until
from tests.support.payloads import estimate_body
from tests.support.shop import OpenShop, Shop


async def asked(shop: Shop, address: str, **headers: str) -> dict[str, Any]:
    answer = await shop.http.post(f"{address}/send", headers=headers)
    assert answer.status_code == 201, answer.text
    return {**answer.json(), "replayed": "Idempotent-Replayed" in answer.headers}


async def sold(shop: Shop) -> str:
    return f"/api/orders/{(await shop.sale(customer_phone=PHONE))['order_id']}"


async def test_a_replay_says_how_the_message_stands(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    address = await sold(shop)
    first = await asked(shop, address)
    await until(shop, first["message_id"], SENT)
    assert await asked(shop, address) == {**first, "message": "Message sent", "state": SENT, "replayed": True}


async def test_a_number_that_was_corrected_is_another_message(open_shop: OpenShop) -> None:
    postman = InMemoryProvider()
    shop = await open_shop(provider=postman, **OUTSIDE)
    made = await shop.estimate(customer_phone=PHONE)
    address = f"/api/estimates/{made['estimate_id']}"
    first = await asked(shop, address)
    await shop.ok("PUT", address, json=estimate_body(customer_phone="98220 54321"))
    again = await asked(shop, address)
    assert (again["replayed"], again["message_id"] != first["message_id"]) == (False, True)
    for each in (first, again):
        await until(shop, each["message_id"], SENT)
    assert {letter.to for letter in postman.letters} == {"+919822012345", "+919822054321"}


async def test_whoever_names_a_key_hears_of_that_very_message(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(Refused("131026", "Not on WhatsApp.")), **OUTSIDE)
    address = await sold(shop)
    failed = await asked(shop, address, **{"Idempotency-Key": "one"})
    await until(shop, failed["message_id"], FAILED)
    again = await asked(shop, address, **{"Idempotency-Key": "one"})
    assert again == {**failed, "message": "Message failed", "state": FAILED, "replayed": True}


async def test_a_message_that_failed_is_asked_for_anew(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(Refused("131026", "Not on WhatsApp.")), **OUTSIDE)
    failed = await ask(shop)
    await until(shop, failed, FAILED)
    again = await ask(shop)
    assert again != failed
    await until(shop, again, SENT)


async def test_a_message_that_was_dropped_is_asked_for_anew(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider())
    await shop.state["dispatcher"].stop()
    dropped = await ask(shop)
    assert await ask(shop) == dropped
    await shop.state["messages"].cancel(dropped, actor=SERVICE_ACTOR)
    assert await ask(shop) != dropped


async def test_a_link_that_was_revoked_is_made_anew(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    address = await sold(shop)
    first = await asked(shop, address)
    await until(shop, first["message_id"], SENT)
    (link,) = (await shop.get(f"{address}/link"))["links"]
    await shop.ok("DELETE", f"/api/links/{link['id']}")
    again = await asked(shop, address)
    assert not again["replayed"]
    assert again["pdf_url"] != first["pdf_url"]
    assert "retry_keys" not in (await shop.http.get("/api/audit")).text
