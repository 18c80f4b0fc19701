"""Stores of one database are isolated from each other."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.composition.stores import Stores
from endpoints.accounts.guard import GuardedRoute
from endpoints.routes import ROUTES
from repositories.auditing.verification import verify
from repositories.database.errors import Unavailable
from repositories.migrations.indexes import prepare
from schemas.core.principals import CASHIER, OWNER, VIEWER
from tests.http.test_status_and_errors import assert_problem
from tests.support.accounts import SECRET_KEY
from tests.support.credentials import credential_of
from tests.support.payloads import estimate_body, sale_body
from tests.support.shop import OpenShop, Shop

Json = dict[str, Any]

CANARIES: Json = {
    "customer_name": "Zerzura Quillon",
    "customer_phone": "9123409876",
    "customer_address": "7 Umbra Lane",
}
SALE, ESTIMATE = "/api/orders/create-sale", "/api/estimates/create"


async def found(shop: Shop, store: str) -> None:
    await prepare(shop.database, store, shop.state["zone"], 90)


async def snapshot(shop: Shop, store: str) -> dict[str, list[Json]]:
    """Return all documents of a store."""
    kinds = ("estimates", "orders")
    rows = {kind: await shop.database[kind].find({"store": store}).sort("_id", 1).to_list(None) for kind in kinds}
    for kind in ("log", "totals"):
        rows[kind] = await shop.database[kind].find({"_id.store": store}).sort("_id", 1).to_list(None)
    rows["counters"] = await shop.database["counters"].find({"_id": store}).to_list(None)
    return rows


class Filled:
    """A store with documents of each kind, and the requests by which another store would try to reach them."""

    def __init__(self, shop: Shop, headers: dict[str, str]) -> None:
        self.shop = shop
        self.headers = headers
        self.names: dict[str, str] = {"year": "2026", "month": "1", "asset": "x", "file": "x"}
        self.cursor = ""

    async def fill(self) -> None:
        http, keyed = self.shop.http, {**self.headers, "Idempotency-Key": "one-and-the-same"}
        estimate = (await http.post(ESTIMATE, json=estimate_body(**CANARIES), headers=self.headers)).json()
        order = (await http.post(SALE, json=sale_body(**CANARIES), headers=keyed)).json()
        for _ in range(3):
            assert (await http.post(SALE, json=sale_body(**CANARIES), headers=self.headers)).status_code == 201
        self.names |= {"estimate_id": estimate["estimate_id"], "order_id": order["order_id"]}
        # A number that does not exist in the other store.
        self.names |= {"estimate_number": "1", "sale_number": "4"}
        page = await http.get("/api/orders/all", params={"limit": 1}, headers=self.headers)
        self.cursor = page.headers["x-next-cursor"]

    @property
    def secrets(self) -> list[str]:
        return [*CANARIES.values(), self.names["estimate_id"], self.names["order_id"]]

    def path(self, template: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda name: self.names.get(name[1], "1"), template)

    def queries(self) -> list[dict[str, str]]:
        days = {"start_date": "2020-01-01", "end_date": "2099-12-31"}
        search = {"q": CANARIES["customer_name"], "customer_phone": CANARIES["customer_phone"]}
        return [{}, {"limit": "50", "cursor": self.cursor}, {"since": "0"}, {**days, "items": "100"}, search]


def routes() -> Iterator[tuple[GuardedRoute, str]]:
    for route in ROUTES:
        # Sign-in and sign-out have no store, and would end the session.
        if isinstance(route, GuardedRoute) and not route.path.startswith("/api/auth/"):
            for method in route.roles:
                yield route, method


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await open_shop(sign_in="on", secret_key=SECRET_KEY)


@pytest.mark.parametrize("through_home_store", [True, False])
@pytest.mark.parametrize("role", [OWNER, CASHIER, VIEWER])
async def test_no_route_reaches_across_stores(shop: Shop, through_home_store: bool, role: str) -> None:
    stores = (shop.store, f"{shop.store}-two")
    await found(shop, stores[1])
    theirs, mine = stores if through_home_store else stores[::-1]
    filled = Filled(shop, await credential_of(shop, OWNER, store=theirs))
    await filled.fill()
    before = await snapshot(shop, theirs)
    headers = await credential_of(shop, role, store=mine)
    for route, method in routes():
        await _try(shop, filled, method, route.path, headers)
        if route.roles[method] is not None:
            named = {**headers, "X-Store": theirs}
            assert_problem(await shop.http.request(method, filled.path(route.path), headers=named), 403, "forbidden")
    assert await snapshot(shop, theirs) == before
    for store in stores:
        assert await verify(shop.database, store) == []


async def _try(shop: Shop, filled: Filled, method: str, template: str, headers: dict[str, str]) -> None:
    """Request another store's documents from a route in many ways."""
    path = filled.path(template)
    # With the same body and the idempotency key of a sale of the other store.
    bodies: list[Json | None] = [None] if method == "GET" else [None, sale_body(), {"status": "Pending"}]
    for query in filled.queries() if method == "GET" else [{}]:
        for body in bodies:
            keyed = {**headers, "Idempotency-Key": "one-and-the-same"}
            async with shop.http.stream(method, path, params=query, json=body, headers=keyed) as answer:
                text = await _first_bytes(answer, is_endless=template == "/api/events/stream")
            for secret in filled.secrets:
                assert secret not in text, f"{method} {path} {query}"
            if "_id}" in template:
                assert answer.status_code >= 400, f"{method} {path}"


