"""Permissions: every route with every kind of principal, compared with the table of access."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from endpoints.accounts.guard import GuardedRoute
from endpoints.accounts.permissions import OWNERS_STATUSES, Roles
from endpoints.routes import ROUTES
from schemas.core.principals import ACCESS_ROLES, CASHIER, DEVICE, OWNER, VIEWER, VIEWERS_DEVICE
from scripts import roles
from tests.http.test_status_and_errors import assert_problem
from tests.support.accounts import SECRET_KEY
from tests.support.clients.live_client import closed_with
from tests.support.credentials import credential_of
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop, Shop

#: Invalid credentials, and the code of the response.
UNKNOWN_SOURCE: Mapping[str, str] = {
    "no credential": "not_signed_in",
    "forged": "not_signed_in",
    "garbled": "not_signed_in",
    "disabled": "not_signed_in",
    "expired": "sign_in_expired",
}
REFUSALS = {*UNKNOWN_SOURCE.values(), "forbidden"}


def every_access() -> Iterator[tuple[str, str, Roles | None]]:
    for route in ROUTES:
        if isinstance(route, GuardedRoute):
            for method, allowed in route.roles.items():
                yield route.path, method, allowed
                if method == "GET":
                    yield route.path, "HEAD", allowed


async def headers_of(shop: Shop, kind: str) -> dict[str, str]:
    """Return the headers of a new account."""
    if kind == "no credential":
        return {}
    if kind in ("forged", "garbled"):
        return {"Authorization": f"Bearer pos_a_{'A' * 43}" if kind == "forged" else "Basic %%%"}
    if kind in ("disabled", "expired"):
        return await credential_of(shop, OWNER, is_disabled=kind == "disabled", is_expired=kind == "expired")
    return await credential_of(shop, kind)


async def asked(shop: Shop, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Return the status, and the code of a refusal. Event streams do not end, so only refusals are read."""
    address = re.sub(r"\{(\w+)\}", lambda name: {"year": "2026", "month": "1"}.get(name[1], "1"), path)
    async with shop.http.stream(method, address, headers=headers) as response:
        if response.status_code < 400 or method == "HEAD":
            return response.status_code, ""
        await response.aread()
        return response.status_code, str(_problem(response).get("code", ""))


def _problem(response: httpx.Response) -> Mapping[str, object]:
    # Public links answer customers with a page, not with JSON.
    content = {} if response.headers["content-type"].startswith("text/html") else response.json()
    return content if isinstance(content, dict) else {}


@pytest.mark.parametrize("kind", [*ACCESS_ROLES, *UNKNOWN_SOURCE])
async def test_every_route_allows_the_roles_of_the_table(open_shop: OpenShop, kind: str) -> None:
    shop = await open_shop(sign_in="on", secret_key=SECRET_KEY)
    headers, seen = await headers_of(shop, kind), 0
    for path, method, allowed in every_access():
        status, code = await asked(shop, method, path, headers)
        if path.startswith("/api/auth"):
            # Some routes end the credential of the request.
            headers = await headers_of(shop, kind)
        where = f"{method} {path} as {kind}: {status} {code}"
        if allowed is None:
            assert code not in REFUSALS, where
        elif kind in allowed:
            assert status not in (401, 403), where
            assert status < 500, where
        elif kind in UNKNOWN_SOURCE:
            assert status == 401, where
            assert code in ("", UNKNOWN_SOURCE[kind]), where
        else:
            assert status == 403, where
            assert code in ("", "forbidden"), where
        seen += 1
    assert seen >= len(ROUTES)


async def test_a_request_with_two_credentials_is_refused(open_shop: OpenShop) -> None:
    """Reject the request, since a proxy may have checked the other credential than the service would use."""
    shop = await open_shop(sign_in="on")
    owner, viewer = [(await credential_of(shop, role))["Authorization"] for role in (OWNER, VIEWER)]
    for first, second in ((owner, viewer), (viewer, owner), (owner, owner), ("", owner)):
        both = [("Authorization", first), ("Authorization", second)]
        answer = await shop.http.get("/api/auth/profile", headers=both)
        assert (answer.status_code, answer.json()["code"]) == (400, "repeated_authorization")
    async with shop.listen(additional_headers=[("Authorization", owner)] * 2) as socket:
        assert await closed_with(socket) == 4403
    assert (await shop.http.get("/api/auth/profile", headers={"Authorization": owner})).status_code == 200


async def test_an_unsupported_method_gets_405_for_every_principal(open_shop: OpenShop) -> None:
    shop = await open_shop(sign_in="on")
    for kind in ("no credential", OWNER):
        assert_problem(
            await shop.http.patch("/api/orders/all", headers=await headers_of(shop, kind)), 405, "method_not_allowed"
        )


@pytest.mark.parametrize("status", sorted(OWNERS_STATUSES))
async def test_only_owners_set_a_status_that_cancels_a_sale(open_shop: OpenShop, status: str) -> None:
    shop = await open_shop(sign_in="on")
    owner = await headers_of(shop, OWNER)
    order = await shop.ok("POST", "/api/orders/create-sale", json=sale_body(), headers=owner)
    address = f"/api/orders/{order['order_id']}/status"
    for kind in (CASHIER, DEVICE, VIEWER, VIEWERS_DEVICE):
        headers = await headers_of(shop, kind)
        ways: list[dict[str, Any]] = [
            {"params": {"status": status}},
            {"params": {"new_status": status.lower()}},
            {"json": {"status": status.upper()}},
        ]
        for asking in ways:
            assert_problem(await shop.http.put(address, headers=headers, **asking), 403, "forbidden")
    shown = await shop.http.get(f"/api/orders/{order['order_id']}", headers=owner)
    assert (shown.json()["status"], shown.json()["version"]) == ("Completed", 1)
    cashier = await headers_of(shop, CASHIER)
    # A cashier may send the current status.
    assert (await shop.http.put(address, params={"status": "Completed"}, headers=cashier)).status_code == 200
    assert (await shop.http.put(address, params={"status": status}, headers=owner)).status_code == 200


def test_the_documentation_has_the_table() -> None:
    """Run `make docs` if this fails."""
    assert roles.PAGE.read_text() == roles.written()
