"""Status routes, and rules of all responses: headers, CORS, errors of the router."""

import json
from datetime import datetime

import httpx
import pytest

from tests.support.faults.failpoints import failing
from tests.support.payloads import estimate_body
from tests.support.shop import OpenShop, Shop


def assert_problem(response: httpx.Response, status: int, code: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "detail", "code", "instance"} <= set(problem)
    assert (problem["status"], problem["code"]) == (status, code)
    assert isinstance(problem["detail"], str)


async def test_welcome_and_version(shop: Shop) -> None:
    for path in ("/", "/api/", "/api/version"):
        assert (await shop.get(path))["version"]


@pytest.mark.parametrize("path", ["/health", "/api/health"])
async def test_health_reports_the_state_of_the_database(shop: Shop, path: str) -> None:
    health = await shop.get(path)
    assert set(health) == {"status", "timestamp", "service", "version", "database"}
    assert (health["status"], health["database"]["status"]) == ("healthy", "connected")
    assert health["database"]["latency_ms"] > 0
    assert datetime.fromisoformat(health["timestamp"]).tzinfo is not None


async def test_without_the_database_the_service_is_live_but_not_ready(shop: Shop) -> None:
    async with failing(shop.database, "find", closeConnection=True):
        health = await shop.http.get("/health")
        assert (health.status_code, health.json()["database"]["status"]) == (503, "unreachable")
        assert isinstance(health.json()["detail"], str)
        assert_problem(await shop.http.get("/readyz"), 503, "database_unavailable")
        assert (await shop.get("/livez")) == {"status": "alive"}
    assert (await shop.http.get("/readyz")).status_code == 200


async def test_an_emptied_store_is_neither_healthy_nor_ready(shop: Shop) -> None:
    counters = await shop.database.counters.find_one_and_delete({"_id": shop.store})
    assert counters is not None
    health = await shop.http.get("/health")
    assert (health.status_code, health.json()["database"]["status"]) == (503, "emptied")
    assert "was emptied while the service ran" in health.json()["detail"]
    assert_problem(await shop.http.get("/readyz"), 503, "database_unavailable")
    await shop.database.counters.insert_one(counters)
    assert (await shop.http.get("/readyz")).status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/api/estimates/a/b/c", "/api/orders/", "/api", "/%2F"])
async def test_an_unknown_path_is_an_error_and_not_a_redirect(shop: Shop, path: str) -> None:
    for method in ("GET", "POST"):
        assert_problem(await shop.http.request(method, path), 404, "route_not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/api/estimates/create", "POST"),
        ("POST", "/api/estimates/all", "GET, HEAD"),
        ("PATCH", "/api/orders/X", "GET, DELETE, HEAD"),
        ("POST", "/api/orders/X/status", "PUT"),
    ],
)
async def test_an_unsupported_method_lists_the_supported_ones(shop: Shop, method: str, path: str, allowed: str) -> None:
    response = await shop.http.request(method, path)
    assert_problem(response, 405, "method_not_allowed")
    assert sorted(response.headers["allow"].split(", ")) == sorted(allowed.split(", "))


async def test_the_request_id_is_returned_or_generated(shop: Shop) -> None:
    response = await shop.http.get("/nothing", headers={"X-Request-ID": "till-7/42"})
    assert response.headers["x-request-id"] == response.json()["instance"] == "till-7/42"
    generated = await shop.http.get("/nothing")
    assert generated.headers["x-request-id"] == generated.json()["instance"] != ""
    overlong = await shop.http.get("/nothing", headers={"X-Request-ID": "x" * 500})
    assert len(overlong.headers["x-request-id"]) < 100


@pytest.mark.parametrize("path", ["/health", "/nothing", "/api/estimates/all?limit=0"])
async def test_an_allowed_origin_can_read_responses_and_errors(open_shop: OpenShop, path: str) -> None:
    shop = await open_shop(cors_origins=("https://till.example",))
    allowed = await shop.http.get(path, headers={"Origin": "https://till.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://till.example"
    assert "X-Next-Cursor" in allowed.headers["access-control-expose-headers"]
    foreign = await shop.http.get(path, headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


async def test_an_unexpected_error_reveals_nothing(open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await open_shop(cors_origins=("https://till.example",))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret of the house")

    monkeypatch.setattr("endpoints.sales.estimates.draft", broken)
    response = await shop.http.post(
        "/api/estimates/create", json=estimate_body(), headers={"Origin": "https://till.example"}
    )
    assert_problem(response, 500, "internal_error")
    assert "secret" not in response.text
    assert response.headers["access-control-allow-origin"] == "https://till.example"
    assert response.headers["x-request-id"] == response.json()["instance"]


async def test_a_body_at_the_limit_is_accepted_and_a_larger_one_rejected(shop: Shop) -> None:
    body = json.dumps(estimate_body()).encode()
    full = body + b" " * (256 * 1024 - len(body))
    assert (await shop.http.post("/api/estimates/create", content=full)).status_code == 201
    assert_problem(await shop.http.post("/api/estimates/create", content=full + b" "), 413, "body_too_large")

    async def chunks() -> object:
        for _ in range(5):
            yield b" " * 65_536

    chunked = await shop.http.post("/api/estimates/create", content=chunks())  # type: ignore[arg-type]
    assert_problem(chunked, 413, "body_too_large")
