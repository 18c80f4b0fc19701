"""`GET /api/audit`: actor, address, and values before and after."""

import asyncio
import pickle
from typing import Any

import pytest

from repositories.sales.commands import CreateDocument
from schemas.core.principals import CASHIER, OWNER, Actor
from tests.journal.test_group_commit import journal_of, sale
from tests.support.account_commands import OWNER_OF_TESTS, add_user, change_user, end_user, signed_in, user
from tests.support.clock import Clock
from tests.support.event_log import events_of, group_of, groups_of, hash_of, put
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]
AUDIT, SALE = "/api/audit", "/api/orders/create-sale"


async def audit(shop: Shop, **parameters: Any) -> list[Json]:
    rows: list[Json] = await shop.get(AUDIT, **parameters)
    return rows


async def test_a_sale_has_its_actor_and_address(open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="on")
    owner, till = await signed_in(shop, OWNER, "Asha"), await signed_in(shop, CASHIER, "Ravi")
    sold = await shop.http.post(SALE, json=sale_body(), headers={**till, "X-Request-ID": "till-1-0007"})
    [row] = (await shop.http.get(AUDIT, headers=owner)).json()
    user = {"id": f"USER-Ravi-{shop.store}", "name": "Ravi"}
    assert row["by"] == {
        **user,
        "role": "cashier",
        "device": None,
        "address": "127.0.0.1",
        "request_id": sold.headers["x-request-id"],
    }
    assert (row["type"], row["action"], row["number"], row["before"]) == ("order", "create", "#001", None)
    assert (row["after"]["total"], row["after"]["created_at"]) == (100.0, sold.json()["data"]["created_at"])
    stored = await shop.database.orders.find_one({"store": shop.store})
    assert stored is not None
    assert stored["created_by"] == user
    assert "changed_by" not in stored


@pytest.mark.parametrize(("role", "status"), [("cashier", 403), ("viewer", 403), ("device", 403), ("owner", 200)])
async def test_only_owners_read_the_audit_log(open_shop: OpenShop, role: str, status: int) -> None:
    shop = await open_shop(sign_in="on")
    answer = await shop.http.get(AUDIT, headers=await signed_in(shop, role, role))
    assert answer.status_code == status


async def test_a_change_has_the_values_before_and_after(shop: Shop) -> None:
    estimate = await shop.estimate(items=[line(100.0, 2)])
    body = estimate_body(items=[line(100.5, 2)], customer_name="Meera", discount=10.0)
    await shop.ok("PUT", f"/api/estimates/{estimate['estimate_id']}", json=body)
    changed, created = await audit(shop)
    assert changed["before"] == {
        "customer_name": "Test Customer",
        "items": [{"id": 1, "name": "Test Item", "price": 100.0, "quantity": 2, "discount": 0.0, "total": 200.0}],
        "subtotal": 200.0,
        "discount": 0.0,
        "discount_percentage": 0.0,
        "total": 200.0,
    }
    assert changed["before"].keys() == changed["after"].keys()
    assert (changed["after"]["total"], changed["after"]["discount_percentage"]) == (180.9, 10.0)
    assert (created["before"], created["after"]["customer_name"]) == (None, "Test Customer")


async def test_a_conversion_is_found_by_either_document(shop: Shop) -> None:
    await shop.sale()
    estimate = await shop.estimate()
    order = await shop.convert(estimate["estimate_id"], payment_mode="Card")
    [row] = await audit(shop, id=order["order_id"])
    assert row in await audit(shop, id=estimate["estimate_id"])
    assert (row["number"], row["before"]["converted"], row["after"]["converted"]) == ("#001", False, True)
    assert (row["after"]["order_number"], row["after"]["order"]["payment_mode"]) == ("#002", "Card")
    assert row["after"]["order"]["id"] == order["order_id"]


async def test_a_void_names_who_approved_it_or_its_actor(shop: Shop) -> None:
    approved, without_approval = await shop.sale(), await shop.sale()
    await shop.ok("DELETE", f"/api/orders/{approved['order_id']}", params={"reason": "Typed in twice", "by": "Meera"})
    await shop.ok("DELETE", f"/api/orders/{without_approval['order_id']}")
    second, first = (row["after"] for row in await audit(shop, limit=2))
    assert (first["void_reason"], first["voided_by"]) == ("Typed in twice", "Meera")
    assert (second.get("void_reason"), second["voided_by"]) == (None, "open")
    assert second["voided_at"].endswith("+05:30")


async def test_the_audit_log_is_paginated(shop: Shop) -> None:
    for _ in range(5):
        await shop.sale()
    assert await page_seqs(shop, "limit=2") == [[5, 4], [3, 2], [1]]


async def page_seqs(shop: Shop, query: str) -> list[list[int]]:
    """Return the sequence numbers of each page."""
    seqs, path = [], f"{AUDIT}?{query}"
    while path:
        page = await shop.http.get(path)
        seqs.append([row["seq"] for row in page.json()])
        path = page.links["next"]["url"] if "next" in page.links else ""
    return seqs


