"""Sentry and OpenTelemetry: the real packages send to a server on loopback, without personal data."""

import asyncio
import gzip
import http.server
import json
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.middleware.observation import RequestRecord
from app.observability.error_reports import ErrorReports, scrubbed
from app.observability.tracing import Tracing
from tests.server.test_startup import ROOT, environment
from tests.support.payloads import estimate_body
from tests.support.shop import OpenShop

NAME, PHONE = "Kanariya Vogelsang", "9876501234"
MANY = 2_000
EXTRAS = ("opentelemetry", "sentry_sdk")

Received = tuple[str, bytes]


class Collector:
    """A server on loopback that accepts all requests."""

    def __init__(self) -> None:
        received: queue.Queue[Received] = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                received.put((self.path, body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        self.received = received
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    async def take(self) -> Received:
        return await asyncio.to_thread(self.received.get, timeout=30)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def broken(*_: object) -> None:
    customer_name = NAME
    raise KeyError(customer_name) from ValueError(PHONE)


async def test_an_error_is_reported_to_sentry_without_personal_data(
    open_shop: OpenShop, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await open_shop(sentry_dsn=f"http://key@{collector.address}/7")
    monkeypatch.setattr("endpoints.sales.estimates.draft", broken)
    body = estimate_body(customer_name=NAME, customer_phone=PHONE)
    headers = {"Referer": f"http://till.example/?name={NAME}"}
    answer = await shop.http.post("/api/estimates/create", json=body, headers=headers)
    assert answer.status_code == 500
    path, envelope = await collector.take()
    assert path == "/api/7/envelope/"
    event = next(each for each in map(json.loads, envelope.splitlines()) if "exception" in each)
    types = [each["type"] for each in event["exception"]["values"]]
    assert types == ["ValueError", "KeyError"]
    assert event["exception"]["values"][-1]["stacktrace"]["frames"][-1]["function"] == "broken"
    assert event["tags"] == {
        "route": "/api/estimates/create",
        "method": "POST",
        "request_id": answer.headers["x-request-id"],
    }
    for quoted in (NAME, PHONE, "Kanariya", 'request":', "127.0.0.1:"):
        assert quoted not in json.dumps(event)


async def test_rejections_are_not_reported(open_shop: OpenShop, collector: Collector) -> None:
    shop = await open_shop(sentry_dsn=f"http://key@{collector.address}/7")
    for path in ("/nothing", "/api/orders/X", "/api/orders/all?limit=x"):
        assert (await shop.http.get(path)).status_code < 500
    assert collector.received.empty()


def test_personal_data_is_removed_from_an_event() -> None:
    frame = {"function": "f", "vars": {"name": NAME}}
    event = {
        "event_id": "1",
        "user": {"ip": "::1"},
        "request": {"data": NAME},
        "extra": {"a": NAME},
        "message": NAME,
        "breadcrumbs": [NAME],
        "server_name": NAME,
        "level": "error",
        "exception": {
            "values": [{"type": "KeyError", "value": NAME, "stacktrace": {"frames": [frame]}}, {"type": "X"}]
        },
    }
    assert scrubbed(event, {}) == {
        "event_id": "1",
        "level": "error",
        "exception": {
            "values": [
                {"type": "KeyError", "value": "", "stacktrace": {"frames": [{"function": "f"}]}},
                {"type": "X", "value": ""},
            ]
        },
    }


async def test_a_span_is_sent_to_the_collector(
    open_shop: OpenShop, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    shop = await open_shop(otlp_endpoint=f"http://{collector.address}")
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = {"traceparent": f"00-{trace}-{parent}-01", "Authorization": "Bearer canary"}
    await shop.http.get(f"/api/orders/{PHONE}?name={NAME}", headers=headers)
    path, content = await collector.take()
    assert path == "/v1/traces"
    (resource,) = ExportTraceServiceRequest.FromString(content).resource_spans
    resource_attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert resource_attributes["service.name"] == "POS backend"
    (span,) = resource.scope_spans[0].spans
    assert span.name == "GET /api/orders/{order_id}"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace, parent)
    assert 0 < span.end_time_unix_nano - span.start_time_unix_nano < 10**10
    attributes = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
    assert attributes == {
        "http.request.method": "GET",
        "http.route": "/api/orders/{order_id}",
        "http.response.status_code": 404,
    }
    for quoted in (NAME, PHONE, "canary"):
        assert quoted.encode() not in content


@pytest.mark.alone
async def test_a_silent_collector_does_not_delay_a_shutdown() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        tracing, reports = Tracing(f"http://{address}"), ErrorReports(f"http://key@{address}/7")
        tracing.observe(RequestRecord({"method": "GET", "headers": []}, 0.0, "GET", status=200))
        reports.capture(ZeroDivisionError(), {"method": "GET"})
        async with asyncio.timeout(10):
            await asyncio.gather(tracing.close(), reports.close())


@pytest.mark.alone
async def test_a_full_queue_does_not_delay_a_shutdown() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        tracing = Tracing(f"http://127.0.0.1:{silent.getsockname()[1]}")
        observe_many(tracing)
        # Two seconds, and some more on a busy machine; sending all batches in turn would take eight.
        async with asyncio.timeout(4):
            await tracing.close()


async def test_a_full_queue_is_sent_completely_at_the_end(collector: Collector) -> None:
    tracing = Tracing(f"http://{collector.address}")
    observe_many(tracing)
    await tracing.close()
    arrived = 0
    while arrived < MANY:
        _, content = await collector.take()
        (resource,) = ExportTraceServiceRequest.FromString(content).resource_spans
        arrived += len(resource.scope_spans[0].spans)
    assert arrived == MANY


def observe_many(tracing: Tracing) -> None:
    for _ in range(MANY):
        tracing.observe(RequestRecord({"method": "GET", "headers": []}, 0.0, "GET", status=200))


def python(program: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-c", program),
        cwd=ROOT,
        env=environment(MONGODB_URL="mongodb://127.0.0.1:9/", **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("package", "setting", "value", "extra"),
    [
        ("sentry_sdk", "SENTRY_DSN", "http://key@127.0.0.1:9/1", "sentry"),
        ("opentelemetry", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9", "otel"),
    ],
)
def test_a_missing_package_is_reported_in_a_sentence(package: str, setting: str, value: str, extra: str) -> None:
    refused = python(f"import sys; sys.modules[{package!r}] = None; import asgi", **{setting: value})
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{setting} is set, but")
    assert f"pip install '.[{extra}]'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_invalid_dsn_is_reported_in_a_sentence() -> None:
    refused = python("import asgi", SENTRY_DSN="http://:s3cret@127.0.0.1:9/1")
    assert refused.returncode == 1
    assert refused.stderr.startswith("A setting is wrong. SENTRY_DSN:")
    assert "s3cret" not in refused.stderr
    assert "Traceback" not in refused.stderr


def test_optional_packages_are_imported_only_if_configured() -> None:
    program = f"import sys, asgi; print({{name.split('.')[0] for name in sys.modules}} & {set(EXTRAS)!r})"
    assert python(program).stdout.strip() == "set()"
