"""The metrics at `/metrics` for Prometheus: counts of requests and groups, and the present state of the parts."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from app.composition.stores import Store, Stores
from app.middleware.observation import RequestRecord
from app.observability.event_loop_lag import LoopLag
from repositories.database.connection_pool import PoolMetrics
from repositories.journal.journal import GroupResult

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_SIZES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_CLASS: Final = 100

#: The metrics of each open store: name, text, value.
_OF_A_STORE: Final[tuple[tuple[str, str, Callable[[Store], float]], ...]] = (
    (
        "pos_event_log_head",
        "The sequence number of the newest event that this worker has published.",
        lambda s: s.hub.status.head,
    ),
    ("pos_hub_lag", "Committed events that this worker has not published yet.", lambda s: s.hub.status.lag),
    (
        "pos_hub_looked_seconds",
        "Seconds since the head of the event log was last read.",
        lambda s: s.hub.status.head_age,
    ),
    ("pos_hub_connections", "Open WebSockets.", lambda s: len(s.client_sessions)),
    ("pos_hub_readers", "Readers of the hub: WebSockets and event streams.", lambda s: s.hub.readers),
    ("pos_copies_bytes", "Bytes of cached responses.", lambda s: s.response_cache.size),
)


@dataclass(frozen=True, slots=True)
class MonitoredParts:
    """The parts of a running service whose state the metrics show."""

    stores: Stores
    pool: PoolMetrics
    lag: LoopLag


class Metrics:
    """The metrics of one process, in a registry of its own."""

    media_type: Final = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self._registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "pos_http_requests",
            "Requests; 4xx includes clients that disconnected before the response.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "pos_http_request_seconds",
            "Seconds from a request to the beginning of its response.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._sizes = Histogram(
            "pos_journal_group_size", "Commands in a committed group.", buckets=_SIZES, registry=self._registry
        )
        self._commits = Histogram(
            "pos_journal_commit_seconds",
            "Seconds from the beginning of a group to its commit, with failed attempts.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._failures = Counter(
            "pos_journal_failures", "Groups that failed, or whose result is unknown.", registry=self._registry
        )
        self._replays = Counter(
            "pos_idempotent_replays",
            "Repeated requests that were answered with the first response.",
            registry=self._registry,
        )
        # The labels are limited: routes of the table, known methods.
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, record: RequestRecord) -> None:
        key = record.method, record.route, record.status // _CLASS
        known = self._known.get(key)
        if known is None:
            method, route, status = key
            labelled = self._requests.labels(method, route, f"{status}xx")
            known = self._known[key] = labelled, self._seconds.labels(method, route)
        requests, seconds = known
        requests.inc()
        seconds.observe(record.answered or record.ended)

    def group(self, group: GroupResult) -> None:
        if not group.is_committed:
            self._failures.inc()
            return
        self._sizes.observe(group.size)
        self._commits.observe(group.seconds)
        if group.replays:
            self._replays.inc(group.replays)

    def watch(self, parts: MonitoredParts) -> None:
        """Include the state of these parts from now on."""
        self._registry.register(_Present(parts))

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, with the process id in each line."""
        return generate_latest(_OfProcess(self._registry, str(os.getpid())))


class _Present(Collector):
    def __init__(self, parts: MonitoredParts) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Metric]:
        for name, text, look in _OF_A_STORE:
            family = GaugeMetricFamily(name, text, labels=("store",))
            for store in self._parts.stores:
                family.add_metric((store.name,), look(store))
            yield family
        delivered = CounterMetricFamily("pos_hub_delivered", "Deliveries of an event to a reader.", labels=("store",))
        for store in self._parts.stores:
            delivered.add_metric((store.name,), store.hub.delivered)
        yield delivered
        lag = self._parts.lag.worst
        yield GaugeMetricFamily("pos_event_loop_lag_seconds", "The worst lag of the event loop.", lag.total)
        yield GaugeMetricFamily(
            "pos_event_loop_blocked_seconds",
            "The worst lag of the event loop, without waiting for a core.",
            lag.blocked,
        )
        pool = self._parts.pool
        yield GaugeMetricFamily("pos_database_connections", "Connections to the database.", pool.opened)
        yield GaugeMetricFamily("pos_database_connections_in_use", "Connections in use.", pool.in_use)
        yield CounterMetricFamily("pos_database_connections_created", "Connections that were created.", pool.created)
        yield CounterMetricFamily("pos_database_checkouts_failed", "Failed attempts to get a connection.", pool.failed)


class _OfProcess(Collector):
    def __init__(self, registry: CollectorRegistry, pid: str) -> None:
        self._registry = registry
        self._pid = pid

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [
                sample._replace(labels={**sample.labels, "worker": self._pid})
                for sample in family.samples
                # The creation time of each series would double the number of lines.
                if not sample.name.endswith("_created") or family.type == "gauge"
            ]
            yield family
