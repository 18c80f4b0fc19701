"""People and devices of a shop where one signs in, for tests."""

from hashlib import sha256
from typing import Any

import httpx

from schemas.core.principals import CASHIER, OWNER, SERVICE_ACTOR
from tests.support.shop import OpenShop, Shop

PASSWORD = "three quiet mango trees"
NEW_PASSWORD = "seven loud coconut palms"
PIN = "702946"
#: One for all, since they share a database, which knows its key.
SECRET_KEY = "the tests' own key: 7f1c-93ad-5e20-b84f"

Headers = dict[str, str]


async def signed_in_shop(open_shop: OpenShop, **options: Any) -> Shop:
    """A shop where one signs in. Nobody can, yet."""
    # The proxy before it says which address a request came from.
    options.setdefault("trusted_proxies", 1)
    return await open_shop(sign_in="on", secret_key=SECRET_KEY, **options)


async def add(shop: Shop, role: str = CASHIER, belongs_to: str | None = None, **draft: Any) -> dict[str, Any]:
    """Somebody who can sign in as `login`, with `PASSWORD`."""
    draft = {"login": f"{role}-{shop.store}", "name": role.title(), "password": PASSWORD, "pin": None, **draft}
    user: dict[str, Any] = await shop.state["users"].add(
        {**draft, "role": role, "belongs_to": belongs_to}, SERVICE_ACTOR
    )
    return user


async def login(shop: Shop, username: str, password: str = PASSWORD, address: str | None = None) -> httpx.Response:
    """Signs in from an address, by default one of the shop's own, since all the tests share one database."""
    headers = {"X-Forwarded-For": address or address_of(shop)}
    return await shop.http.post("/api/auth/login", json={"username": username, "password": password}, headers=headers)


def address_of(shop: Shop) -> str:
    return "10." + ".".join(str(byte) for byte in sha256(shop.store.encode()).digest()[:3])


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


async def as_(shop: Shop, role: str = OWNER, belongs_to: str | None = None, **draft: Any) -> Headers:
    """The headers of somebody new, of that role."""
    user = await add(shop, role, belongs_to, **draft)
    return bearer((await shop.state["sessions"].begin(user["_id"], user["version"])).access)


async def create(shop: Shop, owner: Headers, **changes: Any) -> httpx.Response:
    """The answer to an owner who adds a cashier."""
    body = {"username": f"Ravi-{shop.store}", "name": "Ravi", "role": CASHIER, "password": PASSWORD, **changes}
    return await shop.http.post("/api/users", json=body, headers=owner)


async def enrol(shop: Shop, owner: Headers, **body: Any) -> tuple[str, Headers]:
    """A new device: its id, and the headers that it sends."""
    answer = await shop.http.post("/api/devices", json={"name": "Tablet", **body}, headers=owner)
    assert answer.status_code == 201, answer.text
    return answer.json()["device"]["id"], bearer(answer.json()["key"])
