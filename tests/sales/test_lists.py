"""Lists: shapes, filters, pages, streaming, conditional requests."""

import asyncio
from typing import Any

import pytest

from tests.support.clients.concurrent_requests import at_once, send
from tests.support.clock import Clock
from tests.support.payloads import line, sale_body
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]


async def create_documents(shop: Shop) -> None:
    """Create five estimates, of which two become orders, and four sales, one of them cancelled."""
    for n in range(5):
        estimate = await shop.estimate(customer_name=f"Estimate {n}", items=[line(10.0 + n)], sale_by="Ravi")
        if n < 2:
            await shop.convert(estimate["estimate_id"], payment_mode="UPI: Asha")
    for n in range(4):
        sale = await shop.sale(
            customer_name=f"Customer {n}",
            customer_phone=f"98765 {n:05d}",
            items=[line(20.0 + n)],
            sale_by=("Ravi", "Meera")[n % 2],
            payment_mode=("Cash", "Card")[n // 2],
        )
    await shop.ok("PUT", f"/api/orders/{sale['order_id']}/status", params={"status": "Cancelled"})


def items_of(content: Any) -> list[Json]:
    """Return the documents of a list of any shape."""
    if isinstance(content, list):
        return content
    return [item for kind in ("estimates", "orders") if kind in content for item in content[kind]["items"]]


LISTS = ("/api/estimates/all", "/api/orders/all", "/api/orders/separate", "/api/orders/orders-only")


async def test_an_empty_shop_has_empty_lists(shop: Shop) -> None:
    nothing: Json = {"count": 0, "total_amount": 0.0, "items": []}
    assert await shop.get("/api/estimates/all") == []
    assert await shop.get("/api/orders/all") == []
    assert await shop.get("/api/orders/orders-only") == {"orders": nothing}
    separate = await shop.get("/api/orders/separate")
    assert (separate["estimates"], separate["orders"]) == (nothing, nothing)


async def test_the_list_of_both_kinds_keeps_its_member_names(open_shop: OpenShop) -> None:
    shop = await open_shop(clock=Clock())
    estimate, sale = await shop.estimate(), await shop.sale(items=[line(5.0), line(6.0)])
    order, quote = await shop.get("/api/orders/all")
    assert (order["type"], order["id"], order["order_id"]) == ("order", sale["order_id"], sale["order_id"])
    assert (order["customer"], order["amount"], order["items_count"]) == ("Test Customer", 11.0, 2)
    assert order["time"] == "2026-03-14"
    assert (quote["type"], quote["id"], quote["status"]) == ("estimate", estimate["estimate_id"], "Pending")


async def test_the_groups_count_every_order_and_sum_the_revenue(shop: Shop) -> None:
    await create_documents(shop)
    expected = {"estimates": (5, 60.0), "orders": (6, 84.0)}
    for path in ("/api/orders/separate", "/api/orders/separate?limit=3", "/api/orders/separate?from=2020-01-01"):
        separate = await shop.get(path)
        for kind, sums in expected.items():
            assert (separate[kind]["count"], separate[kind]["total_amount"]) == sums, path
        assert separate["summary"] == {
            "total_estimates": 5,
            "total_orders": 6,
            "total_transactions": 11,
            "total_revenue": 84.0,
        }
    for path in ("/api/orders/orders-only", "/api/orders/orders-only?limit=2"):
        orders = (await shop.get(path))["orders"]
        assert (orders["count"], orders["total_amount"]) == expected["orders"]


@pytest.mark.parametrize(
    ("path", "filters", "names"),
    [
        ("/api/estimates/all", {"status": "pending"}, ["Estimate 4", "Estimate 3", "Estimate 2"]),
        ("/api/estimates/all", {"status": "Converted"}, ["Estimate 1", "Estimate 0"]),
        ("/api/orders/orders-only", {"status": "CANCELLED"}, ["Customer 3"]),
        ("/api/orders/orders-only", {"sale_by": "Meera"}, ["Customer 3", "Customer 1"]),
        ("/api/orders/orders-only", {"payment_mode": "Card"}, ["Customer 3", "Customer 2"]),
        ("/api/orders/orders-only", {"payment_mode": "upi"}, ["Estimate 1", "Estimate 0"]),
        ("/api/orders/orders-only", {"payment_mode": "UPI: Asha"}, ["Estimate 1", "Estimate 0"]),
        ("/api/orders/orders-only", {"customer_phone": "98765 00002"}, ["Customer 2"]),
        ("/api/orders/orders-only", {"q": "cust"}, ["Customer 3", "Customer 2", "Customer 1", "Customer 0"]),
        ("/api/orders/orders-only", {"q": "00001 CUSTOMER"}, ["Customer 1"]),
        ("/api/orders/orders-only", {"q": "#003"}, ["Customer 0"]),
        ("/api/orders/orders-only", {"q": "unknown"}, []),
        ("/api/orders/orders-only", {"q": "+91 98765-00002"}, ["Customer 2"]),
        ("/api/orders/orders-only", {"q": "9876500002"}, ["Customer 2"]),
        (
            "/api/orders/orders-only",
            {"q": "(customer) 98765"},
            ["Customer 3", "Customer 2", "Customer 1", "Customer 0"],
        ),
        ("/api/orders/orders-only", {"q": "-"}, []),
        ("/api/orders/all", {"status": "Pending"}, ["Estimate 4", "Estimate 3", "Estimate 2"]),
        ("/api/orders/all", {"payment_mode": "cash"}, ["Customer 1", "Customer 0"]),
        ("/api/orders/all", {"sale_by": "Meera", "status": "Completed"}, ["Customer 1"]),
        ("/api/orders/all", {"to": "2020-01-01"}, []),
    ],
)
async def test_filters_select_documents(shop: Shop, path: str, filters: Json, names: list[str]) -> None:
    await create_documents(shop)
    whole = await shop.get(path, **filters)
    assert [item["customer_name"] for item in items_of(whole)] == names
    paged = await shop.get(path, **filters, limit=500)
    assert paged == whole


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/estimates/all", "Cancelled"),
        ("/api/estimates/pending", "Converted"),
        ("/api/estimates/converted", "Pending"),
        ("/api/orders/orders-only", "Converted"),
    ],
)
async def test_an_impossible_status_is_rejected(shop: Shop, path: str, status: str) -> None:
    response = await shop.http.get(path, params={"status": status})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "/status")


