"""Idempotency keys in the log: each beside the event that answers it, until it is released or used again."""

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import BulkWriteError, DuplicateKeyError

from app.clock import utc_now
from repositories.concurrency.backoff import Backoff
from repositories.database.store_scope import store_filter
from repositories.event_log import log_documents
from repositories.journal.command import Command
from repositories.journal.transaction import GroupTransaction, Outcome
from repositories.sales.commands import CreateDocument, ReplaceEstimate
from repositories.sales.void_commands import VoidOrder
from schemas.journal.events import event_data
from schemas.journal.idempotency import RETRY_WINDOW, RequestKey
from tests.journal.test_group_commit import estimate, journal_of, sale
from tests.support.clock import Clock
from tests.support.event_log import events_of, groups_of, keys_of
from tests.support.messaging.in_memory_provider import OUTSIDE, PHONE, InMemoryProvider
from tests.support.payloads import line, sale_body
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]

KEY = {"Idempotency-Key": "one"}
FINE = "2026-12-01T10:20:30.5"
CART = [line(id=1_790_000_000_001), line(50.0, id=1_790_000_000_002)]


async def twice(shop: Shop, method: str, path: str, **options: Any) -> list[Json]:
    """Send a request and repeat it; return the keys that it stored, without their fingerprints."""
    before = await keys_of(shop.database, shop.store)
    first = await shop.http.request(method, path, **options)
    events = await events_of(shop)
    again = await shop.http.request(method, path, **options)
    assert first.is_success, first.text
    assert (again.status_code, again.headers.get("idempotent-replayed")) == (first.status_code, "true")
    assert again.json() == first.json()
    assert await events_of(shop) == events
    stored = [key for key in await keys_of(shop.database, shop.store) if key not in before]
    for key in stored:
        # Other keys end with it.
        assert ("fingerprint" in key) == key["key"].startswith("header:")
    return [{name: value for name, value in key.items() if name != "fingerprint"} for key in stored]


async def test_the_event_of_a_document_is_the_answer(shop: Shop) -> None:
    [key] = await twice(shop, "POST", "/api/orders/create-sale", json=sale_body(), headers=KEY)
    assert key == {"key": "header:one", "event": 1}
    body = sale_body(CART, created_at=FINE)
    stamp, cart = await twice(shop, "POST", "/api/orders/create-sale", json=body)
    order = (await events_of(shop))[1]["id"]
    assert (stamp["key"].split(":")[0], cart["key"].split(":")[0]) == ("stamp", "lines")
    assert (stamp["event"], cart["event"]) == (2, 2)
    assert ("id" in stamp, cart["id"]) == (False, order), "only the key of a cart is released by a void"
    [key] = await twice(shop, "POST", "/api/estimates/create", json=sale_body(created_at=FINE))
    assert (key["key"].split(":")[0], key["event"], "id" in key) == ("stamp", 3, False)
    path = f"/api/estimates/{(await events_of(shop))[2]['id']}/convert-to-order"
    [key] = await twice(shop, "POST", path, json={})
    converted = (await events_of(shop))[3]["order_id"]
    assert (key["key"].split(":")[0], key["event"], key["id"]) == ("conversion", 4, converted)


async def test_a_deletion_is_answered_by_its_first_event(shop: Shop) -> None:
    estimate = await shop.estimate()
    order = await shop.convert(estimate["estimate_id"])
    path = f"/api/orders/{order['order_id']}?keep_estimate=true"
    [key] = await twice(shop, "DELETE", path, headers=KEY)
    assert [event["type"] for event in (await events_of(shop))[2:]] == ["order", "estimate"]
    assert key == {"key": "header:one", "event": 3}


