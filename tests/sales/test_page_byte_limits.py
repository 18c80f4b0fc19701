"""Pages of documents that are large: bounded by their bytes, and the cursor goes on where they end."""

from typing import Any

import pytest

from repositories.database.pages import first_page_of_bytes
from tests.support.payloads import line
from tests.support.shop import Shop

Json = dict[str, Any]
LARGE: Json = {"items": [line(name="x" * 400)] * 200}


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page ends after the second of the large documents."""
    monkeypatch.setattr("repositories.sales.documents.PAGE_BYTES", 250_000)


def documents_in(page: Any) -> list[Json]:
    return (
        page if isinstance(page, list) else [each for name in page if name != "summary" for each in page[name]["items"]]
    )


@pytest.mark.parametrize(
    "path", ["/api/orders/all", "/api/orders/separate", "/api/orders/orders-only", "/api/estimates/all"]
)
async def test_a_page_of_large_documents_is_short_and_the_next_ones_have_the_rest(shop: Shop, path: str) -> None:
    for number in range(6):
        await shop.estimate(**({} if number % 2 else LARGE))
        await shop.sale(**LARGE)
        await shop.sale()
    whole = [each["id"] for each in documents_in(await shop.get(path))]
    found, sizes, target = [], [], f"{path}?limit=100"
    while target:
        page = await shop.http.get(target)
        assert page.status_code == 200
        sizes.append(len(page.content))
        found += [each["id"] for each in documents_in(page.json())]
        target = page.links["next"]["url"] if "next" in page.links else ""
    assert len(sizes) > 1
    assert max(sizes) < 700_000
    assert sorted(found) == sorted(whole)
    assert len(set(found)) == len(found) > 4


async def test_a_report_of_large_documents_shows_fewer_and_counts_all(shop: Shop) -> None:
    for _ in range(6):
        await shop.sale(**LARGE)
    shown = (await shop.get("/api/reports/orders-only", items=1_000))["orders"]
    assert (len(shown["items"]), shown["total_count"]) == (2, 6)


def test_the_first_document_is_given_however_large_it_is() -> None:
    assert first_page_of_bytes([b"x" * 100, b"y"], 5, 10).items == [b"x" * 100]
    assert first_page_of_bytes([b"x" * 6, b"y" * 4, b"z"], 5, 10).items == [b"x" * 6, b"y" * 4]
    assert first_page_of_bytes([b"x", b"y", b"z"], 2, 10).items == [b"x", b"y"]
    assert first_page_of_bytes([], 2, 10).items == []
