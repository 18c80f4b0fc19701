"""Responses of the service match the OpenAPI document, for each operation and each error."""

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


async def test_every_operation_responds_as_documented(shop: Shop, open_shop: OpenShop, contract: Contract) -> None:
    """Check that each operation succeeds at least once, on documents of every kind."""
    http = shop.http
    judge = contract.judge
    judge(await http.post("/api/estimates/create", json=estimate_body()))
    lines = [line(), {"name": "Café au lait ☕", "price": 0.1, "quantity": 0.125, "id": "a-7"}]
    plain = estimate_body(
        [{**each, "discount": 0.0} for each in lines], subtotal=100.01, total=100.01, discount_amount=0
    )
    estimate_id = judge(await http.post("/api/estimates/create", json=plain))["estimate_id"]
    keyed = {"Idempotency-Key": "one"}
    first = judge(await http.post("/api/estimates/create", json=estimate_body(), headers=keyed))
    assert judge(await http.post("/api/estimates/create", json=estimate_body(), headers=keyed)) == first
    order_id = judge(await http.post(f"/api/estimates/{first['estimate_id']}/convert-to-order"))["order_id"]
    sale_id = judge(await http.post("/api/orders/create-sale", json=sale_body(amount_paid=20)))["order_id"]
    judge(await http.post("/api/ws-ticket"))
    judge(await http.put(f"/api/estimates/{estimate_id}", json=estimate_body(discount=12.5)))
    customer_id = judge(await http.post("/api/customers/create", json={"name": "Meera", "phone": "98220 12345"}))[
        "customer_id"
    ]
    judge(await http.put(f"/api/customers/{customer_id}", json={"notes": "Pays monthly"}))
    judge(await http.put("/api/settings", json={"footer": "Come again", "gst_number": "27AAPFU0939F1ZV"}))
    judge(await http.put(f"/api/orders/{sale_id}/status", params={"status": "cancelled"}))
    link = judge(await http.post(f"/api/orders/{sale_id}/link", json={"days": 7}))
    judge(await http.post(f"/api/estimates/{estimate_id}/link"))
    for path in contract.document["paths"]:
        if path == "/api/events/stream" or path.startswith(PATHS) or "get" not in contract.document["paths"][path]:
            continue
        values = {"estimate_id": estimate_id, "order_id": order_id, "estimate_number": "%23001", "sale_number": "1"}
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
        judge(await _beginning(stream))
    judge(await http.delete(f"/api/links/{link['id']}"))
    judge(await http.get(f"/d/{link['url'].rpartition('/')[2]}"))
    for path in (f"/api/estimates/{estimate_id}/send", f"/api/orders/{sale_id}/send"):
        judge(await http.post(path, json={"phone_number": PHONE}))
    for path in ("send", "sms/send"):
        judge(await http.post(f"/api/whatsapp/{path}", json={"phone_number": PHONE, "message": "Hello"}))
    judge(await upload(shop))
    judge(await complete_setup(open_shop))
    whatsapp = await webhook.connected(open_shop)
    judge(await webhook.verify(whatsapp))
    judge(await webhook.send_statuses(whatsapp, webhook.status("wamid.none", READ)))
    judge(await http.delete(f"/api/customers/{customer_id}"))
    judge(await http.delete(f"/api/estimates/{estimate_id}", params={"reason": "a trial"}))
    judge(await http.delete(f"/api/orders/{order_id}", params={"keep_estimate": "true"}))
    succeeded = {(method, path) for method, path, status in contract.seen if status < 300}
    assert succeeded == {(method, path) for method, path, _ in contract.operations if not path.startswith(PATHS)}


async def _beginning(stream: httpx.Response) -> httpx.Response:
    """Return an endless stream as a response with its first chunk."""
    first = await anext(stream.aiter_bytes())
    return httpx.Response(stream.status_code, headers=stream.headers, content=first, request=stream.request)


async def test_every_error_is_as_documented(
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
    rejected = [
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
        await _memory_limited(open_shop, monkeypatch),
        await _busy(open_shop, monkeypatch),
    ]
    reused = {"Idempotency-Key": "one"}
    await http.post("/api/estimates/create", json=estimate_body(), headers=reused)
    rejected.append(await http.post("/api/estimates/create", json=estimate_body(sale_by="Ravi"), headers=reused))
    async with failing(shop.database, "find", closeConnection=True):
        rejected += [await http.get("/readyz"), await http.get("/health")]
    rejected += await early_rejections(open_shop)
    rejected.append(await upload(await open_shop(provider=InMemoryProvider())))
    monkeypatch.setattr("endpoints.sales.estimates.draft", lambda _: 1 / 0)
    rejected.append(await http.post("/api/estimates/create", json=estimate_body()))
    for answer in rejected:
        assert answer.status_code >= 400, answer.request.url
        contract.judge(answer)
    rare_errors: list[ShopError] = [
        OutcomeUnknown(),
        SumsFull(),
        BeingRestored(),
        PdfUnavailable("Later."),
    ]
    for refusal in rare_errors:
        shown = await errors.on_refusal(HTTPConnection({"type": "http", "path": "/"}), refusal)
        name = f"#/components/schemas/Problem-{refusal.code}"
        contract.assert_valid({"$ref": name}, orjson.loads(bytes(shown.body)))
    codes = contract.codes | {refusal.code for refusal in rare_errors} | CODES
    assert codes == {refusal.code for refusal in all_refusals()}


async def _memory_limited(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> httpx.Response:
    """Return the response to a connection that uses too much memory."""
    with monkeypatch.context() as patch:
        patch.setattr("app.server.connection_limits.MOST_OF_HEADS", 1_000)
        limited = await open_shop()
        return await _raw(limited, b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Filler: " + b"x" * 2_000)


async def _busy(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> httpx.Response:
    """Return the response to a request for a complete list when no turn is free."""
    with monkeypatch.context() as patch:
        patch.setattr("app.application.LISTS_EACH", 0)
        patch.setattr("endpoints.transfer.concurrency_limits.WAIT_SECONDS", 0.01)
        busy = await open_shop()
        return await busy.http.get("/api/orders/orders-only")


async def _raw(shop: Shop, head: bytes) -> httpx.Response:
    """Return the response to bytes that no client library would send."""
    reader, writer = await asyncio.open_connection("127.0.0.1", shop.port)
    writer.write(head)
    raw = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    opening, _, content = raw.partition(b"\r\n\r\n")
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
    """Return a path whose documents are new."""
    for parameter in [each for each in operation["parameters"] if each.get("in") == "path"]:
        name = parameter["name"]
        examples = parameter["schema"].get("examples")
        document = {} if examples else await _create(shop, name)
        path = path.replace(f"{{{name}}}", str(examples[0] if examples else document[name]))
    return path


async def _create(shop: Shop, name: str) -> Json:
    """Create a document of the kind that a parameter names."""
    if name == "customer_id":
        customer: Json = (await shop.http.post("/api/customers/create", json={"name": "Meera"})).json()
        return customer
    receipt: Json = await (shop.estimate() if name.startswith("estimate") else shop.sale())
    return receipt
