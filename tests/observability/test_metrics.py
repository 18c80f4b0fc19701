"""Metrics: values for Prometheus, of all workers, with a bounded number of series."""

import asyncio
import secrets
import sys
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from starlette.routing import Route

from app.observability.metrics import Metrics
from app.observability.worker_metrics import WorkerMetrics, merged
from endpoints.routes import ROUTES
from tests.server.test_startup import running
from tests.support.faults.failpoints import failing
from tests.support.payloads import sale_body
from tests.support.ports import free_port
from tests.support.shop import OpenShop, Shop

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]
OPERATIONS = Path(__file__).parents[2].joinpath("docs/operations.md").read_text()


def values_of(text: str) -> Values:
    return {
        (
            sample.name,
            frozenset((name, value) for name, value in sample.labels.items() if name not in ("worker", "store")),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def metrics_of(shop: Shop) -> Values:
    answer = await shop.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert answer.headers["cache-control"] == "no-store"
    return values_of(answer.text)


def value(values: Values, name: str, **labels: str) -> float:
    return values.get((name, frozenset(labels.items())), 0.0)


async def test_requests_are_counted_by_method_route_and_class(shop: Shop) -> None:
    sold = await shop.sale()
    for _ in range(3):
        await shop.http.get(f"/api/orders/{sold['order_id']}?x=1")
    await shop.http.get("/api/orders/unknown")
    await shop.http.request("PATCH", "/api/orders/unknown")
    seen = await metrics_of(shop)
    route = "/api/orders/{order_id}"
    total = "pos_http_requests_total"
    assert value(seen, total, method="POST", route="/api/orders/create-sale", status="2xx") == 1
    assert value(seen, total, method="GET", route=route, status="2xx") == 3
    assert value(seen, total, method="GET", route=route, status="4xx") == 1
    assert value(seen, total, method="PATCH", route=route, status="4xx") == 1
    assert value(seen, "pos_http_request_seconds_count", method="GET", route=route) == 4
    assert 0 < value(seen, "pos_http_request_seconds_sum", method="GET", route=route) < 40


async def test_groups_replays_and_events_are_counted(shop: Shop) -> None:
    async with shop.listen() as first, shop.listen() as second:
        await asyncio.gather(*(shop.sale(created_at=f"2026-01-01T10:00:{n:02}.5") for n in range(10)))
        await shop.sale(created_at="2026-01-01T10:00:00.5")
        for socket in (first, second):
            for _ in range(10):
                await socket.recv()
        seen = await metrics_of(shop)
        assert value(seen, "pos_journal_group_size_sum") == 11
        assert 2 <= value(seen, "pos_journal_group_size_count") <= 11
        assert value(seen, "pos_journal_commit_seconds_count") == value(seen, "pos_journal_group_size_count")
        assert value(seen, "pos_journal_commit_seconds_sum") > 0
        assert value(seen, "pos_idempotent_replays_total") == 1
        assert value(seen, "pos_hub_connections") == value(seen, "pos_hub_readers") == 2
        assert value(seen, "pos_hub_delivered_total") == 20
        assert value(seen, "pos_event_log_head") == 10
        assert value(seen, "pos_hub_lag") == 0


async def test_connections_and_failed_commits_are_counted(shop: Shop) -> None:
    await shop.get("/api/orders/all", limit=5)
    before = await metrics_of(shop)
    assert value(before, "pos_database_connections") >= 1
    assert value(before, "pos_database_connections") <= value(before, "pos_database_connections_created_total")
    assert value(before, "pos_database_connections_in_use") <= value(before, "pos_database_connections")
    assert value(before, "pos_copies_bytes") > 0
    assert value(before, "process_resident_memory_bytes") > 10_000_000
    assert value(before, "pos_journal_failures_total") == 0
    async with failing(shop.database, "insert", errorCode=121):
        assert (await shop.http.post("/api/orders/create-sale", json=sale_body())).status_code == 500
    async with failing(shop.database, "find", closeConnection=True, times=1, namespace=f"{shop.database.name}.orders"):
        await shop.http.get("/api/orders/all?limit=6")
    after = await metrics_of(shop)
    assert value(after, "pos_journal_failures_total") == 1
    assert _closed(after) > _closed(before)


def _closed(values: Values) -> float:
    return value(values, "pos_database_connections_created_total") - value(values, "pos_database_connections")


async def test_unknown_paths_and_methods_add_no_series(shop: Shop) -> None:
    async def series() -> int:
        return len(await metrics_of(shop))

    async def send_unknown_requests() -> None:
        for n in range(30):
            for path in (f"/nothing/{secrets.token_hex(8)}", f"/api/orders/{secrets.token_hex(8)}", f"/metrics?x={n}"):
                await shop.http.get(path, headers={"X-Request-ID": secrets.token_hex(8)})
        for method in ("PROPFIND", "PURGE", "SEARCH"):
            await shop.http.request(method, f"/api/orders/{secrets.token_hex(8)}")

    await series()
    await send_unknown_requests()
    before = await series()
    await send_unknown_requests()
    assert await series() == before
    seen = await metrics_of(shop)
    known = {route.path for route in ROUTES if isinstance(route, Route)} | {"unmatched"}
    assert {dict(labels)["route"] for name, labels in seen if name.startswith("pos_http")} <= known
    assert value(seen, "pos_http_requests_total", method="OTHER", route="/api/orders/{order_id}", status="4xx") == 6


async def test_two_applications_in_a_process_count_separately(open_shop: OpenShop) -> None:
    first, second = await open_shop(), await open_shop()
    await first.sale()
    assert value(await metrics_of(first), "pos_journal_group_size_sum") == 1
    assert value(await metrics_of(second), "pos_journal_group_size_sum") == 0


async def test_each_worker_reports_all_running_workers() -> None:
    family = secrets.randbelow(10**9)
    workers = [WorkerMetrics(Metrics(), family) for _ in range(3)]
    other_server = WorkerMetrics(Metrics(), family + 10**9)
    for each in (*workers, other_server):
        await each.start()
    try:
        for each in workers:
            text = (await each.text()).decode()
            assert text.count("pos_journal_failures_total{") == 3
            assert text.count("# TYPE pos_journal_failures_total counter") == 1
        await workers[0].stop()
        assert (await workers[1].text()).count(b"pos_journal_failures_total{") == 2
        assert (await other_server.text()).count(b"pos_journal_failures_total{") == 1
    finally:
        for each in (*workers[1:], other_server):
            await each.stop()


async def test_a_worker_that_does_not_answer_times_out() -> None:
    family = secrets.randbelow(10**9)
    worker = WorkerMetrics(Metrics(), family)
    await worker.start()
    disconnected = asyncio.Event()

    async def wait_for_disconnect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        disconnected.set()

    silent = await asyncio.start_unix_server(wait_for_disconnect, f"\0{worker._prefix}1-1")
    try:
        async with asyncio.timeout(30):
            assert (await worker.text()).count(b"pos_journal_failures_total{") == 1
            await disconnected.wait()
    finally:
        silent.close()
        await worker.stop()


def test_metrics_of_several_workers_are_merged() -> None:
    one = b"# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# HELP b B.\n# TYPE b gauge\nb 2\n"
    other = one.replace(b"a_total 1", b"a_total 3")
    assert merged([one, b"", other]) == (
        b"# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 3\n# HELP b B.\n# TYPE b gauge\nb 2\nb 2\n"
    )


def test_all_workers_of_a_server_are_in_its_metrics(mongodb_url: str) -> None:
    port = free_port()
    command = (sys.executable, "-m", "uvicorn", "asgi:app", "--port", str(port), "--workers", "2")
    names = {"MONGODB_URL": mongodb_url, "DATABASE_NAME": "pos_metrics", "STORE_ID": secrets.token_hex(4)}
    with running(*command, port=port, **names) as server:
        while True:
            assert server.poll() is None
            text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
            workers = {
                sample.labels["worker"] for family in text_string_to_metric_families(text) for sample in family.samples
            }
            if len(workers) == 2:
                break
        server.terminate()
        server.communicate(timeout=25)


async def test_every_metric_is_in_the_documentation(shop: Shop) -> None:
    text = (await shop.http.get("/metrics")).text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    assert "pos_event_log_head" in names
    assert [name for name in sorted(names) if f"`{name}`" not in OPERATIONS] == []
