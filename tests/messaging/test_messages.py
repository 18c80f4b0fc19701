"""Messages to customers: requests, sending, lists."""

import asyncio
import io
from dataclasses import replace
from typing import Any

import pytest

from app.config.settings import Settings
from app.observability import logs
from app.observability.access_log import AccessLog
from schemas.messaging.delivery import Accepted, Outcome, OutgoingMessage, Refused
from schemas.messaging.states import FAILED, SENT
from tests.observability.test_secrets_in_logs import restored  # noqa: F401
from tests.support.clients.live_client import live
from tests.support.messaging.in_memory_provider import (
    OUTSIDE,
    PHONE,
    InMemoryProvider,
    ask,
    messages,
    path_of,
    until,
    upload,
)
from tests.support.shop import OpenShop, Shop


async def test_a_text_is_sent_and_shown(open_shop: OpenShop) -> None:
    provider = InMemoryProvider(Accepted("wamid.1"))
    shop = await open_shop(provider=provider)
    sent = await until(shop, await ask(shop), SENT)
    (message,) = provider.sent
    assert (message.to, message.text, message.document_url) == ("+919822012345", "Your order is ready.", None)
    assert (sent["provider"], sent["attempts"], sent["error"], sent["by"]) == ("memory", 1, None, "open")
    assert sent["sent_at"] is not None
    assert sent["phone_number"] == "+919822012345"


@pytest.mark.parametrize("kind", ["estimates", "orders"])
async def test_a_document_is_sent_as_a_working_link(open_shop: OpenShop, kind: str) -> None:
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider, **OUTSIDE)
    document = await (shop.estimate if kind == "estimates" else shop.sale)(customer_phone=PHONE)
    document_id = document["estimate_id" if kind == "estimates" else "order_id"]
    answer = await shop.http.post(f"/api/{kind}/{document_id}/send")
    assert answer.status_code == 201, answer.text
    sent = await until(shop, answer.json()["message_id"], SENT)
    assert (sent["document_id"], sent["has_document"]) == (document_id, True)
    (message,) = provider.sent
    assert message.filename == ("estimate-001.pdf" if kind == "estimates" else "order-001.pdf")
    titled = "Estimate #001" if kind == "estimates" else "Bill #001"
    assert message.text.startswith(f"{titled} for Test Customer: ₹100.00. ")
    pdf = await shop.http.get(path_of(message.document_url))
    assert pdf.content.startswith(b"%PDF-")
    (link,) = (await shop.get(f"/api/{kind}/{document_id}/link"))["links"]
    assert link["is_open"]