async def test_an_answer_that_no_event_contains_is_stored_with_its_key(open_shop: OpenShop) -> None:
    shop = await open_shop(provider=InMemoryProvider(), **OUTSIDE)
    [key] = await twice(shop, "POST", "/api/customers/create", json={"name": "Asha", "created_at": FINE})
    customer = key["answer"]["_id"]
    assert key["answer"]["name"] == "Asha"
    [key] = await twice(shop, "DELETE", f"/api/customers/{customer}", headers=KEY)
    assert (key["key"], key["answer"]["_id"]) == ("header:one", customer)
    sold = await shop.sale(customer_phone=PHONE)
    before = await keys_of(shop.database, shop.store)
    sent = [await shop.http.post(f"/api/orders/{sold['order_id']}/send") for _ in range(2)]
    assert len({each.json()["message_id"] for each in sent}) == 1
    [key] = [key for key in await keys_of(shop.database, shop.store) if key not in before]
    assert key["id"] == key["answer"]["_id"] == sent[0].json()["message_id"]
    assert key["answer"]["document_url"].startswith("https://shop.example/")
    # Its summary in the event has no such address.
    assert "document_url" not in str(await events_of(shop))


async def test_a_void_pulls_the_keys_from_the_older_group(shop: Shop) -> None:
    first = await shop.sale(items=CART, created_at=FINE)
    await shop.ok("DELETE", f"/api/orders/{first['order_id']}")
    kept = await keys_of(shop.database, shop.store)
    assert [key["key"].split(":")[0] for key in kept] == ["stamp"]
    second = await shop.sale(items=CART)
    assert second["order_id"] != first["order_id"]
    groups = await groups_of(shop.database, shop.store)
    assert [[key["key"].split(":")[0] for key in group.get("requests", ())] for group in groups] == [
        ["stamp"],
        [],
        ["lines"],
    ]
    # The key belongs to the second sale now: a void of the first one could not release it.
    assert await shop.sale(items=CART) == second


LINES = RequestKey("lines:a", "the same", window=RETRY_WINDOW, reopens=True)


def carted(**changes: Any) -> CreateDocument:
    return sale((LINES,), retry_keys=[LINES.key], **changes)


async def test_a_cart_is_voided_and_sold_again_in_one_group(shop: Shop) -> None:
    journal = journal_of(shop)
    first = (await journal.submit(carted())).answer["_id"]
    outcomes = await asyncio.gather(journal.submit(VoidOrder(first, None)), journal.submit(carted()))
    second = outcomes[1]
    assert (second.replayed, second.answer["number"]) == (False, 2)
    groups = await groups_of(shop.database, shop.store)
    assert [[key["id"] for key in group.get("requests", ())] for group in groups] == [[], [second.answer["_id"]]]


async def test_a_cart_is_sold_voided_and_sold_again_in_one_group(shop: Shop) -> None:
    journal = journal_of(shop)
    command = carted()
    outcomes = await asyncio.gather(
        journal.submit(command), journal.submit(VoidOrder(command.document_id, None)), journal.submit(carted())
    )
    first, _, third = outcomes
    assert (first.answer["number"], third.answer["number"]) == (1, 2)
    assert [key["id"] for key in await keys_of(shop.database, shop.store)] == [third.answer["_id"]]


async def test_a_cart_key_that_is_used_again_after_its_window_leaves_the_older_group(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    sales = []
    for _ in range(3):
        sales.append(await shop.sale(items=CART))
        clock.advance(minutes=9)
        assert await shop.sale(items=CART) == sales[-1]
        clock.advance(minutes=1)
    assert [each["sale_number"] for each in sales] == ["#001", "#002", "#003"]
    groups = await groups_of(shop.database, shop.store)
    assert [[key["id"] for key in group["requests"]] for group in groups] == [[], [], [sales[-1]["order_id"]]]
    # The first sale does not own the key any more.
    await shop.ok("DELETE", f"/api/orders/{sales[0]['order_id']}")
    assert (await keys_of(shop.database, shop.store))[0]["id"] == sales[-1]["order_id"]


async def test_a_cart_is_sold_after_its_window_and_voided_in_one_group(shop: Shop) -> None:
    journal = journal_of(shop)
    await journal.submit(carted())
    journal._transaction._clock = lambda: utc_now() + RETRY_WINDOW
    again = carted()
    await asyncio.gather(journal.submit(again), journal.submit(VoidOrder(again.document_id, None)))
    # Whatever the first sale's key says, its window has passed.
    third = await journal.submit(carted())
    assert (third.replayed, third.answer["number"]) == (False, 3)
    assert [key["id"] for key in await keys_of(shop.database, shop.store)] == [third.answer["_id"]]


async def test_two_groups_never_hold_the_same_key(shop: Shop) -> None:
    await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=KEY)
    await shop.sale()
    rogue = {"$push": {"requests": {"key": "header:one", "fingerprint": "x", "event": 2}}}
    with pytest.raises(DuplicateKeyError):
        await shop.database.log.update_one({"_id": {"store": shop.store, "last": 2}}, rogue)
    # Another store may use the same key.
    other = {"_id": {"store": f"{shop.store}-b", "last": 1}, "requests": [{"key": "header:one"}]}
    await shop.database.log.insert_one(other)
    await shop.database.log.delete_one({"_id": other["_id"]})


