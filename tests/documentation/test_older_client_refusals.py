"""Requests of older clients that are now rejected: each row of the table in docs/importing.md is sent."""

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from schemas.core.limits import MAX_UPLOAD
from tests.support.messaging.in_memory_provider import OUTSIDE, PHONE, InMemoryProvider, upload
from tests.support.payloads import line, sale_body
from tests.support.shop import OpenShop, Shop

PAGE: Final = Path(__file__).parents[2] / "docs" / "importing.md"
_TITLE: Final = "## Requests that are now rejected"
_ROW: Final = re.compile(r"^\| (.+?) \| (\d{3}) `(\w+)` \|", re.MULTILINE)

Send = Callable[[Shop], Awaitable[httpx.Response]]


def sold(**changes: Any) -> Send:
    return lambda shop: shop.http.post("/api/orders/create-sale", json={**sale_body(), **changes})


def sold_line(**changes: Any) -> Send:
    return sold(items=[{**line(), **changes}])


async def final(shop: Shop) -> httpx.Response:
    order = await shop.sale()
    address = f"/api/orders/{order['order_id']}/status"
    await shop.ok("PUT", f"{address}?status=Cancelled")
    return await shop.http.put(f"{address}?status=Completed")


async def converted_differently(shop: Shop) -> httpx.Response:
    estimate = await shop.estimate()
    await shop.convert(estimate["estimate_id"], payment_mode="Cash")
    path = f"/api/estimates/{estimate['estimate_id']}/convert-to-order"
    return await shop.http.post(path, json={"payment_mode": "Card"})


async def elsewhere(shop: Shop) -> httpx.Response:
    body = {"phone_number": PHONE, "message": "Your estimate", "pdf_url": "https://elsewhere.example/a.pdf"}
    return await shop.http.post("/api/whatsapp/send", json=body)


def from_a_page(method: str, path: str, **headers: str) -> Send:
    page_headers = {"Origin": "https://shop.elsewhere.example", **headers}
    return lambda shop: shop.http.request(method, path, headers=page_headers)


def sent(text: str) -> Send:
    headers = {"Content-Type": "application/json"}
    return lambda shop: shop.http.post("/api/orders/create-sale", content=text, headers=headers)


#: The request for each row of the table.
REQUESTS: Final[dict[str, Send]] = {
    "a price with more than two decimals": sold_line(price=99.999),
    "a negative price": sold_line(price=-1.0),
    "a price as a string": sold_line(price="100"),
    "a quantity of 0 or less, or with more than three decimals": sold_line(quantity=0),
    "a line without name, price or quantity": sold(items=[{"id": 1, "name": "Nails"}]),
    "no lines": sold(items=[]),
    "more than 1,000 lines": sold(items=[line()] * 1_001),
    "an empty name of a customer, seller or item": sold(customer_name=" "),
    "a text of more than 500 characters": sold(customer_address="x" * 501),
    "control characters in a text": sold(customer_name="Asha\x00"),
    "totals that do not match the lines": sold(total=90.0),
    "a total of more than 10,000,000,000.00": sold(total=10_000_000_000.01),
    "a negative `amount_paid`": sold(amount_paid=-1.0),
    "`NaN` or `Infinity`": sent('{"total": NaN}'),
    "a body of more than 256 KiB": sent(" " * (256 * 1024) + "{}"),
    "an unknown query parameter of a POST": lambda shop: shop.http.post(
        "/api/orders/create-sale?discount=5", json=sale_body()
    ),
    "a new status for a Cancelled or Refunded order": final,
    "an unknown status": lambda shop: shop.http.put("/api/orders/ORDER-1/status?status=Shipped"),
    "a second, different conversion of an estimate": converted_differently,
    "a `pdf_url` of another site": elsewhere,
    "an upload that is not a PDF or exceeds 2 MiB": lambda shop: upload(shop, b"PK"),
    "a message to an invalid phone number": lambda shop: shop.http.post(
        "/api/whatsapp/send", json={"phone_number": "12345", "message": "Hello"}
    ),
    "a change from a web page that `CORS_ORIGINS` does not contain": from_a_page("DELETE", "/api/orders/ORDER-1"),
    "the CORS preflight of such a page": from_a_page(
        "OPTIONS", "/api/orders/all", **{"Access-Control-Request-Method": "GET"}
    ),
    "`GET /debug/time`": lambda shop: shop.http.get("/debug/time"),
}
#: Further requests for the same rows.
FURTHER: Final[list[tuple[str, Send]]] = [
    ("a price with more than two decimals", sold_line(price=0.125)),
    ("a negative price", sold_line(price=-0.01)),
    ("a quantity of 0 or less, or with more than three decimals", sold_line(quantity=-1)),
    ("a quantity of 0 or less, or with more than three decimals", sold_line(quantity=1.2345)),
    ("a line without name, price or quantity", sold(items=[{"name": "Nails", "quantity": 1}])),
    ("a line without name, price or quantity", sold(items=[{"price": 1.0, "quantity": 1}])),
    ("an empty name of a customer, seller or item", sold(sale_by="")),
    ("an empty name of a customer, seller or item", sold_line(name="")),
    ("a text of more than 500 characters", sold_line(name="x" * 501)),
    ("totals that do not match the lines", sold(subtotal=90.0)),
    ("`NaN` or `Infinity`", sent('{"total": Infinity}')),
    ("an upload that is not a PDF or exceeds 2 MiB", lambda shop: upload(shop, b"%PDF-" + b"x" * MAX_UPLOAD)),
]


def table() -> dict[str, tuple[int, str]]:
    """Return the expected status and code for each row of the table."""
    section = PAGE.read_text().partition(_TITLE)[2].partition("\n## ")[0]
    return {what: (int(status), code) for what, status, code in _ROW.findall(section)}


def test_the_table_has_a_row_for_each_request() -> None:
    assert list(table()) == list(REQUESTS)


@pytest.mark.parametrize(("what", "send"), [*REQUESTS.items(), *FURTHER])
async def test_request_is_rejected_as_documented(open_shop: OpenShop, what: str, send: Send) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    before = (await shop.get("/api/orders/separate"))["summary"]
    answer = await send(shop)
    assert (answer.status_code, answer.json()["code"]) == table()[what]
    assert isinstance(answer.json()["detail"], str)
    after = (await shop.get("/api/orders/separate"))["summary"]
    assert after == before or send in (final, converted_differently)


async def test_foreign_web_page_cannot_read_a_list(open_shop: OpenShop) -> None:
    """Check that the response has no header that lets a browser show it to the page."""
    shop = await open_shop(**OUTSIDE)
    answer = await from_a_page("GET", "/api/orders/all")(shop)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