async def _first_bytes(answer: Any, *, is_endless: bool) -> str:
    if not is_endless or answer.status_code >= 400:
        return str((await answer.aread()).decode("utf-8", "replace"))
    text = b""
    try:
        async with asyncio.timeout(0.3):
            async for piece in answer.aiter_raw():
                text += piece
    except TimeoutError:
        pass
    return text.decode()


async def test_a_key_of_one_store_is_unused_in_another(shop: Shop) -> None:
    other = f"{shop.store}-two"
    await found(shop, other)
    orders = []
    for store in (shop.store, other, shop.store):
        headers = {**await credential_of(shop, OWNER, store=store), "Idempotency-Key": "one-and-the-same"}
        orders.append(await shop.http.post(SALE, json=sale_body(), headers=headers))
    assert [order.status_code for order in orders] == [201, 201, 201]
    first, second, again = (order.json() for order in orders)
    assert first["order_id"] != second["order_id"]
    assert first["sale_number"] == second["sale_number"] == "#001"
    assert again == first
    # The existing app sends no keys, but an instant in its body.
    body = sale_body(created_at="2026-01-31T10:00:00")
    sold = [
        (await shop.http.post(SALE, json=body, headers=await credential_of(shop, OWNER, store=store))).json()
        for store in (shop.store, other)
    ]
    assert sold[0]["order_id"] != sold[1]["order_id"]


async def test_an_owner_of_all_stores_chooses_a_store_per_request(shop: Shop) -> None:
    other = f"{shop.store}-two"
    await found(shop, other)
    headers = await credential_of(shop, OWNER)
    there = {**headers, "X-Store": other}
    await shop.ok("POST", SALE, json=sale_body(customer_name="Over there"), headers=there)
    assert (await shop.http.get("/api/orders/all", headers=headers)).json() == []
    assert [order["customer_name"] for order in (await shop.http.get("/api/orders/all", headers=there)).json()] == [
        "Over there"
    ]
    for unknown in ("nowhere", f"../{other}", "", "$ne", "x" * 5_000):
        refused = await shop.http.get("/api/orders/all", headers={**headers, "X-Store": unknown})
        assert_problem(refused, 404, "no_such_store")


