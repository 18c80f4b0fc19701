"""`/api/customers`: created by sales; their sums are updated in the transaction of each sale."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repositories.auditing.verification import verify
from repositories.journal.customer_sums import numbers_filter
from repositories.migrations.customer_backfill import build_customers, has_customers
from schemas.core.pagination import InvalidCursor
from schemas.customers import CustomerCursor, CustomerListing
from tests.support.account_commands import signed_in
from tests.support.clock import Clock
from tests.support.payloads import estimate_body, line, sale_body
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]
PATH, CREATE = "/api/customers", "/api/customers/create"
ASHA, MEERA = "98220 12345", "+91 98220-54321"


async def customers(shop: Shop, **parameters: Any) -> list[Json]:
    found: list[Json] = (await shop.get(PATH, **parameters))["customers"]
    return found


async def only(shop: Shop) -> Json:
    (customer,) = await customers(shop)
    return customer


def figures(customer: Json) -> tuple[int, float, float, int]:
    return tuple(customer[name] for name in ("total_orders", "total_spent", "total_due", "estimates"))


async def test_a_sale_to_a_new_number_creates_the_customer(shop: Shop) -> None:
    await shop.sale(customer_phone=ASHA, customer_name="Asha", amount_paid=30.5)
    await shop.sale(customer_phone="+91 9822012345", customer_name="Asha P.")
    customer = await only(shop)
    assert figures(customer) == (2, 130.5, 69.5, 0)
    assert (customer["name"], customer["phone"], customer["address"]) == ("Asha", ASHA, "Test Address")
    assert customer["id"] == customer["customer_id"]
    assert customer["id"].startswith("CUST-")
    assert None not in customer.values()
    assert isinstance(customer["total_due"], float)


@pytest.mark.parametrize("phone", ["1234567890", "", "none", "0000000000"])
async def test_an_invalid_number_creates_no_customer_and_no_error(shop: Shop, phone: str) -> None:
    await shop.sale(customer_phone=phone)
    assert await customers(shop) == []


async def test_sums_follow_each_change_of_a_document(shop: Shop) -> None:
    """Compare the sums with the documents after each step."""
    steps: list[tuple[int, float, float, int]] = []

    async def look() -> None:
        steps.append(figures(await only(shop)))
        assert await verify(shop.database, shop.store) == []

    estimate = await shop.estimate(items=[line(50.0)], customer_phone=ASHA)
    await look()
    path = f"/api/estimates/{estimate['estimate_id']}"
    await shop.ok("PUT", path, json=estimate_body([line(80.0)], customer_phone=ASHA))
    await look()
    order = await shop.convert(estimate["estimate_id"], amount_paid=20)
    await look()
    await shop.ok("DELETE", f"/api/orders/{order['order_id']}", params={"keep_estimate": "true"})
    await look()
    await shop.ok("DELETE", path)
    await look()
    sold = await shop.sale(customer_phone=ASHA)
    await look()
    await shop.ok("PUT", f"/api/orders/{sold['order_id']}/status", params={"status": "Cancelled"})
    await look()
    nothing = (0, 0.0, 0.0, 0)
    one = (0, 0.0, 0.0, 1)
    assert steps == [one, one, (1, 20.0, 60.0, 1), one, nothing, (1, 100.0, 0.0, 0), nothing]


async def test_an_estimate_with_a_new_number_counts_for_its_new_customer(shop: Shop) -> None:
    estimate = await shop.estimate(customer_phone=ASHA)
    body = estimate_body(customer_phone=MEERA, customer_name="Meera")
    await shop.ok("PUT", f"/api/estimates/{estimate['estimate_id']}", json=body)
    assert {each["name"]: each["estimates"] for each in await customers(shop)} == {"Meera": 1, "Test Customer": 0}


async def test_concurrent_sales_to_one_customer_add_up(shop: Shop) -> None:
    await asyncio.gather(*(shop.sale(customer_phone=ASHA, amount_paid=60) for _ in range(60)))
    assert figures(await only(shop)) == (60, 3600.0, 2400.0, 0)


async def test_the_latest_visit_comes_first_in_lists_and_pages(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    for number in range(5):
        clock.advance(minutes=1)
        await shop.sale(customer_phone=f"982201234{number}", customer_name=f"C{number}")
    clock.advance(minutes=1)
    await shop.sale(customer_phone="9822012340")
    whole = [each["name"] for each in await customers(shop)]
    assert whole == ["C0", "C4", "C3", "C2", "C1"]
    paged, cursor = [], ""
    while True:
        answer = await shop.http.get(PATH, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        paged += [each["name"] for each in answer.json()["customers"]]
        cursor = answer.headers.get("x-next-cursor", "")
        if not cursor:
            break
    assert paged == whole
    tag = answer.headers["etag"]
    assert (await shop.http.get(PATH, headers={"If-None-Match": tag})).status_code == 304


@pytest.mark.parametrize("q", ["mee", "Kulk", "98220 54", "9822054321", "+91 98220", "kul mee"])
async def test_customers_are_found_by_name_and_phone(shop: Shop, q: str) -> None:
    await shop.sale(customer_phone=MEERA, customer_name="Meera Kulkarni")
    await shop.sale(customer_phone="98111 11211", customer_name="Ravi")
    assert [each["name"] for each in await customers(shop, q=q)] == ["Meera Kulkarni"]
    assert await customers(shop, q="zz") == []


@pytest.mark.parametrize(("q", "index"), [(None, "store"), ("mee", "search"), ("98220 1", "search")])
async def test_each_list_is_served_by_an_index(shop: Shop, q: str | None, index: str) -> None:
    row = {"store": shop.store, "voided_at": None, "last_visit": shop.state["clock"]()}
    rows = [{"_id": f"CUST-{shop.store}-{number}", "terms": [f"a{number}"], **row} for number in range(300)]
    await shop.database.customers.insert_many([*rows, {**rows[0], "_id": f"CUST-{shop.store}", "terms": ["meera"]}])
    criteria = shop.state["customers"].criteria(CustomerListing(q=q))
    found = shop.database.customers.find(criteria).sort([("last_visit", -1), ("_id", -1)])
    assert f"'indexName': '{index}'" in str((await found.explain())["queryPlanner"]["winningPlan"])
    by_number = await shop.database.customers.find(
        numbers_filter(shop.store, ["+919822012345", "+919822054321"])
    ).explain()
    assert "'indexName': 'numbers'" in str(by_number["queryPlanner"]["winningPlan"])


async def test_a_customer_is_created_changed_and_removed(shop: Shop) -> None:
    made = await shop.http.post(CREATE, json={"name": "Asha", "phone": ASHA, "email": None})
    assert made.status_code == 201
    path = f"{PATH}/{made.json()['customer_id']}"
    changed = await shop.http.put(path, json={"address": "12 MG Road", "notes": "Pays monthly"})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    shown = changed.json()["data"]
    assert (shown["name"], shown["address"], shown["email"]) == ("Asha", "12 MG Road", "")
    assert (await shop.http.put(path, json={"name": "X"}, headers={"If-Match": '"1"'})).status_code == 412
    assert [(await shop.http.delete(path)).status_code for _ in range(2)] == [200, 404]
    assert await customers(shop) == []
    deleted, _, created = await shop.get("/api/audit", type="customer")
    assert (deleted["action"], created["after"]["name"]) == ("delete", "Asha")


async def test_a_repeated_creation_returns_the_customer_and_a_different_one_conflicts(shop: Shop) -> None:
    """Repeat the POST, as the app does up to three times: another body is a conflict."""
    body = {"name": "Asha", "phone": ASHA}
    first, again = [await shop.http.post(CREATE, json=body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["customer_id"] == again.json()["customer_id"]
    other = await shop.http.post(CREATE, json={"name": "Ravi", "phone": "+91" + ASHA})
    assert (other.status_code, other.json()["code"]) == (409, "customer_exists")
    assert other.json()["customer_id"] == first.json()["customer_id"]


async def test_a_removed_customer_is_restored_by_the_next_sale(shop: Shop) -> None:
    sold = await shop.sale(customer_phone=ASHA)
    path = f"{PATH}/{(await only(shop))['id']}"
    await shop.ok("DELETE", path)
    await shop.ok("PUT", f"/api/orders/{sold['order_id']}/status", params={"status": "Cancelled"})
    assert await customers(shop) == [], "the cancellation of an old sale is no visit"
    await shop.sale(customer_phone=ASHA, amount_paid=1)
    assert figures(await only(shop)) == (1, 1.0, 99.0, 0)
    await shop.ok("DELETE", path)
    assert (await shop.http.post(CREATE, json={"name": "Asha", "phone": ASHA})).status_code == 201
    assert (await only(shop))["total_orders"] == 1


async def test_a_customer_with_a_new_number_keeps_the_sales_to_the_old_one(shop: Shop) -> None:
    await shop.sale(customer_phone=ASHA)
    customer = (await only(shop))["id"]
    await shop.ok("PUT", f"{PATH}/{customer}", json={"phone": MEERA})
    await shop.sale(customer_phone=MEERA)
    await shop.sale(customer_phone=ASHA)
    assert ((await only(shop))["phone"], (await only(shop))["total_orders"]) == (MEERA, 3)
    await shop.sale(customer_phone="98111 11211")
    taken = await shop.http.put(f"{PATH}/{customer}", json={"phone": "98111 11211"})
    assert (taken.status_code, taken.json()["code"]) == (409, "customer_exists")


async def test_a_replaced_number_without_sales_can_be_used_again(shop: Shop) -> None:
    customer = (await shop.http.post(CREATE, json={"name": "Asha", "phone": ASHA})).json()["customer_id"]
    await shop.ok("PUT", f"{PATH}/{customer}", json={"phone": MEERA})
    assert (await shop.http.post(CREATE, json={"name": "Ravi", "phone": ASHA})).status_code == 201


async def test_a_removed_number_without_sales_can_be_used_again(shop: Shop) -> None:
    """Check also that several customers may have no number."""
    for phone in (ASHA, MEERA):
        customer = (await shop.http.post(CREATE, json={"name": "Slip", "phone": phone})).json()["customer_id"]
        await shop.ok("PUT", f"{PATH}/{customer}", json={"phone": ""})
        assert (await shop.http.post(CREATE, json={"name": "Ravi", "phone": phone})).status_code == 201
        await shop.sale(customer_phone=phone)
    sold = [(each["name"], each["total_orders"]) for each in await customers(shop)]
    assert sorted(sold) == [("Ravi", 1), ("Ravi", 1), ("Slip", 0), ("Slip", 0)]
    assert await verify(shop.database, shop.store) == []


async def test_a_removed_number_with_sales_stays_with_its_customer(shop: Shop) -> None:
    await shop.sale(customer_phone=ASHA)
    path = f"{PATH}/{(await only(shop))['id']}"
    await shop.ok("PUT", path, json={"phone": ""})
    await shop.sale(customer_phone=ASHA)
    assert ((await only(shop))["phone"], (await only(shop))["total_orders"]) == ("", 2)


async def test_several_customers_may_have_no_number(shop: Shop) -> None:
    for name in ("Asha", "Ravi"):
        await shop.ok("POST", CREATE, json={"name": name})
    assert {each["phone"] for each in await customers(shop)} == {""}


async def test_concurrent_sales_and_creations_make_one_customer(shop: Shop) -> None:
    """Check that the order within a group does not matter."""
    posts = [shop.http.post(CREATE, json={"name": "Asha", "phone": ASHA}) for _ in range(5)]
    sales = [shop.http.post("/api/orders/create-sale", json=sale_body(customer_phone=ASHA)) for _ in range(20)]
    mixed = [each for place, sale in enumerate(sales) for each in (sale, *posts[place : place + 1])]
    answers = await asyncio.gather(*mixed)
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert (await only(shop))["total_orders"] == 20


@pytest.mark.parametrize(("role", "status"), [("owner", 201), ("cashier", 201), ("device", 201), ("viewer", 403)])
async def test_roles_that_may_create_customers(open_shop: OpenShop, role: str, status: int) -> None:
    shop = await open_shop(sign_in="on")
    headers = await signed_in(shop, role, role)
    assert (await shop.http.get(PATH, headers=headers)).status_code == 200
    assert (await shop.http.post(CREATE, json={"name": "Asha"}, headers=headers)).status_code == status


async def test_the_backfill_counts_earlier_sales_once(shop: Shop) -> None:
    for number in range(3):
        await shop.sale(customer_phone=ASHA, amount_paid=40)
        await shop.estimate(customer_phone=MEERA if number else "1234567890")
    expected = sorted(figures(each) for each in await customers(shop))
    for kind in ("orders", "estimates"):
        await shop.database[kind].update_many({"store": shop.store}, {"$unset": {"phone_e164": ""}})
    await shop.database.customers.delete_many({"store": shop.store})
    assert len(await verify(shop.database, shop.store)) == 2
    voided = (await shop.get("/api/orders/all"))[-1]["id"]
    await shop.http.delete(f"/api/orders/{voided}")
    await shop.http.delete(f"/api/estimates/{voided}")
    seen: list[int] = []
    for _ in range(2):
        await build_customers(shop.database, shop.store, "IN", seen.append)
    assert sum(seen) == 12
    assert await has_customers(shop.database, shop.store)
    assert await verify(shop.database, shop.store) == []
    assert len(expected) == len(await customers(shop)) == 2


async def test_verify_finds_a_wrong_sum(shop: Shop) -> None:
    await shop.sale(customer_phone=ASHA)
    await shop.database.customers.update_one({"store": shop.store}, {"$inc": {"sums.paid": 1}})
    [difference] = await verify(shop.database, shop.store)
    assert "paid is 10001, but the documents make 10000" in difference
    await shop.database.customers.update_one({"store": shop.store}, {"$inc": {"sums.paid": -1}})


@given(st.integers(0, 10**12), st.from_regex(r"CUST-[0-9A-Z]{26}", fullmatch=True))
def test_a_cursor_is_decoded_to_what_was_encoded(instant: int, name: str) -> None:
    position = CustomerCursor(instant, name)
    assert CustomerCursor.decode(position.encode()) == position


@pytest.mark.parametrize("text", ["x", "", "MTIz", "é"])
def test_a_malformed_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        CustomerCursor.decode(text)


async def test_the_backfill_counts_numbers_that_an_earlier_rule_rejected(shop: Shop) -> None:
    await shop.sale(customer_phone="0919822012345", amount_paid=40)
    await shop.sale(customer_phone="9822012345 (wife)", amount_paid=30)
    await shop.estimate(customer_phone="none")
    expected = [figures(each) for each in await customers(shop)]
    for kind in ("orders", "estimates"):
        await shop.database[kind].update_many({"store": shop.store}, {"$set": {"phone_e164": None}})
    await shop.database.customers.delete_many({"store": shop.store})
    await shop.database.counters.update_one({"_id": shop.store}, {"$set": {"customers": True}})
    assert not await has_customers(shop.database, shop.store)
    for _ in range(2):
        await build_customers(shop.database, shop.store, "IN")
    assert await has_customers(shop.database, shop.store)
    assert [figures(each) for each in await customers(shop)] == expected
    assert await verify(shop.database, shop.store) == []


@pytest.mark.parametrize("other", ["0919822012345", "091-98220-12345", "9822012345 (wife)", "९८२२०१२३४५"])
async def test_sales_to_one_number_count_for_one_customer_in_any_notation(shop: Shop, other: str) -> None:
    await shop.sale(customer_phone=other, customer_name="Asha", amount_paid=30)
    await shop.sale(customer_phone="9822012345", customer_name="Asha", amount_paid=30)
    assert (await only(shop))["total_orders"] == 2
    assert len(await customers(shop, q=other)) == 1
    for query in (other, "98220 12345", "9198220", "098220", "+91 98220"):
        assert (await shop.get("/api/orders/orders-only", q=query))["orders"]["count"] == 2, query
