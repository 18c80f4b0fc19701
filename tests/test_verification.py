"""`pos verify` finds whatever was tampered with, and is silent when nothing was."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from repositories.verification import verify
from tests.shop import Shop, opened

Json = dict[str, Any]


@pytest.fixture
async def tampered(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """A shop with a little of everything."""
    async with opened(mongodb_url, store_id=f"tampered-{id(request)}") as shop:
        estimates = [await shop.estimate() for _ in range(3)]
        await shop.convert(estimates[0]["estimate_id"])
        await shop.sale()
        voided = await shop.sale()
        await shop.ok("DELETE", f"/api/orders/{voided['order_id']}")
        assert await verify(shop.database, shop.store) == []
        yield shop


async def differences(shop: Shop) -> str:
    return "\n".join(await verify(shop.database, shop.store))


@pytest.mark.parametrize(
    ("collection", "change", "sentence"),
    [
        ("counters", {"$inc": {"orders": 1}}, "orders: number #004 is missing"),
        ("counters", {"$inc": {"estimates": -1}}, "estimates: number #003 lies beyond the counter, 2"),
        ("counters", {"$inc": {"head": 1}}, "the head of the log says"),
        ("orders", {"$inc": {"amount_paid": 1}}, "orders.Completed.paid is"),
        ("orders", {"$set": {"status": "Refunded"}}, "orders.Refunded.count is 0, but the documents make 1"),
        ("orders", {"$set": {"estimate_id": "EST-NOWHERE"}}, "EST-NOWHERE, which does not exist"),
        ("estimates", {"$set": {"total": 1}}, "estimates.Converted.total is"),
        ("estimates", {"$set": {"order_id": "ORDER-NOWHERE"}}, "which names ORDER-NOWHERE"),
        ("estimates", {"$set": {"converted": False}}, "says converted: False"),
        ("totals", {"$inc": {"orders.Completed.sold": 1}}, "orders.Completed.sold is"),
    ],
)
async def test_a_changed_field_is_found(tampered: Shop, collection: str, change: Json, sentence: str) -> None:
    stores: dict[str, Json] = {
        "counters": {"_id": tampered.store},
        "totals": {"_id.store": tampered.store, "orders": {"$exists": True}},
    }
    where = stores.get(collection, {"store": tampered.store, "number": 1})
    changed = await tampered.database[collection].update_one(where, change)
    assert changed.modified_count == 1
    assert sentence in await differences(tampered)


@pytest.mark.parametrize(
    ("collection", "where", "sentence"),
    [
        ("orders", {"number": 2}, "orders: number #002 is missing"),
        ("orders", {"number": 1}, "is converted, but its order"),
        ("estimates", {"number": 1}, "which does not exist"),
        ("events", {"seq": 3}, "Events 3 to 3 are missing"),
    ],
)
async def test_a_removed_document_is_found(tampered: Shop, collection: str, where: Json, sentence: str) -> None:
    removed = await tampered.database[collection].delete_one({"store": tampered.store, **where})
    assert removed.deleted_count == 1
    assert sentence in await differences(tampered)


async def test_a_second_order_of_one_estimate_is_found(tampered: Shop) -> None:
    orders = tampered.database.orders
    order = await orders.find_one({"store": tampered.store, "number": 1})
    assert order is not None
    await orders.update_one({"store": tampered.store, "number": 2}, {"$set": {"estimate_id": None}})
    await orders.drop_index("one_order_an_estimate")
    try:
        await orders.insert_one({**order, "_id": "ORDER-AGAIN", "number": 4})
        assert "became 2 orders" in await differences(tampered)
    finally:
        await orders.delete_one({"_id": "ORDER-AGAIN"})


async def test_a_store_without_counters_is_told_what_to_do(shop: Shop) -> None:
    assert await verify(shop.database, "no-such-store") == ["Store 'no-such-store' has no counters: run `pos migrate`."]