@pytest.mark.parametrize("page_bytes", [1, 1_000, 4 * 2**20])
async def test_a_page_ends_anywhere_within_a_group(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, page_bytes: int
) -> None:
    monkeypatch.setattr("repositories.auditing.audit_log.PAGE_BYTES", page_bytes)
    journal = journal_of(shop)
    for size in (1, 5, 3, 1):
        await asyncio.gather(*(journal.submit(sale()) for _ in range(size)))
    groups = await groups_of(shop.database, shop.store)
    assert [len(group["events"]) for group in groups] == [1, 5, 3, 1]
    third = groups[1]["events"][1]["id"]
    for limit in range(1, 12):
        pages = await page_seqs(shop, f"limit={limit}")
        assert [seq for page in pages for seq in page] == list(range(10, 0, -1))
        assert max(map(len, pages)) <= limit
        assert await page_seqs(shop, f"limit={limit}&id={third}") == [[3]]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "type=bill", "from=yesterday", "from=2026-02-02&to=2026-02-01"]
)
async def test_invalid_queries_are_refused(shop: Shop, query: str) -> None:
    assert (await shop.http.get(f"{AUDIT}?{query}")).json()["code"] == "invalid_query"


@pytest.mark.parametrize("cursor", ["x", "MA", "LTE", "4pGj", "MS4w"])
async def test_an_invalid_cursor_is_refused(shop: Shop, cursor: str) -> None:
    assert (await shop.http.get(AUDIT, params={"cursor": cursor})).json()["code"] == "invalid_cursor"


async def test_the_audit_log_is_filtered_by_day_actor_type_and_id(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    # The last minute of a business day, and the first of the next.
    clock.at("2026-03-14T23:59:59+05:30")
    await shop.estimate()
    clock.at("2026-03-15T00:00:00+05:30")
    sale = await shop.sale()
    await add_user(shop)
    assert [row["seq"] for row in await audit(shop, to="2026-03-14")] == [1]
    assert [row["seq"] for row in await audit(shop, **{"from": "2026-03-15"})] == [3, 2]
    assert [row["seq"] for row in await audit(shop, **{"from": "2026-03-14", "to": "2026-03-15"})] == [3, 2, 1]
    assert [row["seq"] for row in await audit(shop, type="Order")] == [2]
    assert [row["seq"] for row in await audit(shop, id=sale["order_id"])] == [2]
    for actor in (OWNER_OF_TESTS.id, OWNER_OF_TESTS.name):
        assert [row["seq"] for row in await audit(shop, actor=actor)] == [3]
    assert await audit(shop, actor="unknown") == []


async def test_accounts_are_audited_without_their_secrets(shop: Shop) -> None:
    await add_user(shop, password="$argon2id$first", pin=None)
    await change_user(shop, password="$argon2id$second", pin="$argon2id$third", role="viewer")
    await end_user(shop)
    ended, changed, added = await audit(shop, type="user")
    assert {row["id"] for row in (ended, changed, added)} == {user(shop)}
    assert {row["number"] for row in (ended, changed, added)} == {None}
    assert (added["after"]["name"], added["by"]["name"]) == ("Ravi", OWNER_OF_TESTS.name)
    assert changed["before"] == {"password": "***", "pin": None, "role": "cashier"}
    assert changed["after"] == {"password": "***", "pin": "***", "role": "viewer"}
    assert ended["before"] == {"voided_at": None}
    events = await events_of(shop)
    assert len(events) == 3
    assert "argon2id" not in str(events)


async def test_events_of_earlier_versions_are_readable(shop: Shop) -> None:
    sale = await shop.sale()
    own = {"store": shop.store}
    await shop.database.orders.update_one(own, {"$unset": {"created_by": "", "changed_by": ""}})
    group = await group_of(shop, 1)
    del group["events"][0]["by"]
    await put(shop, group, hash=hash_of(group))
    await shop.database.counters.update_one({"_id": shop.store}, {"$set": {"hash": hash_of(group)}})
    [old] = await audit(shop)
    assert (old["by"], old["hash"], old["after"]["total"]) == (None, hash_of(group).hex(), 100.0)
    assert (await shop.get(f"/api/orders/{sale['order_id']}"))["total"] == 100.0


async def test_the_actor_reaches_the_leader(open_shop: OpenShop) -> None:
    leader = await open_shop()
    follower = await open_shop(store_id=leader.store)
    sold = await follower.http.post(SALE, json=sale_body(), headers={"X-Request-ID": "from-the-follower"})
    [row] = await audit(leader)
    assert (row["by"]["name"], row["by"]["request_id"]) == ("open", sold.headers["x-request-id"])
    draft: Any = {}
    command = CreateDocument("orders", "ORDER-1", draft, actor=Actor("USER-1", "Ravi", CASHIER, "DEVICE-1"))
    assert pickle.loads(pickle.dumps(command)).actor == command.actor  # noqa: S301  (our own)
