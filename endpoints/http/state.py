"""The typed state of a request: what the application and the store of the request provide to handlers.

The classes only declare: at run time `request.state` is Starlette's own `State`. A room whose handlers need members of
types that this one may not import declares a subclass.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar, runtime_checkable
from zoneinfo import ZoneInfo

from starlette.datastructures import State
from starlette.requests import Request

from repositories.accounts.accounts import Devices, Users
from repositories.accounts.credentials import Credentials
from repositories.accounts.rate_limits import RateLimits
from repositories.accounts.sessions import Sessions
from repositories.accounts.setup import ShopSetup
from repositories.accounts.sign_in import SignIn
from repositories.auditing.audit_log import AuditLog
from repositories.customers.customers import CustomerRepository
from repositories.database.clock import DatabaseClock
from repositories.diagnostics.health import HealthCheck
from repositories.event_log.event_log import EventLog
from repositories.leadership.shared_journal import SharedJournal
from repositories.messaging.messages import MessageRepository
from repositories.messaging.outbox import Outbox
from repositories.messaging.uploads import Uploads
from repositories.reporting.hourly import HourRepository
from repositories.reporting.reports import ReportRepository
from repositories.sales.documents import Documents
from repositories.sales.history import History
from repositories.sharing.links import LinkRepository, PublicLinks
from repositories.shop.settings import ShopSettingsRepository
from repositories.shop.stores import AllStoresReports
from schemas.accounts.serializers import AccountSerializers
from schemas.core.calendar import Clock
from schemas.core.collections import ESTIMATES, EVENT_TYPES
from schemas.core.principals import Principal
from schemas.journal.events import Event
from schemas.messaging.whatsapp_webhook import WebhookKeys
from schemas.printing.letterhead import Letterhead
from schemas.sales.documents import Estimate, Order
from schemas.sales.serializers import Serializers
from services.messaging.dispatcher import OutboxDispatcher
from services.printing.renderer import PdfRenderer


@dataclass(frozen=True, slots=True)
class About:
    service: str
    version: str


@runtime_checkable
class EventNotifier(Protocol):
    """The hub, as those know it that write."""

    def notify(self, events: Sequence[Event]) -> None:
        """Publish events that this process has just committed."""
        ...


@runtime_checkable
class OpenStores(Protocol):
    """The stores that are open in this process."""

    @property
    def is_full(self) -> bool:
        """Whether the limit of live connections is reached."""
        ...

    async def state(self, name: str) -> Mapping[str, Any]:
        """Return the state of requests to a store, which is opened if need be."""
        ...

    def in_use(self, name: str) -> AbstractContextManager[None]:
        """Keep an open store open until the end of the block."""
        ...


@runtime_checkable
class MetricsSource(Protocol):
    """The metrics of all workers."""

    media_type: str

    async def text(self) -> bytes: ...


@runtime_checkable
class ShutdownFlag(Protocol):
    has_begun: bool


class ShopState(State):
    """Members that need no type of another room.

    `principal` is set by the guard of a route; the members of a store are replaced where the request is to another
    store than that of the settings.
    """

    principal: Principal

    # The process.
    about: About
    clock: Clock
    zone: ZoneInfo
    currency: str
    region: str
    public_base_url: str
    stores: OpenStores
    all_stores: AllStoresReports
    rate_limits: RateLimits
    serializers: Serializers
    account_serializers: AccountSerializers
    pdf_renderer: PdfRenderer
    public_links: PublicLinks
    health_check: HealthCheck
    database_clock: DatabaseClock
    metrics: MetricsSource
    shutdown: ShutdownFlag

    # Accounts.
    is_open: bool
    credentials: Credentials
    sessions: Sessions
    users: Users
    devices: Devices
    sign_in: SignIn
    setup: ShopSetup
    setup_token: str | None

    # Messages.
    outbox: Outbox
    dispatcher: OutboxDispatcher
    uploads: Uploads
    large_bodies: asyncio.Semaphore
    webhook_keys: WebhookKeys
    document_base_url: str | None

    # The store of the request.
    store: str
    hub: EventNotifier
    event_log: EventLog
    journal: SharedJournal
    estimates: Documents[Estimate]
    orders: Documents[Order]
    history: History
    reports: ReportRepository
    hours: HourRepository
    links: LinkRepository
    messages: MessageRepository
    audit: AuditLog
    customers: CustomerRepository
    shop_settings: ShopSettingsRepository
    letterhead: Callable[[], Awaitable[Letterhead]]


ShopRequest = Request[ShopState]
#: For functions that take the requests of several rooms.
AnyState = TypeVar("AnyState", bound=ShopState)


_KINDS: Final = {f"{event}_id": kind for kind, event in EVENT_TYPES.items()}


def document_in_path(request: Request[Any]) -> tuple[str, str]:
    """Return kind and id of the document that a path names by its only parameter, as `order_id`."""
    ((name, document_id),) = request.path_params.items()
    return _KINDS[name], document_id


def documents_of(state: ShopState, kind: str) -> Documents[Any]:
    """Return the repository of a kind: estimates or orders."""
    return state.estimates if kind == ESTIMATES else state.orders
