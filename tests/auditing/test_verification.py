"""`pos verify` finds every manipulation, and reports nothing otherwise."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from repositories.auditing.verification import verify
from tests.support.account_commands import add_user, change_user
from tests.support.payloads import estimate_body, line
from tests.support.shop import Shop, opened

Json = dict[str, Any]


@pytest.fixture
async def tampered(mongodb_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    """Yield a shop with some documents of each kind."""
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
        ("counters", {"$inc": {"head": 1}}, "the head of the log is"),
        ("orders", {"$inc": {"amount_paid": 1}}, "orders.Completed.paid is"),
        ("orders", {"$set": {"status": "Refunded"}}, "orders.Refunded.count is 0, but the documents make 1"),
        ("orders", {"$set": {"estimate_id": "EST-NOWHERE"}}, "EST-NOWHERE, which does not exist"),
        ("estimates", {"$set": {"total": 1}}, "estimates.Converted.total is"),
        ("estimates", {"$set": {"order_id": "ORDER-NOWHERE"}}, "which names ORDER-NOWHERE"),
        ("estimates", {"$set": {"converted": False}}, "has converted: False"),
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
    ("collection", "number", "change", "sentence"),
    [
        ("orders", 2, {"$set": {"customer_name": "X"}}, "event 5 left it: customer_name"),
        ("orders", 2, {"$set": {"created_by": {"id": "x", "name": "X"}}}, "event 5 left it: created_by"),
        ("orders", 2, {"$set": {"changed_by": {"id": "x", "name": "X"}}}, "event 5 left it: changed_by"),
        ("orders", 2, {"$set": {"created_at": datetime(2020, 1, 1, tzinfo=UTC)}}, "event 5 left it: created_at"),
        ("orders", 2, {"$set": {"updated_at": datetime(2020, 1, 1, tzinfo=UTC)}}, "event 5 left it: updated_at"),
        ("orders", 2, {"$unset": {"customer_name": ""}}, "event 5 left it: customer_name"),
        ("orders", 2, {"$inc": {"version": -1}}, "event 5 left it: version"),
        ("orders", 2, {"$inc": {"version": 1}}, "No event has the newest change of ORDER-"),
        ("orders", 3, {"$set": {"voided_at": None}}, "event 7 left it: voided_at"),
        ("orders", 3, {"$set": {"voided_by": "X"}}, "event 7 left it: voided_by"),
        ("orders", 1, {"$set": {"created_by": {"id": "x", "name": "X"}}}, "event 4 left it: created_by"),
        ("estimates", 1, {"$set": {"customer_name": "X"}}, "event 4 left it: customer_name"),
        ("estimates", 1, {"$set": {"created_by.name": "X"}}, "event 1 left it: created_by"),
        ("estimates", 1, {"$set": {"order_number": 9}}, "event 4 left it: order_number"),
        ("estimates", 2, {"$set": {"items.0.name": "X"}}, "event 8 left it: items"),
        ("estimates", 2, {"$set": {"customer_phone": "1"}}, "event 8 left it: customer_phone"),
    ],
)
async def test_a_document_that_differs_from_its_events_is_found(
    tampered: Shop, collection: str, number: int, change: Json, sentence: str
) -> None:
    estimate = await tampered.database.estimates.find_one({"store": tampered.store, "number": 2})
    assert estimate is not None
    body = estimate_body(customer_phone="987", items=[line(name="Other")])
    await tampered.ok("PUT", f"/api/estimates/{estimate['_id']}", json=body)
    assert await verify(tampered.database, tampered.store) == []
    where = {"store": tampered.store, "number": number}
    assert (await tampered.database[collection].update_one(where, change)).modified_count == 1
    assert sentence in await differences(tampered)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"$set": {"role": "owner"}}, "event 9 left it: role"),
        ({"$set": {"belongs_to": None}}, "event 9 left it: belongs_to"),
        ({"$set": {"role": "owner"}, "$inc": {"version": 1}}, "No event has the newest change of"),
        ({"$set": {"login": "x"}}, "event 9 left it: login"),
    ],
)
async def test_a_user_that_differs_from_the_events_is_found(tampered: Shop, change: Json, sentence: str) -> None:
    await add_user(tampered, belongs_to=tampered.store)
    user = (await change_user(tampered, name="Another")).answer
    assert await verify(tampered.database, tampered.store) == []
    assert (await tampered.database.users.update_one({"_id": user["_id"]}, change)).modified_count == 1
    assert sentence in await differences(tampered)


async def test_an_inserted_user_is_found(tampered: Shop) -> None:
    user = (await add_user(tampered)).answer
    inserted = {**user, "_id": "USER-INSERTED", "login": "inserted", "role": "owner"}
    await tampered.database.users.insert_one(inserted)
    try:
        assert "the newest change of USER-INSERTED in users" in await differences(tampered)
    finally:
        await tampered.database.users.delete_one({"_id": "USER-INSERTED"})


@pytest.mark.parametrize(
    ("collection", "where", "sentence"),
    [
        ("orders", {"number": 2}, "orders: number #002 is missing"),
        ("orders", {"number": 1}, "is converted, but its order"),
        ("estimates", {"number": 1}, "which does not exist"),
        ("log", {"first": 3}, "Events 3 to 3 are missing"),
    ],
)
async def test_a_removed_document_is_found(tampered: Shop, collection: str, where: Json, sentence: str) -> None:
    own = {"_id.store" if collection == "log" else "store": tampered.store}
    removed = await tampered.database[collection].delete_one({**own, **where})
    assert removed.deleted_count == 1
    assert sentence in await differences(tampered)


async def test_a_second_order_of_one_estimate_is_found(tampered: Shop) -> None:
    orders = tampered.database.orders
    order = await orders.find_one({"store": tampered.store, "number": 1})
    assert order is not None
    await orders.update_one({"store": tampered.store, "number": 2}, {"$set": {"estimate_id": None}})
    await orders.drop_index("order_of_an_estimate")
    try:
        await orders.insert_one({**order, "_id": "ORDER-AGAIN", "number": 4})
        assert "became 2 orders" in await differences(tampered)
    finally:
        await orders.delete_one({"_id": "ORDER-AGAIN"})


async def test_a_store_without_counters_gets_instructions(shop: Shop) -> None:
    assert await verify(shop.database, "no-such-store") == ["Store 'no-such-store' has no counters: run `pos migrate`."]
