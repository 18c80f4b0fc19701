"""The reference page of the API: all its files are served by the service itself."""

import re

import httpx
import pytest
from playwright.async_api import Browser

from tests.support.shop import OpenShop, Shop
from tests.support.token_holders import add_token_holder

LINKS = re.compile(r"""(?:src|href|url)\s*[=:]\s*"([^"]+)\"""")


async def test_the_page_and_all_linked_files_are_served(shop: Shop) -> None:
    page = await shop.http.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = LINKS.findall(page.text)
    assert {name.rpartition(".")[2] for name in links} == {"css", "js", "png", "json"}
    types = {}
    for name in links:
        answer = await shop.http.get(str(httpx.URL(str(page.url)).join(name)))
        assert answer.status_code == 200, name
        assert len(answer.content) > 500
        types[name] = answer.headers["content-type"].partition(";")[0]
    assert sorted(types.values()) == ["application/json", "image/png", "text/css", "text/javascript"]


async def test_the_page_uses_no_other_host(shop: Shop) -> None:
    page = await shop.http.get("/docs")
    assert re.findall(r"(?:https?:)?//[\w.]", page.text) == []
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    sources = {source for name in policy for source in policy[name].split()}
    assert not any("//" in source or source == "*" for source in sources)
    assert "http" not in (await shop.get("/openapi.json"))["servers"][0]["url"]


async def test_a_file_ignores_ranges_and_has_an_etag(shop: Shop) -> None:
    first = await shop.http.get("/docs/swagger-ui.css", headers={"Range": "bytes=none"})
    assert first.status_code == 200
    again = await shop.http.get("/docs/swagger-ui.css", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_other_files_of_the_package_are_not_served(shop: Shop) -> None:
    for name in ("index.html", "swagger-initializer.js", "..%2F__init__.py", "%00", "swagger-ui.css%00"):
        assert (await shop.http.get(f"/docs/{name}")).status_code == 404


async def test_the_root_lists_all_descriptions(shop: Shop) -> None:
    welcome = await shop.get("/")
    for name in ("docs", "openapi", "asyncapi"):
        assert (await shop.http.get(welcome[name])).status_code == 200
    assert welcome["asyncapi"] in (await shop.get("/openapi.json"))["info"]["description"]


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui.css", "/board", "/board/board.js", "/openapi.json"])
async def test_a_304_has_the_headers_of_the_file(shop: Shop, path: str) -> None:
    for encoding in ("gzip", "identity"):
        whole = await shop.http.get(path, headers={"Accept-Encoding": encoding})
        held = {"Accept-Encoding": encoding, "If-None-Match": whole.headers["etag"]}
        again = await shop.http.get(path, headers=held)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["vary"] == whole.headers["vary"] == "Accept-Encoding"
        for name in ("cache-control", "content-security-policy"):
            assert again.headers[name] == whole.headers[name]


async def test_a_signed_in_user_can_try_requests_and_stays_signed_in(open_shop: OpenShop, browser: Browser) -> None:
    shop = await open_shop(sign_in="on")
    device = await add_token_holder(shop, "device")
    context = await browser.new_context()
    # The page renders a large document, which takes half a minute on a busy machine.
    context.set_default_timeout(120_000)
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{shop.port}/docs#/service/get-api-websocket-status")
    await page.get_by_role("button", name="Authorize", exact=True).click()
    await page.get_by_label("auth-bearer-value").fill(device.token)
    await page.get_by_role("button", name="Apply credentials").click()
    await page.get_by_role("button", name="Close", exact=True).click()
    for _ in range(2):
        await page.get_by_role("button", name="Try it out").click()
        async with page.expect_response("**/api/websocket/status") as response:
            await page.get_by_role("button", name="Execute").click()
        assert (await response.value).status == 200
        await page.reload()
    await context.close()


@pytest.mark.parametrize("page", ["docs", "board"])
async def test_a_trailing_slash_redirects_without_sign_in(open_shop: OpenShop, page: str) -> None:
    shop = await open_shop(sign_in="on")
    for query in ("", "?since=1&x=%0d%0a"):
        answer = await shop.http.get(f"/{page}/{query}")
        assert (answer.status_code, answer.headers["location"].lower()) == (308, f"../{page}{query}")
        followed = await shop.http.get(f"/{page}/{query}", follow_redirects=True)
        assert (followed.status_code, followed.url.path) == (200, f"/{page}")
        assert followed.content == (await shop.http.get(f"/{page}")).content
    assert (await shop.http.head(f"/{page}/")).status_code == 308
    assert (await shop.http.post(f"/{page}/")).status_code == 405
    assert (await shop.http.get(f"/{page}//")).status_code == 404
