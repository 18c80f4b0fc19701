"""Canaries: no password, PIN, token, key, ticket, phone number, header or query is in a sent span."""

import asyncio
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from schemas.core.principals import OWNER
from tests.observability.test_error_reports_and_tracing import NAME, PHONE, Collector, collector  # noqa: F401
from tests.observability.test_secrets_in_logs import use_all_secrets
from tests.support.accounts import as_, signed_in_shop
from tests.support.payloads import sale_body
from tests.support.shop import OpenShop

NOTE = "Kanarienvogel"


async def test_no_secret_is_in_a_span(
    open_shop: OpenShop,
    collector: Collector,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    shop = await signed_in_shop(open_shop, otlp_endpoint=f"http://{collector.address}")
    secrets, _ = await use_all_secrets(shop, monkeypatch)
    owner = await as_(shop, OWNER, login=f"owner-two-{shop.store}")
    secrets |= {NAME, PHONE, NOTE, owner["Authorization"].split()[1], shop.store}
    ticket = (await shop.http.post("/api/ws-ticket", headers=owner)).json()["ticket"]
    async with shop.http.stream("GET", f"/api/events/stream?ticket={ticket}") as stream:
        assert stream.status_code == 200
    headers = {
        **owner,
        "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
        "tracestate": f"shop={NOTE}",
        "baggage": f"customer={NOTE}",
        "User-Agent": NOTE,
        "X-Request-ID": NOTE,
        "Idempotency-Key": NOTE,
    }
    body = sale_body(customer_name=NAME, customer_phone=PHONE)
    sold = await shop.http.post("/api/orders/create-sale", json=body, headers=headers)
    assert sold.status_code == 201, sold.text
    for method, path in (("GET", f"/api/orders/all?customer_phone={PHONE}"), ("PROPFIND", f"/{NOTE}/{PHONE}")):
        await shop.http.request(method, path, headers=headers)
    spans, content = await _spans_until(collector, "OTHER unmatched")
    assert {"POST /api/auth/login", "POST /api/orders/create-sale", "GET /api/events/stream"} <= {
        span.name for span in spans
    }
    for span in spans:
        names = {attribute.key for attribute in span.attributes}
        assert names == {"http.request.method", "http.route", "http.response.status_code"}
        assert (span.trace_state, list(span.events), list(span.links), span.status.message) == ("", [], [], "")
    assert [secret for secret in (*secrets, ticket) if secret.encode() in content] == []


async def _spans_until(collector: Collector, last: str) -> tuple[list[Any], bytes]:  # noqa: F811
    """Return all spans that arrived until the last one, and their content."""
    spans: list[Any] = []
    content = b""
    async with asyncio.timeout(30):
        while last not in {span.name for span in spans}:
            _, sent = await collector.take()
            content += sent
            (resource,) = ExportTraceServiceRequest.FromString(sent).resource_spans
            spans += resource.scope_spans[0].spans
    return spans, content
