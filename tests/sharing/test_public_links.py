"""Public links: they show the document until they expire or are revoked."""

import asyncio
import secrets
from datetime import timedelta
from html import escape
from typing import Any

import pytest
from limits import RateLimitItemPerMinute

from tests.support.accounts import SECRET_KEY
from tests.support.clock import Clock
from tests.support.payloads import line
from tests.support.shop import OpenShop, Shop


async def linked(shop: Shop, **body: Any) -> tuple[str, dict[str, Any]]:
    """Make a sale and a link to it; return the path of the link's page, and the response."""
    sale = await shop.sale(items=[line(name="Silk <b>&amp; co</b>")], amount_paid=10.0)
    answer = await shop.http.post(f"/api/orders/{sale['order_id']}/link", json=body)
    assert answer.status_code == 201, answer.text
    receipt: dict[str, Any] = answer.json()
    base, _, token = receipt["url"].rpartition("/")
    assert base == f"{shop.state['public_base_url']}/d"
    assert receipt["pdf_url"] == f"{shop.state['public_base_url']}/static/estimates/{token}.pdf"
    return f"/d/{token}", {**receipt, **sale}


async def wait_for_views(shop: Shop, receipt: dict[str, Any], views: int) -> None:
    """Wait for a number of views, since a view is counted after the response."""
    async with asyncio.timeout(30):
        while (await shop.get(f"/api/orders/{receipt['order_id']}/link"))["links"][0]["views"] != views:
            await asyncio.sleep(0.01)


async def test_a_link_shows_the_document_without_sign_in(open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="off")
    path, _ = await linked(shop)
    page = await shop.http.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["x-robots-tag"] == "noindex, nofollow, noarchive"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert '<meta name="robots" content="noindex">' in page.text
    assert "<script" not in page.text
    assert escape("Silk <b>&amp; co</b>") in page.text
    assert "Silk <b>" not in page.text
    assert "₹90.00" in page.text
    for pdf in (f"{path}.pdf", f"{path.replace('/d/', '/static/estimates/')}.pdf"):
        answer = await shop.http.get(pdf)
        assert answer.content.startswith(b"%PDF-")
        assert answer.headers["x-robots-tag"] == "noindex, nofollow, noarchive"


async def test_invalid_links_get_the_same_response(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    expired, _ = await linked(shop, days=1)
    clock.now += timedelta(days=1, seconds=1)
    revoked, receipt = await linked(shop)
    await shop.ok("DELETE", f"/api/links/{receipt['id']}")
    gone, sale = await linked(shop)
    await shop.ok("DELETE", f"/api/orders/{sale['order_id']}")
    paths = ("/d/unknown", expired, revoked, gone, f"/d/{sale['sale_number'].lstrip('#')}", f"/d/{sale['id']}")
    answers = [await shop.http.get(path + ending) for path in paths for ending in ("", ".pdf")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}


async def test_a_conditional_request_counts_as_a_view_and_head_does_not(open_shop: OpenShop) -> None:
    shop = await open_shop()
    path, receipt = await linked(shop)
    heads = [await shop.http.head(each) for each in (path, f"{path}.pdf")]
    assert [head.status_code for head in heads] == [200, 200]
    held = {"If-None-Match": heads[1].headers["etag"]}
    assert [(await shop.http.get(f"{path}.pdf", headers=held)).status_code for _ in range(3)] == [304] * 3
    await wait_for_views(shop, receipt, 3)


async def test_views_are_counted_and_links_listed(open_shop: OpenShop) -> None:
    shop = await open_shop()
    path, receipt = await linked(shop, days=365)
    await asyncio.gather(*(shop.http.get(path) for _ in range(5)))
    address = f"/api/orders/{receipt['order_id']}/link"
    await wait_for_views(shop, receipt, 5)
    (link,) = (await shop.get(address))["links"]
    assert (link["id"], link["views"], link["is_open"]) == (receipt["id"], 5, True)
    assert path.rpartition("/")[2] not in str(link)
    await shop.ok("DELETE", f"/api/links/{receipt['id']}")
    (link,) = (await shop.get(address))["links"]
    assert (link["views"], link["is_open"]) == (5, False)
    assert (await shop.http.delete(f"/api/links/{receipt['id']}")).status_code == 404


async def test_links_are_audited_without_the_token(shop: Shop) -> None:
    path, receipt = await linked(shop)
    stored = await shop.database["links"].find_one({"_id": receipt["id"]})
    assert stored is not None
    audit = (await shop.http.get("/api/audit")).text
    assert f'"id":"{receipt["id"]}"' in audit
    for secret in (path.rpartition("/")[2], stored["token"]):
        assert secret not in audit
    assert path.rpartition("/")[2] not in str(stored)


async def test_a_link_opens_the_document_of_its_own_store(open_shop: OpenShop) -> None:
    one, other = await open_shop(), await open_shop()
    path, _ = await linked(one)
    assert (await other.http.get(path)).content == (await one.http.get(path)).content


@pytest.mark.parametrize("days", [0, 366, 1.5, "7", True])
async def test_the_lifetime_is_limited(shop: Shop, days: Any) -> None:
    sale = await shop.sale()
    refused = await shop.http.post(f"/api/orders/{sale['order_id']}/link", json={"days": days})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_fields")


async def test_a_link_to_an_unknown_document_is_refused(shop: Shop) -> None:
    for path in ("/api/orders/ORDER-1/link", "/api/estimates/EST-1/link"):
        assert [(await shop.http.request(method, path)).status_code for method in ("POST", "GET")] == [404, 404]


async def test_views_of_one_address_are_limited_a_minute(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = RateLimitItemPerMinute(20, namespace="link")
    monkeypatch.setattr("endpoints.sharing.public_documents.LINK", limit)
    shop = await open_shop(trusted_proxies=1, public_base_url="https://shop.example.com", secret_key=SECRET_KEY)
    address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}"
    paths = ("/d/unknown", "/d/unknown.pdf", "/static/estimates/unknown.pdf")

    async def look(number: int, network: str = address) -> tuple[int, str]:
        headers = {"X-Forwarded-For": f"{network}::{number:x}", "Host": "shop.example.com"}
        answer = await shop.http.get(paths[number % len(paths)], headers=headers)
        return answer.status_code, answer.headers.get("retry-after", "")

    # The minute of the count may end in between.
    answers = await asyncio.gather(*(look(number) for number in range(2 * limit.amount + 1)))
    assert limit.amount <= answers.count((404, "")) <= 2 * limit.amount
    refused = [wait for status, wait in answers if status != 404]
    assert {status for status, _ in answers} == {404, 429}
    assert all(1 <= int(wait) <= 60 for wait in refused)
    assert await look(0, "2001:db8:1:2") == (404, "")
