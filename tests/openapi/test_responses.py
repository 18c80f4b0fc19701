"""What the service answers is what its description says, operation by operation and refusal by refusal."""

import asyncio
from typing import Any

import httpx
import orjson
import pytest
from starlette.requests import HTTPConnection

from app.middleware import errors
from repositories.database.errors import BeingRestored, OutcomeUnknown, SumsFull
from schemas.core.errors import ShopError
from schemas.messaging.states import READ
from services.printing.worker_pool import PdfUnavailable
from tests.openapi.test_sign_in_responses import CODES, PATHS
from tests.support.faults.failpoints import failing
from tests.support.messaging import whatsapp_webhook as webhook
from tests.support.messaging.in_memory_provider import PHONE, InMemoryProvider, upload
from tests.support.openapi_contract import Contract, all_refusals, served_document
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.shop import OpenShop, Shop
from tests.support.shop_setup import complete_setup, early_rejections

Json = dict[str, Any]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return Contract(served_document())


async def test_every_operation_answers_as_it_says(shop: Shop, open_shop: OpenShop, contract: Contract) -> None:
    """Each succeeds once at least, on documents of every kind."""
    http = shop.http
    judge = contract.judge
    judge(await http.post("/api/estimates/create", json=estimate_body()))
    lines = [line(), {"name": "Café au lait ☕", "price": 0.1, "quantity": 0.125, "id": "a-7"}]
    plain = estimate_body(
        [{**each, "discount": 0.0} for each in lines], subtotal=100.01, total=100.01, discount_amount=0
    )
    kept = judge(await http.post("/api/estimates/create", json=plain))["estimate_id"]
    keyed = {"Idempotency-Key": "one"}
    first = judge(await http.post("/api/estimates/create", json=estimate_body(), headers=keyed))
    assert judge(await http.post("/api/estimates/create", json=estimate_body(), headers=keyed)) == first
    sold = judge(await http.post(f"/api/estimates/{first['estimate_id']}/convert-to-order"))["order_id"]
    other = judge(await http.post("/api/orders/create-sale", json=sale_body(amount_paid=20)))["order_id"]
    judge(await http.post("/api/ws-ticket"))
    judge(await http.put(f"/api/estimates/{kept}", json=estimate_body(discount=12.5)))
    meera = judge(await http.post("/api/customers/create", json={"name": "Meera", "phone": "98220 12345"}))[
        "customer_id"
    ]
    judge(await http.put(f"/api/customers/{meera}", json={"notes": "Pays monthly"}))
    judge(await http.put("/api/settings", json={"footer": "Come again", "gst_number": "27AAPFU0939F1ZV"}))
    judge(await http.put(f"/api/orders/{other}/status", params={"status": "cancelled"}))
    link = judge(await http.post(f"/api/orders/{other}/link", json={"days": 7}))
    judge(await http.post(f"/api/estimates/{kept}/link"))
    for path in contract.document["paths"]:
        if path == "/api/events/stream" or path.startswith(PATHS) or "get" not in contract.document["paths"][path]:
            continue
        values = {"estimate_id": kept, "order_id": sold, "estimate_number": "%23001", "sale_number": "1"}
        values |= {"year": "2026", "month": "2", "asset": "swagger-ui.css", "file": "board.css"}
        values |= {"token": link["url"].rpartition("/")[2]}
        address = path.format(**values)
        days = {"start_date": "2026-01-01", "end_date": "2999-12-31"} if path.endswith("date-range") else {}
        answer = await http.get(address, params=days)
        judge(answer)
        tag = answer.headers.get("etag", "")
        if tag and "304" in contract.document["paths"][path]["get"]["responses"]:
            judge(await http.get(address, params=days, headers={"If-None-Match": tag}))
        if any(parameter.get("name") == "limit" for parameter in contract.document["paths"][path]["get"]["parameters"]):
            judge(await http.get(address, params={"limit": "1"}))
    async with http.stream("GET", "/api/events/stream", params={"since": "0"}) as stream:
        judge(await _begun(stream))
    judge(await http.delete(f"/api/links/{link['id']}"))
    judge(await http.get(f"/d/{link['url'].rpartition('/')[2]}"))
    for path in (f"/api/estimates/{kept}/send", f"/api/orders/{other}/send"):
        judge(await http.post(path, json={"phone_number": PHONE}))
    for path in ("send", "sms/send"):
        judge(await http.post(f"/api/whatsapp/{path}", json={"phone_number": PHONE, "message": "Hello"}))
    judge(await upload(shop))
    judge(await complete_setup(open_shop))
    whatsapp = await webhook.connected(open_shop)
    judge(await webhook.verify(whatsapp))
    judge(await webhook.send_statuses(whatsapp, webhook.status("wamid.none", READ)))
    judge(await http.delete(f"/api/customers/{meera}"))
    judge(await http.delete(f"/api/estimates/{kept}", params={"reason": "a trial"}))
    judge(await http.delete(f"/api/orders/{sold}", params={"keep_estimate": "true"}))
    succeeded = {(method, path) for method, path, status in contract.seen if status < 300}
    assert succeeded == {(method, path) for method, path, _ in contract.operations if not path.startswith(PATHS)}


