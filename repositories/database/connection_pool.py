"""Counts of the driver's pool of connections, from its monitoring events."""

import threading

from pymongo import monitoring


class PoolMetrics(monitoring.ConnectionPoolListener):
    """The counts of a pool. The driver calls the methods from its own threads.

    :ivar in_use: connections that are checked out.
    :ivar created: connections opened since the start.
    :ivar closed: connections closed since the start.
    :ivar failed: check-outs since the start that got no connection.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.in_use = self.created = self.closed = self.failed = 0

    @property
    def opened(self) -> int:
        return self.created - self.closed

    def connection_created(self, event: monitoring.ConnectionCreatedEvent) -> None:
        with self._lock:
            self.created += 1

    def connection_closed(self, event: monitoring.ConnectionClosedEvent) -> None:
        with self._lock:
            self.closed += 1

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        with self._lock:
            self.in_use += 1

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        with self._lock:
            self.in_use -= 1

    def connection_check_out_failed(self, event: monitoring.ConnectionCheckOutFailedEvent) -> None:
        with self._lock:
            self.failed += 1

    def connection_check_out_started(self, event: monitoring.ConnectionCheckOutStartedEvent) -> None: ...

    def connection_ready(self, event: monitoring.ConnectionReadyEvent) -> None: ...

    def pool_created(self, event: monitoring.PoolCreatedEvent) -> None: ...

    def pool_ready(self, event: monitoring.PoolReadyEvent) -> None: ...

    def pool_cleared(self, event: monitoring.PoolClearedEvent) -> None: ...

    def pool_closed(self, event: monitoring.PoolClosedEvent) -> None: ...
