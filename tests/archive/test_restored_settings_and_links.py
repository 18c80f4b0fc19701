"""Settings, customers and links after a restore."""

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from repositories.auditing.verification import verify
from repositories.database.client import Database
from tests.support.archives import contents, read, write
from tests.support.printed_documents import logo
from tests.support.shop import Shop, opened

ASHA, MEERA, RAVI = "98220 12345", "98220 54321", "98111 11211"
SETTINGS = {"business_name": "Asha Stores", "gst_number": "27AAPFU0939F1ZV", "footer": "Thank you", "paper": "A5"}


async def known_shop(shop: Shop) -> dict[str, str]:
    """Store settings, customers of each kind and two links to an order; return its id and the links' paths by state."""
    await shop.ok("PUT", "/api/settings", json={**SETTINGS, "logo": base64.b64encode(logo()).decode()})
    order = (await shop.sale(customer_phone=ASHA, customer_name="Asha", amount_paid=30.5))["order_id"]
    await shop.estimate(customer_phone=RAVI, customer_name="Ravi")
    made = await shop.http.post("/api/customers/create", json={"name": "Meera", "phone": MEERA, "notes": "Monthly"})
    await shop.ok("PUT", f"/api/customers/{made.json()['customer_id']}", json={"address": "12 MG Road"})
    ravi = (await shop.get("/api/customers", q="Ravi"))["customers"][0]["id"]
    await shop.ok("DELETE", f"/api/customers/{ravi}")
    links = [await shop.ok("POST", f"/api/orders/{order}/link") for _ in range(2)]
    await shop.ok("DELETE", f"/api/links/{links[1]['id']}")
    paths = [httpx.URL(link["url"]).path for link in links]
    return {"order": order, "open": paths[0], "ended": paths[1]}


async def seen(shop: Shop, made: dict[str, str]) -> list[Any]:
    """Return the shop's responses."""
    answers = [
        await shop.get("/api/settings", logo="true"),
        await shop.get("/api/customers"),
        [(each["id"], each["is_open"]) for each in (await shop.get(f"/api/orders/{made['order']}/link"))["links"]],
    ]
    for path in (made["open"], made["ended"], f"{made['open']}.pdf", f"{made['ended']}.pdf"):
        answer = await shop.http.get(path)
        answers.append((answer.status_code, answer.content))
    return answers


@pytest.mark.parametrize("name", ["", "branch"])
async def test_settings_customers_and_links_are_restored(
    shop: Shop, target: Database, mongodb_url: str, tmp_path: Path, name: str
) -> None:
    made = await known_shop(shop)
    before = await seen(shop, made)
    assert [status for status, _ in before[3:]] == [200, 404, 200, 404]
    file = await write(shop.database, shop.store, tmp_path / "file")
    store = name or shop.store
    await read(file, target, store)
    assert contents(await write(target, store, tmp_path / "again")) == contents(file)
    assert await verify(target, store) == []
    async with opened(mongodb_url, database_name=target.name, store_id=store) as restored:
        assert await seen(restored, made) == before
        # They continue to work as before.
        await restored.sale(customer_phone=ASHA, amount_paid=1)
        await restored.sale(customer_phone=RAVI)
        sums = {each["name"]: each["total_orders"] for each in (await restored.get("/api/customers"))["customers"]}
        assert sums == {"Asha": 2, "Meera": 0, "Ravi": 1}
        assert (await restored.ok("PUT", "/api/settings", json={"footer": "Come again"}))["version"] == 2
        ended = (await restored.get(f"/api/orders/{made['order']}/link"))["links"][-1]["id"]
        await restored.ok("DELETE", f"/api/links/{ended}")
        assert (await restored.http.get(made["open"])).status_code == 404
        assert await verify(target, store) == []


async def test_verify_finds_a_link_without_a_document(shop: Shop) -> None:
    made = await known_shop(shop)
    where = {"store": shop.store, "voided_at": None}
    await shop.database.links.update_one(where, {"$set": {"document_id": "ORDER-NOWHERE"}})
    (difference,) = await verify(shop.database, shop.store)
    assert "shows ORDER-NOWHERE, which does not exist" in difference
    await shop.database.links.update_one(where, {"$set": {"document_id": made["order"]}})