async def test_groups_without_keys_are_not_in_the_index_of_keys(shop: Shop) -> None:
    """An empty list would be a value in it, which only one group of a store could have."""
    carts = [[line(id=1_790_000_000_001 + number)] for number in range(3)]
    for cart in carts:
        await shop.sale()
        sold = await shop.sale(items=cart)
        await shop.ok("DELETE", f"/api/orders/{sold['order_id']}")
    groups = await groups_of(shop.database, shop.store)
    assert [group.get("requests") for group in groups] == [None, [], None] * 3


# Large groups.


def transaction_of(shop: Shop) -> GroupTransaction:
    return GroupTransaction(shop.database, shop.store, ZoneInfo("Asia/Kolkata"), utc_now)


async def is_nothing_written(shop: Shop) -> bool:
    counters = await shop.database.counters.find_one({"_id": shop.store})
    assert counters is not None
    written = [await shop.database[name].find_one(store_filter(name, shop.store)) for name in ("orders", "log")]
    return (counters["orders"], counters["head"], written) == (0, 0, [None, None])


async def test_a_large_group_is_written_in_parts_or_not_at_all(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_documents, "_MOST_BYTES", 2_000)
    commands: list[Command] = [sale((RequestKey(f"header:{n}", "x"),)) for n in range(20)]
    rogue = {"_id": {"store": shop.store, "last": 20}}
    await shop.database.log.insert_one(rogue)
    with pytest.raises(BulkWriteError):
        await transaction_of(shop).run(commands, Backoff(1))
    await shop.database.log.delete_one(rogue)
    assert await is_nothing_written(shop)
    outcomes = await transaction_of(shop).run(commands, Backoff(1))
    assert all(isinstance(each, Outcome) for each in outcomes)
    groups = await groups_of(shop.database, shop.store)
    assert len(groups) > 3
    assert [event["seq"] for event in await events_of(shop)] == list(range(1, 21))
    for group in groups:
        assert [key["event"] for key in group["requests"]] == [event["seq"] for event in group["events"]]
    again = await transaction_of(shop).run(commands, Backoff(1))
    assert [each.replayed for each in again if isinstance(each, Outcome)] == [True] * 20
    assert [each.answer for each in again if isinstance(each, Outcome)] == [
        event_data(event) for event in await events_of(shop)
    ]


async def test_events_of_more_than_four_megabytes_are_several_documents(shop: Shop) -> None:
    journal = journal_of(shop)
    made = [(await journal.submit(estimate())).answer["_id"] for _ in range(3)]
    # Three events with a long address, and three with two.
    changes = [(each, "x" * length) for length in (1_500_000, 1_500_001) for each in made]
    commands = [ReplaceEstimate(each, {**estimate().draft, "customer_address": text}) for each, text in changes]
    await asyncio.gather(*map(journal.submit, commands))
    groups = (await groups_of(shop.database, shop.store))[3:]
    assert len(groups) > 3
    events = [event for group in groups for event in group["events"]]
    assert [event["seq"] for event in events] == list(range(4, 10))
    assert [len(event["after"]["customer_address"]) for event in events] == [1_500_000] * 3 + [1_500_001] * 3