async def test_an_owner_of_all_stores_gets_a_comparison(open_shop: OpenShop) -> None:
    database = f"pos_compare_{id(open_shop)}"
    shop = await open_shop(sign_in="on", database_name=database, store_id="one")
    await found(shop, "two")
    await found(shop, "three")
    headers = await credential_of(shop, OWNER)
    for store, sales in {"one": 2, "two": 3}.items():
        there = {**headers, "X-Store": store}
        for _ in range(sales):
            await shop.ok("POST", SALE, json=sale_body(amount_paid=40), headers=there)
        await shop.ok("POST", ESTIMATE, json=estimate_body(), headers=there)
    report = (await shop.http.get("/api/reports/stores", headers=headers)).json()
    none = {"orders_count": 0, "total_revenue": 0, "total_sold": 0, "estimates_count": 0, "estimates_total": 0}
    total = estimate_body()["total"]
    assert report["stores"] == [
        {**none, "store": "one", "orders_count": 2, "total_revenue": 80, "total_sold": 2 * total}
        | {"estimates_count": 1, "estimates_total": total},
        {**none, "store": "three"},
        {**none, "store": "two", "orders_count": 3, "total_revenue": 120, "total_sold": 3 * total}
        | {"estimates_count": 1, "estimates_total": total},
    ]
    assert report["total"]["total_revenue"] == 200
    assert report["total"]["orders_count"] == 5
    past = {"start_date": "2020-01-01", "end_date": "2020-12-31"}
    report = (await shop.http.get("/api/reports/stores", params=past, headers=headers)).json()
    assert (report["start_date"], report["end_date"], report["total"]) == ("2020-01-01", "2020-12-31", none)
    bound = await credential_of(shop, OWNER, store="one")
    assert_problem(await shop.http.get("/api/reports/stores", headers=bound), 403, "forbidden")
    assert_problem(await shop.http.get("/metrics", headers=bound), 403, "forbidden")


async def test_an_idle_store_is_closed_and_opens_again(shop: Shop) -> None:
    names = [f"{shop.store}-{number}" for number in range(3)]
    for name in names:
        await found(shop, name)
    home: Stores = shop.state["stores"]
    stores = Stores(shop.store, home._around, idle=0.2, most=3)
    await stores.start()
    try:
        watched = await stores.state(names[0])
        feed = watched["hub"].subscribe(lambda: None)
        await stores.state(names[1])
        async with asyncio.timeout(30):
            while len(list(stores)) > 2:
                await asyncio.sleep(0.02)
        # The home store and the store in use stay open.
        assert {store.name for store in stores} == {shop.store, names[0]}
        watched["hub"].unsubscribe(feed)
        async with asyncio.timeout(30):
            while len(list(stores)) > 1:
                await asyncio.sleep(0.02)
        again = await stores.state(names[0])
        assert again["store"] == names[0]
    finally:
        await stores.stop()


async def test_the_number_of_open_stores_is_limited(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{shop.store}-{number}" for number in range(3)]
    for name in names:
        await found(shop, name)
    stores = Stores(shop.store, shop.state["stores"]._around, most=2)
    await stores.start()
    try:
        await stores.state(names[0])
        # A store that was just used is not closed for another.
        with pytest.raises(Unavailable, match="Too many stores"):
            await stores.state(names[1])
        monkeypatch.setattr("app.composition.stores._KEPT_SECONDS", 0.0)
        with stores.in_use(names[0]), pytest.raises(Unavailable, match="Too many stores"):
            await stores.state(names[1])
        assert (await stores.state(names[1]))["store"] == names[1]
        assert {store.name for store in stores} == {shop.store, names[1]}
    finally:
        await stores.stop()


def test_stores_are_created_and_listed_from_the_command_line(mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URL", mongodb_url)
    monkeypatch.setenv("DATABASE_NAME", f"pos_stores_{id(monkeypatch)}")
    runner = CliRunner()
    for name in ("market", "harbour", "market"):
        assert runner.invoke(cli, ["store", "add", name]).exit_code == 0
    listed = runner.invoke(cli, ["store", "list"])
    assert (listed.exit_code, listed.stdout) == (0, "harbour\nmarket\n")
    assert runner.invoke(cli, ["store", "add", "two words"]).exit_code == 2
