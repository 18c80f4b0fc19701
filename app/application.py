"""The application factory: settings in, an application out."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.middleware import Middleware

from app import SERVICE, __version__
from app.clock import utc_now
from app.composition.accounts import Accounts, AccountState
from app.composition.first_run import log_setup_instructions, setup_token
from app.composition.messaging import Messaging, MessagingState
from app.composition.stores import StoreDependencies, Stores, StoreState
from app.config.settings import Settings
from app.middleware.client_address import ClientAddress
from app.middleware.compression import Compression
from app.middleware.cors import Cors
from app.middleware.deadline import Deadlines
from app.middleware.envelope import Envelope
from app.middleware.errors import EXCEPTION_HANDLERS, ErrorGuard
from app.middleware.host_guard import HostOriginGuard
from app.middleware.large_bodies import LargeBodies
from app.middleware.observation import Observer
from app.middleware.pacing import Pacing
from app.middleware.setup_gate import SetupGate
from app.observability.error_reports import ErrorReports
from app.observability.event_loop_lag import LoopLag
from app.observability.line_writer import LineWriter
from app.observability.metrics import Metrics, MonitoredParts
from app.observability.tracing import Tracing
from app.observability.websocket_log import SocketObservation
from app.observability.worker_metrics import WorkerMetrics
from app.openapi.document import Description
from app.server.memory import Memory
from app.server.shutdown import Shutdown
from endpoints.accounts.authentication import Authenticator
from endpoints.http.literal_routes import FixedPaths
from endpoints.http.state import About
from endpoints.live.connections import Connections
from endpoints.live.origins import Origins
from endpoints.live.ring_buffer import CAPACITY
from endpoints.routes import ROUTES, SLASHED
from endpoints.sales.render_cache import RenderCaches
from endpoints.transfer.concurrency_limits import LISTS, LISTS_EACH, PAGES, PAGES_EACH, ConcurrencyLimit
from repositories.accounts.rate_limits import RateLimits
from repositories.accounts.secret_key import check_key
from repositories.accounts.setup import ShopSetup
from repositories.database.client import Database, check_deployment, close_in_background, connect
from repositories.database.clock import Clocks, DatabaseClock
from repositories.database.connection_pool import PoolMetrics
from repositories.database.errors import DatabaseRefused, Unavailable, safe_error_text
from repositories.diagnostics.health import HealthCheck
from repositories.migrations.indexes import prepare
from repositories.migrations.rebuild import rebuild
from repositories.sharing.links import PublicLinks
from repositories.shop.stores import AllStoresReports
from schemas.accounts.serializers import AccountSerializers, account_serializers_for
from schemas.core.calendar import Clock
from schemas.sales.serializers import Serializers, serializers_for
from schemas.text.phones import currency_region
from services.messaging.provider import Provider, provider_of
from services.printing.preemption import Preemption
from services.printing.renderer import PdfRenderer
from services.printing.worker_pool import RenderPool

logger = logging.getLogger("pos")

EXPOSED_HEADERS: Final = (
    "ETag",
    "Idempotent-Replayed",
    "Link",
    "Retry-After",
    "WWW-Authenticate",
    "X-Next-Cursor",
    "X-Request-ID",
    "X-Stream-Position",
)


class ProcessState(StoreState, AccountState, MessagingState):
    """The members of `request.state`, without `principal`."""

    about: About
    description: Description
    clock: Clock
    zone: ZoneInfo
    currency: str
    region: str
    public_base_url: str
    is_open: bool
    stores: Stores
    all_stores: AllStoresReports
    authenticator: Authenticator
    connections: Connections
    rate_limits: RateLimits
    setup: ShopSetup
    setup_token: str | None
    origins: Origins
    pdf_renderer: PdfRenderer
    public_links: PublicLinks
    serializers: Serializers
    account_serializers: AccountSerializers
    render_caches: RenderCaches
    list_concurrency: ConcurrencyLimit
    page_concurrency: ConcurrencyLimit
    health_check: HealthCheck
    database_clock: DatabaseClock
    metrics: WorkerMetrics
    shutdown: Shutdown


def create_app(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    ring_capacity: int = CAPACITY,
    access_log: Observer | None = None,
    socket_log: LineWriter | None = None,
    provider: Provider | None = None,
) -> Starlette:
    """Return the application.

    :param ring_capacity: how many of the newest events the hub keeps in memory.
    :param provider: sends messages to phones; None for the provider of the settings.
    :raises InvalidSettings: a package that they need is not installed.
    """
    metrics = Metrics()
    tracing = Tracing(settings.otlp_endpoint) if settings.otlp_endpoint else None
    reports = ErrorReports(settings.sentry_dsn) if settings.sentry_dsn else None

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[ProcessState]:
        if settings.mongodb_url is None:
            raise DatabaseRefused("MONGODB_URL is not set.")
        async with AsyncExitStack() as stack:
            # Each part stops in the reverse order of the start, also where a later part cannot start.
            stop_later = stack.push_async_callback
            for sender in (reports, tracing):
                if sender is not None:
                    stop_later(sender.close)
            pool = PoolMetrics()
            client = connect(settings.mongodb_url, pool)
            stack.callback(close_in_background, client)
            database = client[settings.database_name]
            store, zone = settings.store_id, settings.timezone
            database_clock, clocks = await _make_ready(database, settings, clock)
            stop_later(database_clock.stop)
            rate_limits = RateLimits(
                settings.mongodb_url, settings.database_name, settings.rate_limit, settings.message_rate_limit
            )
            stack.callback(rate_limits.close)
            preemption = Preemption()
            stores = Stores(
                store,
                StoreDependencies(database, settings, clock, ring_capacity, metrics.group, preemption.set_busy, clocks),
            )
            stop_later(stores.stop)
            await stores.start()
            workers = WorkerMetrics.of_this_server(metrics)
            stop_later(workers.stop)
            await workers.start()
            pdf_renderer = PdfRenderer(RenderPool(preemption, font_dir=settings.font_dir), zone, settings.currency)
            stop_later(pdf_renderer.stop)
            accounts = Accounts(settings, database, clocks.expiry, stores.journal_of, rate_limits)
            stack.callback(accounts.close)
            setup = ShopSetup(database, accounts.users, clocks.expiry)
            await log_setup_instructions(settings, setup)
            messaging = Messaging(
                settings, database, stores, clocks.expiry, provider or provider_of(settings.whatsapp, clock)
            )
            stop_later(messaging.stop)
            messaging.start()
            lag, memory = LoopLag(), Memory()
            credentials = None if settings.is_open else accounts.credentials
            connections = Connections(credentials, clocks.expiry)
            for part in (memory, lag, connections):
                stop_later(part.stop)
                part.start()
            metrics.watch(MonitoredParts(stores, pool, lag))
            serializers = serializers_for(zone)
            shutdown = stack.enter_context(Shutdown().noticed())
            yield {
                "about": About(SERVICE, __version__),
                "description": description,
                "clock": clock,
                "zone": zone,
                "currency": settings.currency,
                **stores.home.state,
                "stores": stores,
                "is_open": settings.is_open,
                "authenticator": Authenticator(credentials),
                "connections": connections,
                "rate_limits": rate_limits,
                **accounts.state,
                "all_stores": AllStoresReports(database, zone, clock),
                "setup": setup,
                "setup_token": setup_token(settings),
                "origins": origins,
                "public_base_url": settings.public_base_url,
                "pdf_renderer": pdf_renderer,
                "region": currency_region(settings.currency),
                **messaging.state,
                "public_links": PublicLinks(database, clocks.expiry),
                "serializers": serializers,
                "account_serializers": account_serializers_for(zone),
                "render_caches": RenderCaches(serializers),
                "list_concurrency": ConcurrencyLimit(LISTS_EACH, LISTS),
                "page_concurrency": ConcurrencyLimit(PAGES_EACH, PAGES),
                "health_check": HealthCheck(database, store),
                "database_clock": database_clock,
                "metrics": workers,
                "shutdown": shutdown,
            }

    origins = Origins(settings.public_base_url, *settings.cors_origins)
    description = Description(ROUTES)
    observers = [metrics.observe, *([access_log] if access_log else []), *([tracing.observe] if tracing else [])]
    app = Starlette(
        routes=[FixedPaths(ROUTES), *ROUTES, *SLASHED],
        lifespan=lifespan,
        exception_handlers=EXCEPTION_HANDLERS,
        middleware=_middleware(settings, observers, reports, socket_log, origins),
    )
    # The existing app's HTTP client drops the body of a redirected POST.
    app.router.redirect_slashes = False
    return app


async def _make_ready(database: Database, settings: Settings, clock: Clock) -> tuple[DatabaseClock, Clocks]:
    """Check and prepare the database, and return its clock and the clocks of expiry.

    :raises DatabaseRefused: the database cannot be used.
    """
    database_clock = DatabaseClock(database, clock)
    try:
        await check_deployment(database.client)
        await database_clock.measure()
        database_clock.log_skew()
        await prepare(database, settings.store_id, settings.timezone, settings.event_retention_days)
        await check_key(database, settings.secret_key)
        await rebuild(database, settings.store_id, currency_region(settings.currency))
        await database_clock.log_future_document(settings.store_id)
    except Unavailable as error:
        raise DatabaseRefused(f"The database at MONGODB_URL cannot be used: {safe_error_text(error)}") from error
    database_clock.start()
    # A clock that is passed in replaces that of the database too.
    return database_clock, Clocks(database_clock, database_clock if clock is utc_now else clock)


def _middleware(
    settings: Settings,
    observers: Sequence[Observer],
    reports: ErrorReports | None,
    socket_log: LineWriter | None,
    origins: Origins,
) -> list[Middleware]:
    """Return the middleware, from the outside in. The error guard is inside CORS, so that a browser can read errors,
    and outside compression, so that it knows whether the response has begun."""
    cors = Middleware(
        Cors,
        allow_origins=settings.cors_origins,
        allow_methods=("GET", "POST", "PUT", "DELETE"),
        allow_headers=("*",),
        expose_headers=EXPOSED_HEADERS,
    )
    return [
        *([Middleware(ClientAddress, proxies=settings.trusted_proxies)] if settings.trusted_proxies else []),
        Middleware(Envelope, observers=observers, is_https=settings.public_base_url.startswith("https:")),
        *([Middleware(SocketObservation, log=socket_log)] if socket_log else []),
        *([cors] if settings.cors_origins else []),
        Middleware(ErrorGuard, **({"report": reports.capture} if reports else {})),
        Middleware(Deadlines),
        Middleware(HostOriginGuard, settings=settings, origins=origins),
        *([] if settings.is_open else [Middleware(SetupGate)]),
        Middleware(LargeBodies),
        Middleware(Pacing),
        Middleware(Compression),
    ]
