"""The status of the service: welcome, health, readiness, version, metrics, live connections."""

from typing import Any

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from endpoints.http.errors import Forbidden
from endpoints.http.operations import Operation, ResponseSpec, operation, simple_op
from endpoints.http.responses import answer
from endpoints.live.state import LiveRequest
from repositories.database.clock import DatabaseClock
from repositories.database.errors import RETRY_AFTER, BeingRestored, Unavailable
from schemas.core.calendar import shop_time
from schemas.fields.shapes import ref


def clock_members(clock: DatabaseClock) -> dict[str, Any]:
    """Return the members about clock skew; none if the clocks of the machine and the database agree."""
    clock.log_skew()
    behind = round(clock.behind.total_seconds(), 1)
    return {} if clock.is_in_sync else {"clock": {"status": "wrong", "behind_seconds": behind}}


class Welcome(HTTPEndpoint):
    @operation(simple_op("What this is", "Welcome"))
    async def get(self, request: LiveRequest) -> Response:
        about = request.state.about
        return answer(
            {
                "message": f"Welcome to {about.service}",
                "service": about.service,
                "version": about.version,
                "health": "/health",
                "api": "/api/",
                "websocket": "/ws",
                "docs": "/docs",
                "openapi": "/openapi.json",
                "asyncapi": "/asyncapi.json",
                "board": "/board",
            }
        )


class ApiRoot(HTTPEndpoint):
    @operation(simple_op("What this API has", "ApiRoot"))
    async def get(self, request: LiveRequest) -> Response:
        about = request.state.about
        return answer(
            {
                "service": about.service,
                "version": about.version,
                "status": "running",
                "resources": ["/api/estimates/all", "/api/orders/all", "/api/reports/today"],
            }
        )


class Version(HTTPEndpoint):
    @operation(simple_op("The version", "Version"))
    async def get(self, request: LiveRequest) -> Response:
        about = request.state.about
        return answer({"service": about.service, "version": about.version})


class Health(HTTPEndpoint):
    """Reports whether the service can book a sale: 200, or 503 with the same shape."""

    @operation(
        Operation(
            summary="Whether a sale could be booked now",
            responses={
                200: ResponseSpec(content=ref("Healthy"), description="It could."),
                503: ResponseSpec(
                    content=ref("Unhealthy"),
                    description="The database does not answer, or the store is being restored.",
                    headers=("Retry-After",),
                ),
            },
        )
    )
    async def get(self, request: LiveRequest) -> Response:
        about = request.state.about
        health: dict[str, Any] = {
            "status": "healthy",
            "timestamp": shop_time(request.state.clock(), request.state.zone),
            "service": about.service,
            "version": about.version,
        }
        health_status = await request.state.health_check.run()
        health["database"] = {"status": health_status.status, "latency_ms": health_status.latency_ms}
        health |= clock_members(request.state.database_clock)
        if health_status.refusal is not None:
            health |= {"status": "unhealthy", "detail": health_status.refusal.detail}
            return answer(health, 503, RETRY_AFTER)
        return answer(health)


class Liveness(HTTPEndpoint):
    """Reports that the process runs, without I/O, so that an unavailable database causes no restart."""

    @operation(simple_op("Whether the process runs", "Alive"))
    async def get(self, request: LiveRequest) -> Response:
        return answer({"status": "alive"})


class Readiness(HTTPEndpoint):
    """Reports whether to route requests to this process: not after a shutdown has begun, nor while the database is
    unavailable or the store is being restored."""

    @operation(simple_op("Whether requests should be sent here", "Ready", errors=(Unavailable, BeingRestored)))
    async def get(self, request: LiveRequest) -> Response:
        if request.state.shutdown.has_begun:
            raise Unavailable("The service is shutting down.")
        refusal = (await request.state.health_check.run()).refusal
        if refusal is not None:
            raise refusal
        if request.state.hub.status.is_stale:
            raise Unavailable("Live updates do not follow the event log just now.")
        return answer({"status": "ready", **clock_members(request.state.database_clock)})


class Metrics(HTTPEndpoint):
    @operation(
        Operation(
            summary="Figures of all workers, for Prometheus",
            responses={
                200: ResponseSpec(
                    content={"type": "string"}, description="Prometheus' text format.", media="text/plain"
                )
            },
        )
    )
    async def get(self, request: LiveRequest) -> Response:
        if request.state.principal.store is not None:
            raise Forbidden("These figures are of all stores, and your sign-in belongs to one.")
        metrics = request.state.metrics
        return Response(await metrics.text(), media_type=metrics.media_type)


class WebSocketStatus(HTTPEndpoint):
    """The state of the hub of this process: `active`, or `degraded` while it cannot follow the log."""

    @operation(simple_op("The number of connected clients, and the state of the hub of this process", "HubStatus"))
    async def get(self, request: LiveRequest) -> Response:
        status = request.state.hub.status
        return answer(
            {
                "connected_clients": len(request.state.client_sessions),
                "status": "degraded" if status.is_stale else "active",
                "epoch": status.epoch,
                "head": status.head,
                "low": status.oldest_seq,
                "lag": status.lag,
                "doorbell_age_seconds": round(status.notification_age, 3),
                "looked_seconds_ago": round(status.head_age, 3),
            }
        )
