"""The render cache: a stored document is rendered once for each version."""

from datetime import UTC, datetime
from typing import Any

import bson
import orjson

from endpoints.sales.render_cache import RenderCache
from repositories.database.raw_documents import decode_document, find_raw, split_batch
from schemas.core.collections import ORIGINALS
from tests.support.payloads import line
from tests.support.shop import Shop


class CountingSerializer:
    """A serializer that counts its calls."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, document: Any) -> dict[str, Any]:
        self.count += 1
        return {"name": document["name"], "length": len(document["name"])}


def stored_as(name: str) -> bytes:
    return bson.encode({"_id": 1, "name": name, "number": 7, "created_at": datetime(2026, 3, 14, tzinfo=UTC)})


def test_a_document_is_rendered_once_for_each_version() -> None:
    serializer = CountingSerializer()
    render_cache = RenderCache(serializer)
    stored = stored_as("Asha")
    first, second = render_cache(stored), render_cache(bytes(bytearray(stored)))
    assert serializer.count == 1
    assert first is second
    assert orjson.dumps([first.json, second.json]) == b'[{"name":"Asha","length":4},{"name":"Asha","length":4}]'
    assert first.sort_fields == {"created_at": datetime(2026, 3, 14, tzinfo=UTC), "number": 7}
    assert first.parsed() == {"name": "Asha", "length": 4}
    assert orjson.dumps(render_cache(stored_as("Ravi K")).json) == b'{"name":"Ravi K","length":6}'
    assert serializer.count == 2


def test_a_long_document_is_not_cached() -> None:
    serializer = CountingSerializer()
    render_cache = RenderCache(serializer)
    stored = stored_as("x" * 5_000)
    assert render_cache(stored) == render_cache(stored)
    assert render_cache(stored).parsed()["length"] == 5_000
    assert serializer.count == 3


def test_the_number_of_cached_documents_is_limited() -> None:
    serializer = CountingSerializer()
    render_cache = RenderCache(serializer)
    first = stored_as("first")
    for name in ("first", *(f"{number:09}" for number in range(1_024))):
        render_cache(stored_as(name))
    assert serializer.count == 1_025
    render_cache(first)
    assert serializer.count == 1_026


async def test_documents_of_several_batches_are_complete(shop: Shop) -> None:
    collection = shop.database[f"{ORIGINALS}.{shop.store}"]
    rows = [{"_id": number, "text": "x" * number} for number in range(25)]
    await collection.insert_many(rows)
    for at_once in (2, 25, 100):
        found = await find_raw(collection, {}, at_once, sort=[("_id", 1)])
        assert [decode_document(each) for each in found] == rows
    assert await find_raw(collection, {"_id": -1}, 10) == []
    await collection.drop()


def test_a_batch_is_split_into_documents() -> None:
    documents: list[dict[str, Any]] = [{"a": 1}, {}, {"b": "x" * 300}]
    assert [
        decode_document(each) for each in split_batch(b"".join(bson.encode(each) for each in documents))
    ] == documents
    assert split_batch(b"") == []


async def test_a_page_shows_a_change_at_once(shop: Shop) -> None:
    sale = await shop.sale(items=[line(10.0)])
    before = await shop.get("/api/orders/orders-only", limit=5)
    await shop.ok("PUT", f"/api/orders/{sale['order_id']}/status", params={"status": "Cancelled"})
    after = await shop.get("/api/orders/orders-only", limit=5)
    assert [page["orders"]["items"][0]["status"] for page in (before, after)] == ["Completed", "Cancelled"]
