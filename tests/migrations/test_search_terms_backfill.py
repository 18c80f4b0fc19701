"""Search terms are rebuilt after a change of their rule: once, in batches, while the shop sells."""

from itertools import count

import pytest

from repositories.auditing.verification import verify
from repositories.database.client import temporary_client
from repositories.migrations import search_terms as search_building
from repositories.migrations.search_terms import build_missing_terms, build_terms, has_terms
from schemas.text.search_terms import TERMS_VERSION
from tests.server.test_startup import environment
from tests.support.forked_pos import ForkedPos
from tests.support.payloads import estimate_body
from tests.support.shop import OpenShop, Shop

LIMITS = count(100)
CHILLU, JOINED = "അൻവർ", "അന്\u200dവര്\u200d"


async def store_earlier_terms(shop: Shop) -> None:
    """Replace the terms by those of an earlier rule."""
    for kind in ("orders", "estimates", "customers"):
        await shop.database[kind].update_many({"store": shop.store}, {"$set": {"terms": ["old"]}})
    await shop.database.counters.update_one({"_id": shop.store}, {"$unset": {"terms_rule": ""}})


async def found(shop: Shop, query: str) -> tuple[int, int, int]:
    # A new URL each time: without an event of a change, the cached response would be sent.
    limit = next(LIMITS)
    orders = await shop.get("/api/orders/orders-only", q=query, limit=limit)
    estimates = await shop.get("/api/estimates/all", q=query, limit=limit)
    customers = await shop.get("/api/customers", q=query, limit=limit)
    return orders["orders"]["count"], len(estimates), len(customers["customers"])


async def test_terms_of_an_earlier_rule_are_rebuilt_once_and_in_batches(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_building, "_BATCH", 2)
    for number in range(5):
        await shop.sale(customer_name=JOINED, customer_phone=f"982201234{number}")
        await shop.estimate(customer_name=JOINED)
    assert await found(shop, CHILLU) == (5, 5, 5)
    await store_earlier_terms(shop)
    assert await found(shop, CHILLU) == (0, 0, 0)
    assert not await has_terms(shop.database, shop.store)
    seen: list[int] = []
    await build_terms(shop.database, shop.store, seen.append)
    assert (sum(seen), max(seen)) == (15, 2)
    assert await found(shop, CHILLU) == await found(shop, JOINED) == (5, 5, 5)
    assert await verify(shop.database, shop.store) == []
    await shop.database.orders.update_many({"store": shop.store}, {"$set": {"terms": ["kept"]}})
    await build_missing_terms(shop.database, shop.store)
    assert await found(shop, "kept") == (5, 0, 0)


async def test_terms_of_redacted_documents_stay_empty(shop: Shop) -> None:
    sold = await shop.sale(customer_name="Asha", customer_phone="9822012345")
    await shop.database.orders.update_one({"_id": sold["order_id"]}, {"$set": {"terms": []}})
    await build_terms(shop.database, shop.store)
    assert await found(shop, "asha") == (0, 0, 1)


async def test_terms_of_a_document_changed_meanwhile_are_those_of_the_change(shop: Shop) -> None:
    estimate = await shop.estimate(customer_name="Asha")
    stale = await shop.database.estimates.find_one({"_id": estimate["estimate_id"]})
    assert stale is not None
    change = search_building._change({**stale, "terms": ["old"]}, "customer_name", "customer_phone")
    body = estimate_body(customer_name="Meera")
    await shop.ok("PUT", f"/api/estimates/{estimate['estimate_id']}", json=body)
    assert change is not None
    await shop.database.estimates.bulk_write([change])
    assert (await found(shop, "meera"), await found(shop, "asha")) == ((0, 1, 0), (0, 0, 0))


async def test_a_start_rebuilds_terms_of_an_earlier_rule(shop: Shop, open_shop: OpenShop) -> None:
    assert await has_terms(shop.database, shop.store)
    await shop.sale(customer_name=JOINED)
    await store_earlier_terms(shop)
    again = await open_shop(store_id=shop.store)
    assert await found(again, CHILLU) == (1, 0, 0)


async def test_terms_of_a_store_are_rebuilt_when_it_is_opened(shop: Shop, open_shop: OpenShop) -> None:
    sold = await shop.sale(customer_name=JOINED)
    await store_earlier_terms(shop)
    another = await open_shop()
    assert not await has_terms(shop.database, shop.store)
    await another.state["stores"].state(shop.store)
    order = await shop.database.orders.find_one({"_id": sold["order_id"]})
    assert order is not None
    assert order["terms"] != ["old"]
    assert await has_terms(shop.database, shop.store)


def test_pos_migrate_rebuilds_the_terms_of_all_stores(mongodb_url: str, forked_pos: ForkedPos) -> None:
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_words"}
    for store in ("one", "two"):
        assert forked_pos.run("migrate", environment=environment(**names, STORE_ID=store)).returncode == 0
    with temporary_client(mongodb_url) as client:
        counters = client["pos_words"]["counters"]
        counters.update_many({}, {"$unset": {"terms_rule": "", "customers": ""}})
        assert forked_pos.run("migrate", environment=environment(**names, STORE_ID="one")).returncode == 0
        assert counters.count_documents({"terms_rule": TERMS_VERSION, "customers": {"$exists": True}}) == 2