async def test_days_are_in_the_time_zone_of_the_store(open_shop: OpenShop) -> None:
    clock = Clock()
    shop = await open_shop(clock=clock)
    for instant in ("2026-02-28T23:59:59+05:30", "2026-03-01T00:00:00+05:30", "2026-03-01T23:59:59+05:30"):
        clock.at(instant)
        await shop.sale(customer_name=instant)
    clock.at("2026-03-02T00:00:00+05:30")
    await shop.sale(customer_name="next day")
    found = await shop.get("/api/orders/orders-only", **{"from": "2026-03-01", "to": "2026-03-01"})
    assert [item["created_at"][:10] for item in items_of(found)] == ["2026-03-01", "2026-03-01"]
    assert found["orders"]["count"] == 2


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_all_pages_together_are_the_whole_list(open_shop: OpenShop, path: str, limit: int) -> None:
    # Many documents have the same time, so the cursor must distinguish them by kind and number.
    clock = Clock()
    shop = await open_shop(clock=clock)
    await create_documents(shop)
    clock.advance(seconds=1)
    await create_documents(shop)
    whole = await shop.http.get(path)
    seen: list[str] = []
    target = f"{path}?limit={limit}"
    while target:
        response = await shop.http.get(target)
        page = items_of(response.json())
        assert len(page) <= limit
        seen += [item["id"] for item in page]
        assert (response.headers.get("x-next-cursor", "") in target) == ("link" not in response.headers)
        target = response.links["next"]["url"] if "next" in response.links else ""
    expected = [item["id"] for item in items_of(whole.json())]
    assert sorted(seen) == sorted(expected)
    if path != "/api/orders/separate":
        assert seen == expected


async def test_filters_apply_to_all_pages(shop: Shop) -> None:
    await create_documents(shop)
    first = await shop.http.get("/api/orders/orders-only", params={"sale_by": "Ravi", "limit": 2})
    assert "sale_by=Ravi" in first.links["next"]["url"]
    second = await shop.http.get(first.links["next"]["url"])
    names = [item["customer_name"] for page in (first, second) for item in items_of(page.json())]
    assert names == ["Customer 2", "Customer 0", "Estimate 1", "Estimate 0"]
    assert "link" not in second.headers


async def test_a_long_list_is_streamed_completely_newest_first(shop: Shop) -> None:
    await at_once(send(shop.port, "POST", "/api/orders/create-sale", sale_body()) for _ in range(400))
    await asyncio.gather(*(shop.estimate() for _ in range(20)))
    response = await shop.http.get("/api/orders/orders-only")
    assert response.headers["transfer-encoding"] == "chunked"
    orders = response.json()["orders"]
    assert orders["count"] == len(orders["items"]) == 400
    assert orders["total_amount"] == 40_000.0
    assert [item["sale_number"] for item in orders["items"]] == [f"#{n:03d}" for n in range(400, 0, -1)]
    merged = await shop.get("/api/orders/all")
    assert len(merged) == 420
    assert merged == sorted(merged, key=lambda item: item["created_at"], reverse=True)


@pytest.mark.parametrize("path", [*LISTS, "/api/reports/today", "/api/reports/staff-performance"])
async def test_a_conditional_request_gets_304_until_a_change(shop: Shop, path: str) -> None:
    await shop.sale()
    first = await shop.http.get(path)
    assert first.headers["x-stream-position"] == "1"
    tag = {"If-None-Match": first.headers["etag"]}
    again = await shop.http.get(path, headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert (await shop.http.get(path, headers={"If-None-Match": '"other"'})).status_code == 200
    await shop.sale()
    changed = await shop.http.get(path, headers=tag)
    assert (changed.status_code, changed.headers["x-stream-position"]) == (200, "2")


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"limit": 0}, 422, "invalid_query"),
        ({"limit": 501}, 422, "invalid_query"),
        ({"limit": "ten"}, 422, "invalid_query"),
        ({"status": "Lost"}, 422, "invalid_query"),
        ({"from": "yesterday"}, 422, "invalid_query"),
        ({"from": "2026-02-30"}, 422, "invalid_query"),
        ({"from": "20260201"}, 422, "invalid_query"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, 422, "invalid_query"),
        ({"q": "x" * 501}, 422, "invalid_query"),
        ({"limit": ["1", "2"]}, 422, "invalid_query"),
        ({"cursor": "nonsense"}, 400, "invalid_cursor"),
        ({"cursor": ""}, 400, "invalid_cursor"),
        # 1_795_941_635_411.1.1
        ({"cursor": "MV83OTVfOTQxXzYzNV80MTEuMS4x"}, 400, "invalid_cursor"),
        ({"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTkuMS4x"}, 400, "invalid_cursor"),
    ],
)
@pytest.mark.parametrize("path", LISTS)
async def test_an_invalid_parameter_is_rejected(
    shop: Shop, path: str, parameters: Json, status: int, code: str
) -> None:
    response = await shop.http.get(path, params=parameters)
    assert (response.status_code, response.json()["code"]) == (status, code)
