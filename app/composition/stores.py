"""The stores that a process serves. Each is opened when the first request needs it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, TypedDict
from zoneinfo import ZoneInfo

from app import SERVICE, __version__
from app.config.settings import Settings
from endpoints.live.hub import Hub
from endpoints.live.sessions import ClientSessions
from endpoints.transfer.response_cache import ResponseCache
from repositories.auditing.audit_log import AuditLog
from repositories.concurrency.single_flight import SingleFlight
from repositories.concurrency.supervised_task import SupervisedTask
from repositories.customers.customers import CustomerRepository
from repositories.database.client import Database
from repositories.database.clock import Clocks
from repositories.database.errors import DatabaseRefused, NoSuchStore, Unavailable
from repositories.event_log.event_log import EventLog
from repositories.journal.journal import GroupResult, Journal
from repositories.leadership.shared_journal import SharedJournal
from repositories.messaging.messages import MessageRepository
from repositories.migrations.rebuild import rebuild
from repositories.reporting.hourly import HourRepository
from repositories.reporting.reports import ReportRepository
from repositories.sales.documents import Documents
from repositories.sales.history import History
from repositories.sharing.links import LinkRepository
from repositories.shop.settings import ShopSettingsRepository
from repositories.shop.stores import store_exists
from schemas.core.calendar import Clock
from schemas.core.collections import ESTIMATES, ORDERS
from schemas.journal.events import Event
from schemas.printing.letterhead import Letterhead
from schemas.sales.documents import Estimate, Order
from schemas.shop.settings import ShopSettings
from schemas.text.phones import currency_region

#: Seconds without use after which a store is closed. The next request opens it again.
IDLE_SECONDS: Final = 300.0
#: How many stores are open at a time in one process. Each has a change stream, which occupies one of the driver's
#: threads; half of the threads are left for requests.
MOST_OPEN: Final = 12
#: A store that was used within these seconds is not closed to make room: opening it again would cost more.
_KEPT_SECONDS: Final = 30.0

logger = logging.getLogger("pos")


@dataclass(frozen=True, slots=True)
class StoreDependencies:
    """The parts that all stores of a process share.

    :param ring_capacity: how many of the newest events of a store are kept in memory.
    :param on_group: is called with each group that a journal has committed.
    :param on_busy: is called when commands begin to wait in a journal, and when none waits any more.
    """

    database: Database
    settings: Settings
    clock: Clock
    ring_capacity: int
    on_group: Callable[[GroupResult], None]
    on_busy: Callable[[bool], None]
    clocks: Clocks

    @property
    def zone(self) -> ZoneInfo:
        return self.settings.timezone


class StoreState(TypedDict):
    """The state of a request to a store."""

    store: str
    journal: SharedJournal
    estimates: Documents[Estimate]
    orders: Documents[Order]
    history: History
    reports: ReportRepository
    links: LinkRepository
    messages: MessageRepository
    letterhead: Callable[[], Awaitable[Letterhead]]
    hours: HourRepository
    event_log: EventLog
    audit: AuditLog
    customers: CustomerRepository
    shop_settings: ShopSettingsRepository
    response_cache: ResponseCache
    hub: Hub
    client_sessions: ClientSessions


class Store:
    """One store, as this process serves it."""

    def __init__(self, name: str, around: StoreDependencies) -> None:
        database, clock, zone = around.database, around.clock, around.zone
        self.name = name
        self._log = EventLog(database, name)
        region = currency_region(around.settings.currency)
        own_journal = Journal(database, store=name, zone=zone, clock=clock, region=region, clocks=around.clocks)
        own_journal.on_group, own_journal.on_busy = around.on_group, around.on_busy
        shared = f"{__version__} {around.settings.mongodb_url} {database.name} {name} {zone} {region}"
        self.journal = SharedJournal(own_journal, self._log, shared)
        self.hub = Hub(self._log, zone, around.ring_capacity, self.journal.notifications)
        self.client_sessions = ClientSessions(self.hub)
        self.response_cache = ResponseCache()
        #: How many requests use the store now, and when the last one began or ended (monotonic).
        self.requests = 0
        self.used_at = time.monotonic()
        fresh = ShopSettings.fresh(SERVICE, around.settings.public_base_url)
        self._settings = ShopSettingsRepository(database, name, self.journal, fresh)
        estimates, orders = Documents[Estimate](database, name, ESTIMATES), Documents[Order](database, name, ORDERS)
        self.state: StoreState = {
            "store": name,
            "journal": self.journal,
            "estimates": estimates,
            "orders": orders,
            "history": History(estimates, orders),
            "reports": ReportRepository(database, name, zone, clock),
            "links": LinkRepository(database, name, around.clocks.expiry),
            "messages": MessageRepository(database, name, around.settings.store_id, self.journal, clock),
            "letterhead": self._letterhead,
            "hours": HourRepository(database, name, zone, clock),
            "event_log": self._log,
            "audit": AuditLog(database, name, zone),
            "customers": CustomerRepository(database, name),
            "shop_settings": self._settings,
            "response_cache": self.response_cache,
            "hub": self.hub,
            "client_sessions": self.client_sessions,
        }

    async def _letterhead(self) -> Letterhead:
        return (await self._settings.current()).head

    @property
    def is_used(self) -> bool:
        """Whether a request, a connection or a command uses the store now."""
        return self.requests > 0 or self.hub.readers > 0 or self.journal.is_busy

    async def start(self) -> None:
        """Follow the event log, and become the leader of the journal or a follower."""
        await self.hub.start()
        self.client_sessions.start()
        await self.journal.start()

    async def stop(self) -> None:
        """Disconnect the clients, and commit the waiting commands."""
        await self.client_sessions.stop()
        await self.hub.stop()
        await self.journal.close()


class _Use(AbstractContextManager[None]):
    """A request that uses a store. A class, since it is faster than a generator, and each request passes here."""

    __slots__ = ("_store",)

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> None:
        self._store.requests += 1

    def __exit__(self, *_: object) -> None:
        self._store.requests -= 1
        self._store.used_at = time.monotonic()


class Stores:
    """The stores that are open in this process: that of the settings, which stays open, and others that were used
    recently. A store in use is never closed.

    :param idle: seconds without use after which another store is closed.
    :param most: how many stores may be open at a time.
    """

    def __init__(
        self, home: str, around: StoreDependencies, *, idle: float = IDLE_SECONDS, most: int = MOST_OPEN
    ) -> None:
        self._around = around
        self._idle = idle
        self._most = most
        self._closing = SupervisedTask("The closing of idle stores", self._close_idle)
        self._open: dict[str, Store] = {}
        self._opening: SingleFlight[str, None] = SingleFlight()
        self._ending: dict[str, asyncio.Task[None]] = {}
        self.home = Store(home, around)

    def __iter__(self) -> Iterator[Store]:
        return iter(tuple(self._open.values()))

    @property
    def is_full(self) -> bool:
        """Whether this process has the maximum of WebSockets and event streams, of all stores together."""
        return sum(store.hub.readers for store in self) >= self._around.settings.max_connections

    async def start(self) -> None:
        # First, so that `stop` also stops a store that could start in part only.
        self._open[self.home.name] = self.home
        await self.home.start()
        self._closing.start()

    async def stop(self) -> None:
        await self._closing.stop()
        await self._opening.stop()
        await asyncio.gather(*self._ending.values(), return_exceptions=True)
        await asyncio.gather(*(store.stop() for store in self))

    async def state(self, name: str) -> StoreState:
        """Return the state of requests to a store.

        The store stays open until the next `await`; `in_use` keeps it open for longer.

        :raises NoSuchStore: there is no store of that name.
        :raises Unavailable: the database does not answer, or too many stores are in use.
        """
        while (store := self._open.get(name)) is None:
            await self._opening(name, lambda: self._begin(name))
        store.used_at = time.monotonic()
        return store.state

    def in_use(self, name: str) -> AbstractContextManager[None]:
        """Keep an open store open until the end of the block."""
        return _Use(self._open[name])

    async def journal_of(self, name: str) -> SharedJournal:
        """Return the journal of a store; raise as `state` does."""
        return (await self.state(name))["journal"]

    def tell(self, name: str, events: Sequence[Event]) -> None:
        """Publish events that this process has committed, if the store is open here."""
        store = self._open.get(name)
        if store is not None:
            store.hub.notify(events)

    async def _begin(self, name: str) -> None:
        # A store that is closing finishes first, since it still has the journal.
        if name in self._ending:
            await asyncio.wait({self._ending[name]})
        if not await store_exists(self._around.database, name):
            raise NoSuchStore(f"There is no store {name!r}.")
        await self._rebuild(name)
        await self._make_room()
        store = Store(name, self._around)
        await store.start()
        store.used_at = time.monotonic()
        self._open[name] = store

    async def _rebuild(self, name: str) -> None:
        """Rebuild the documents that earlier versions wrote by other rules."""
        try:
            await rebuild(self._around.database, name, currency_region(self._around.settings.currency))
        except DatabaseRefused as error:
            raise Unavailable from error

    async def _make_room(self) -> None:
        """Close the store that was unused for longest, if the maximum is open.

        :raises Unavailable: all open stores are in use, or were a moment ago.
        """
        if len(self._open) + len(self._opening) > self._most:
            unused = self._unused_for(_KEPT_SECONDS)
            if not unused:
                raise Unavailable("Too many stores are in use. Please try again in a moment.")
            await asyncio.wait({self._close(unused[0])})

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(self._idle / 4)
            self._close_unused()

    def _close_unused(self) -> None:
        # Apart from `_close_idle`, whose variables would keep a closed store in memory while it sleeps.
        for store in self._unused_for(self._idle):
            self._close(store)

    def _unused_for(self, seconds: float) -> list[Store]:
        """Return the stores that were unused for so long, except the home store; the longest unused first."""
        until = time.monotonic() - seconds
        unused = [store for store in self if not store.is_used and store.used_at <= until and store is not self.home]
        return sorted(unused, key=lambda store: store.used_at)

    def _close(self, store: Store) -> asyncio.Task[None]:
        """Remove a store at once, and stop it in a separate task, so that a failure affects no request."""
        del self._open[store.name]
        task = self._ending[store.name] = asyncio.create_task(store.stop())
        task.add_done_callback(lambda task: self._closed(store.name, task))
        return task

    def _closed(self, name: str, task: asyncio.Task[None]) -> None:
        del self._ending[name]
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("The store %s could not be closed properly.", name, exc_info=error)
