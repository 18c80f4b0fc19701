"""OpenTelemetry spans, if `OTEL_EXPORTER_OTLP_ENDPOINT` names a collector: one for each request, without its query,
body, headers and client."""

import asyncio
import time
from http import HTTPStatus
from threading import Thread
from typing import Final

from app import SERVICE, __version__
from app.config.settings import InvalidSettings
from app.middleware.observation import RequestRecord

#: The header with the trace id, in hexadecimal digits. `tracestate` is ignored, since it is free text of a client.
_PARENT: Final = b"traceparent"
#: The seconds for which a shutdown waits for the collector.
_SEND_SECONDS: Final = 2.0


class Tracing:
    """Observe requests, and send a span of each.

    :param endpoint: the collector's address, for OTLP over HTTP; `/v1/traces` is added.
    :raises InvalidSettings: the packages are not installed.
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

    def observe(self, record: RequestRecord) -> None:
        """Create the span of a finished request."""
        ended = time.time_ns()
        carrier = {"traceparent": _parent(record)}
        span = self._tracer.start_span(
            f"{record.method} {record.route}",
            self._propagator.extract(carrier),
            self._server,
            {
                "http.request.method": record.method,
                "http.route": record.route,
                "http.response.status_code": record.status,
            },
            start_time=ended - round(record.ended * 1e9),
        )
        if record.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_status(self._error)
        span.end(ended)

    async def close(self) -> None:
        """Send the waiting spans, for two seconds at most."""
        # A full queue is sent in several batches, each of which may wait this long. The rest is dropped.
        sending = Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        await asyncio.to_thread(sending.join, _SEND_SECONDS)


def _parent(record: RequestRecord) -> str:
    return next((value.decode("latin-1") for name, value in record.scope["headers"] if name == _PARENT), "")
