"""Users and devices of a shop with sign-in."""

from hashlib import sha256
from typing import Any

import httpx

from schemas.core.principals import CASHIER, OWNER, SERVICE_ACTOR
from tests.support.shop import OpenShop, Shop

PASSWORD = "three quiet mango trees"
NEW_PASSWORD = "seven loud coconut palms"
PIN = "702946"
#: One key for all tests, since they share a database, which stores a proof of the key.
SECRET_KEY = "the tests' own key: 7f1c-93ad-5e20-b84f"

Headers = dict[str, str]


async def signed_in_shop(open_shop: OpenShop, **options: Any) -> Shop:
    """Open a shop with sign-in and without users."""
    # A trusted proxy names the address of the client.
    options.setdefault("trusted_proxies", 1)
    return await open_shop(sign_in="on", secret_key=SECRET_KEY, **options)


async def add(shop: Shop, role: str = CASHIER, belongs_to: str | None = None, **draft: Any) -> dict[str, Any]:
    """Add a user who can sign in with `login` and `PASSWORD`."""
    draft = {"login": f"{role}-{shop.store}", "name": role.title(), "password": PASSWORD, "pin": None, **draft}
    user: dict[str, Any] = await shop.state["users"].add(
        {**draft, "role": role, "belongs_to": belongs_to}, SERVICE_ACTOR
    )
    return user


async def login(shop: Shop, username: str, password: str = PASSWORD, address: str | None = None) -> httpx.Response:
    """Sign in from an address; by default one of this shop only, since all tests share one database."""
    headers = {"X-Forwarded-For": address or address_of(shop)}
    return await shop.http.post("/api/auth/login", json={"username": username, "password": password}, headers=headers)


def address_of(shop: Shop) -> str:
    return "10." + ".".join(str(byte) for byte in sha256(shop.store.encode()).digest()[:3])


def bearer(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


async def as_(shop: Shop, role: str = OWNER, belongs_to: str | None = None, **draft: Any) -> Headers:
    """Add a user with a role, and return their headers."""
    user = await add(shop, role, belongs_to, **draft)
    return bearer((await shop.state["sessions"].begin(user["_id"], user["version"])).access)


async def create(shop: Shop, owner: Headers, **changes: Any) -> httpx.Response:
    """Add a cashier as the owner, and return the answer."""
    body = {"username": f"Ravi-{shop.store}", "name": "Ravi", "role": CASHIER, "password": PASSWORD, **changes}
    return await shop.http.post("/api/users", json=body, headers=owner)


async def enrol(shop: Shop, owner: Headers, **body: Any) -> tuple[str, Headers]:
    """Add a device, and return its id and its headers."""
    answer = await shop.http.post("/api/devices", json={"name": "Tablet", **body}, headers=owner)
    assert answer.status_code == 201, answer.text
    return answer.json()["device"]["id"], bearer(answer.json()["key"])