async def test_a_document_may_be_sent_to_another_phone_with_a_custom_text(open_shop: OpenShop) -> None:
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider, **OUTSIDE)
    sale = await shop.sale(customer_phone="")
    address = f"/api/orders/{sale['order_id']}/send"
    without_phone = await shop.http.post(address)
    assert (without_phone.status_code, without_phone.json()["errors"][0]["pointer"]) == (422, "/phone_number")
    assert "links" not in without_phone.text
    sent = await shop.http.post(address, json={"phone_number": PHONE, "message": "धन्यवाद", "days": 1})
    await until(shop, sent.json()["message_id"], SENT)
    assert (provider.sent[0].to, provider.sent[0].text) == ("+919822012345", "धन्यवाद")
    assert len((await shop.get(f"/api/orders/{sale['order_id']}/link"))["links"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"message": "Hello"},
        {"phone_number": "1234567890", "message": "Hello"},
        {"phone_number": PHONE},
        {"phone_number": PHONE, "message": "x" * 4_097},
        {"phone_number": PHONE, "pdf_url": "https://elsewhere.example/x.pdf"},
        {"phone_number": PHONE, "pdf_url": "http://["},
        {"phone_number": PHONE, "pdf_url": "http://127.0.0.1:8000/static/estimates/x.pdf", "message": "x" * 1_025},
        {"phone_number": PHONE, "message": "x" * 4_000, "caption": "y" * 100},
    ],
)
async def test_an_invalid_message_is_rejected(shop: Shop, body: dict[str, Any]) -> None:
    answer = await shop.http.post("/api/whatsapp/send", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_fields")
    assert await messages(shop) == []


async def test_documents_need_a_public_address(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider())
    sale = await shop.sale(customer_phone=PHONE)
    url = {"phone_number": PHONE, "pdf_url": "http://127.0.0.1:8000/static/estimates/x.pdf"}
    refused = [
        await shop.http.post(f"/api/orders/{sale['order_id']}/send"),
        await shop.http.post("/api/whatsapp/send", json=url),
        await upload(shop),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(409, "no_public_address")}
    assert "PUBLIC_BASE_URL" in refused[0].json()["detail"]
    assert await messages(shop) == []
    await until(shop, await ask(shop), SENT)


async def test_a_repeated_request_is_sent_once(open_shop: OpenShop) -> None:
    provider = InMemoryProvider()
    shop = await open_shop(provider=provider)
    ids = await asyncio.gather(*(ask(shop, **{"Idempotency-Key": "one"}) for _ in range(20)))
    ids += await asyncio.gather(*(ask(shop, "Hello") for _ in range(20)))
    ids += [await ask(shop, "Hello", **{"Idempotency-Key": "two"})]
    assert len(set(ids)) == 3
    for each in set(ids):
        await until(shop, each, SENT)
    assert len(provider.sent) == 3


async def test_the_list_is_filtered_and_paged(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(Refused("131026", "Not on WhatsApp.")), **OUTSIDE)
    failed = await ask(shop)
    assert (await until(shop, failed, FAILED))["error"] == {"code": "131026", "reason": "Not on WhatsApp."}
    ids = [failed, *[await ask(shop, f"Number {number}") for number in range(4)]]
    sale = await shop.sale(customer_phone=PHONE)
    about = (await shop.http.post(f"/api/orders/{sale['order_id']}/send")).json()["message_id"]
    for each in (*ids[1:], about):
        await until(shop, each, SENT)
    assert [each["id"] for each in await messages(shop, state="failed")] == [failed]
    assert [each["id"] for each in await messages(shop, document_id=sale["order_id"])] == [about]
    page = await shop.http.get("/api/messages", params={"limit": 4})
    seen = page.json()["messages"]
    while "next" in page.links:
        page = await shop.http.get(page.links["next"]["url"])
        seen += page.json()["messages"]
    assert [each["id"] for each in seen] == [about, *reversed(ids)]
    assert (await shop.http.get("/api/messages", params={"cursor": "x"})).json()["code"] == "invalid_cursor"


async def test_only_subscribers_of_the_topic_receive_message_events(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider())
    async with shop.listen() as plain, live(shop, "?topics=*") as all_, live(shop, "?topics=messages") as some:
        await all_.until("subscribed")
        await some.until("subscribed")
        message_id = await ask(shop)
        states: list[str] = []
        while SENT not in states:
            frame = await some.next()
            found = [frame["event"]] if frame["type"] == "event" else frame.get("events", [])
            assert {event["id"] for event in found} <= {message_id}
            states += [event["data"]["state"] for event in found]
        assert states == ["queued", "sending", "sent"]
        await shop.sale()
        assert '"type":"order"' in str(await plain.recv())
        assert await all_.seqs(1) == [4]
    page = await shop.http.get("/api/events", params={"topics": f"messages/{message_id}"})
    assert len(page.json()["events"]) == 3
    assert "98220" not in page.text


async def test_messages_are_rate_limited(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), message_rate_limit=3)
    body = {"phone_number": PHONE}
    sent = [await shop.http.post("/api/whatsapp/send", json={**body, "message": str(number)}) for number in range(8)]
    # The minute of the count may end in between.
    refused = [answer for answer in sent if answer.status_code == 429]
    assert len(refused) >= 2
    assert refused[0].json()["code"] == "too_many_requests"
    assert int(refused[0].headers["Retry-After"]) >= 1


class BrokenProvider(InMemoryProvider):
    async def send(self, message: OutgoingMessage) -> Outcome:
        self.sent.append(message)
        raise RuntimeError(f"Cannot send {message}")


@pytest.mark.usefixtures("restored")
async def test_logs_contain_neither_recipients_nor_texts(open_shop: OpenShop) -> None:
    stream = io.StringIO()
    access_log = AccessLog("json", stream)
    broken = BrokenProvider()
    shop = await open_shop(provider=broken, access_log=access_log, **OUTSIDE)
    logs.configure(replace(Settings(), log_format="json", log_level="trace"), stream)
    sale = await shop.sale(customer_phone=PHONE)
    await ask(shop, "Canary in a text")
    await shop.http.post(f"/api/orders/{sale['order_id']}/send", json={"message": "Canary in a caption"})
    await upload(shop, message="Canary in a form")
    await shop.http.post("/api/whatsapp/send", json={"phone_number": "98220123456", "message": "Canary refused"})
    async with asyncio.timeout(30):
        while len(broken.sent) < 3:
            await asyncio.sleep(0.01)
    await shop.state["dispatcher"].stop()
    access_log.flush()
    written = stream.getvalue()
    assert written.count("A message could not be processed.") == 3
    tokens = [str(message.document_url).rpartition("/")[2] for message in broken.sent if message.document_url]
    assert len(tokens) == 2
    assert [canary for canary in (*tokens, "98220", "Canary") if canary in written] == []
