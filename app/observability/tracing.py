"""Spans for OpenTelemetry, where `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector: one a request, without its query, its
body, its headers or who sent it."""

import asyncio
import time
from http import HTTPStatus
from threading import Thread
from typing import Final

from app import SERVICE, __version__
from app.config.settings import InvalidSettings
from app.middleware.observation import RequestRecord

#: What ties the span to its trace, in hexadecimal digits. Not `tracestate`, which is whatever a client writes.
_PARENT: Final = b"traceparent"
#: A shutdown waits for no longer, whatever the collector does.
_SEND_SECONDS: Final = 2.0


class Tracing:
    """Observes requests, and sends a span of each.

    :param endpoint: the collector's address, for OTLP over HTTP; `/v1/traces` is added.
    :raises InvalidSettings: the packages for it are not installed.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise InvalidSettings(
                "OTEL_EXPORTER_OTLP_ENDPOINT is set, but its packages are missing: pip install '.[otel]', or unset it."
            ) from error
        self._propagator = TraceContextTextMapPropagator()
        self._server = trace.SpanKind.SERVER
        self._error = trace.StatusCode.ERROR
        resource = Resource.create({"service.name": SERVICE, "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_SEND_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SERVICE, __version__)

    def observe(self, exchange: RequestRecord) -> None:
        """Makes the span of a request that is over."""
        ended = time.time_ns()
        carrier = {"traceparent": _parent(exchange)}
        span = self._tracer.start_span(
            f"{exchange.method} {exchange.route}",
            self._propagator.extract(carrier),
            self._server,
            {
                "http.request.method": exchange.method,
                "http.route": exchange.route,
                "http.response.status_code": exchange.status,
            },
            start_time=ended - round(exchange.ended * 1e9),
        )
        if exchange.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(self._error)
        span.end(ended)

    async def close(self) -> None:
        """Sends what waits, for two seconds at the most."""
        # A full queue goes out in several batches, each of which may wait for as long: what is left then is given up.
        sending = Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, _SEND_SECONDS)


def _parent(exchange: RequestRecord) -> str:
    return next((value.decode("latin-1") for name, value in exchange.scope["headers"] if name == _PARENT), "")