async def _begun(stream: httpx.Response) -> httpx.Response:
    """A stream that does not end, as an answer with what came first."""
    first = await anext(stream.aiter_bytes())
    return httpx.Response(stream.status_code, headers=stream.headers, content=first, request=stream.request)


async def test_every_refusal_looks_as_it_says(
    open_shop: OpenShop, contract: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.http_protocol.RECEIVE_SECONDS", 0.1)
    shop = await open_shop()
    http = shop.http
    estimate = (await shop.estimate())["estimate_id"]
    order = (await shop.convert(estimate))["order_id"]
    customer = {"name": "Asha", "phone": "98220 12345"}
    await http.post("/api/customers/create", json=customer)
    cart = [line(id=1_790_000_000_001)]
    await shop.sale(items=cart)
    refused = [
        await http.post("/api/customers/create", json={**customer, "name": "Ravi"}),
        await http.put("/api/settings", json={"upi_id": "asha"}),
        await http.post("/api/estimates/create", content=b"{"),
        await http.post("/api/estimates/create", content=b" " * 300_000),
        await http.post("/api/estimates/create", json={}),
        await http.post("/api/estimates/create", json=estimate_body(total=1)),
        await http.post("/api/estimates/create", json=estimate_body(), headers={"Idempotency-Key": "k" * 300}),
        await http.post("/api/estimates/create", json=estimate_body(), headers=[("Idempotency-Key", "k")] * 2),
        await http.put(f"/api/estimates/{estimate}", json=estimate_body()),
        await http.post("/api/orders/create-sale", json=sale_body(cart, amount_paid=4.0)),
        await http.put(f"/api/orders/{order}/status?status=Pending"),
        await http.put(f"/api/orders/{order}/status"),
        await http.delete(f"/api/orders/{order}", headers={"If-Match": '"7"'}),
        await http.get("/api/orders/ORDER-NONE"),
        await http.get("/api/orders/a%2Fb"),
        await http.get("/api/estimates/all?limit=0"),
        await http.get("/api/estimates/all?cursor=x"),
        await http.get("/api/events?since=99"),
        await http.get("/api/events?since=x"),
        await http.get("/docs/swagger-ui.js"),
        await http.get("/api/whatsapp/webhook"),
        await http.post("/api/whatsapp/send-estimate-pdf", content=b"x"),
        await http.patch("/api/estimates/all"),
        await _raw(shop, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"x" * 100_000),
        await _raw(shop, b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: none\r\n\r\n"),
        await _raw(shop, b"GET /livez HTTP/1.1\r\nHost: x\r\n"),
        await _crowded(open_shop, monkeypatch),
        await _busy(open_shop, monkeypatch),
    ]
    reused = {"Idempotency-Key": "one"}
    await http.post("/api/estimates/create", json=estimate_body(), headers=reused)
    refused.append(await http.post("/api/estimates/create", json=estimate_body(sale_by="Ravi"), headers=reused))
    async with failing(shop.database, "find", closeConnection=True):
        refused += [await http.get("/readyz"), await http.get("/health")]
    refused += await early_rejections(open_shop)
    refused.append(await upload(await open_shop(provider=InMemoryProvider())))
    monkeypatch.setattr("endpoints.sales.estimates.draft", lambda _: 1 / 0)
    refused.append(await http.post("/api/estimates/create", json=estimate_body()))
    for answer in refused:
        assert answer.status_code >= 400, answer.request.url
        contract.judge(answer)
    rare: list[ShopError] = [
        OutcomeUnknown(),
        SumsFull(),
        BeingRestored(),
        PdfUnavailable("Later."),
    ]
    for refusal in rare:
        shown = await errors.on_refusal(HTTPConnection({"type": "http", "path": "/"}), refusal)
        name = f"#/components/schemas/Problem-{refusal.code}"
        contract.assert_valid({"$ref": name}, orjson.loads(bytes(shown.body)))
    codes = contract.codes | {refusal.code for refusal in rare} | CODES
    assert codes == {refusal.code for refusal in all_refusals()}


async def _crowded(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> httpx.Response:
    """What a connection hears that holds too much of a process."""
    with monkeypatch.context() as patch:
        patch.setattr("app.server.connection_limits.MOST_OF_HEADS", 1_000)
        crowded = await open_shop()
        return await _raw(crowded, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"x" * 2_000)


async def _busy(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> httpx.Response:
    """Return what a client hears that asks for a whole list while no more may be under way."""
    with monkeypatch.context() as patch:
        patch.setattr("app.application.LISTS_EACH", 0)
        patch.setattr("endpoints.transfer.concurrency_limits.WAIT_SECONDS", 0.01)
        busy = await open_shop()
        return await busy.http.get("/api/orders/orders-only")


async def _raw(shop: Shop, head: bytes) -> httpx.Response:
    """What the service says to bytes that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(head)
    said = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    opening, _, content = said.partition(b"\r\n\r\n")
    first, *lines = opening.decode().split("\r\n")
    pairs = [tuple(each.split(": ", 1)) for each in lines]
    request = httpx.Request("GET", "http://127.0.0.1/livez")
    return httpx.Response(int(first.split()[1]), headers=pairs, content=content, request=request)  # type: ignore[arg-type]


async def test_every_example_succeeds(shop: Shop, contract: Contract) -> None:
    sent = 0
    for method, path, operation in contract.operations:
        if path.startswith(PATHS):
            continue
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in body.get("examples", {}).values():
            contract.assert_valid(body["schema"], example["value"])
            answer = await shop.http.request(method, await _address(shop, path, operation), json=example["value"])
            assert answer.status_code in (200, 201), f"{method} {path}: {answer.text}"
            contract.judge(answer)
            sent += 1
        parameters = [each for each in operation["parameters"] if each.get("in") == "query" and each["required"]]
        if parameters:
            query = {each["name"]: each["schema"]["examples"][0] for each in parameters}
            assert (await shop.http.get(await _address(shop, path, operation), params=query)).status_code == 200
            sent += 1
    assert sent >= 10


async def _address(shop: Shop, path: str, operation: Json) -> str:
    """The path, on documents that were not touched yet."""
    for parameter in [each for each in operation["parameters"] if each.get("in") == "path"]:
        name = parameter["name"]
        examples = parameter["schema"].get("examples")
        made = {} if examples else await _made(shop, name)
        path = path.replace(f"{{{name}}}", str(examples[0] if examples else made[name]))
    return path


async def _made(shop: Shop, name: str) -> Json:
    """A new document of the kind that a parameter names."""
    if name == "customer_id":
        customer: Json = (await shop.http.post("/api/customers/create", json={"name": "Meera"})).json()
        return customer
    receipt: Json = await (shop.estimate() if name.startswith("estimate") else shop.sale())
    return receipt
