"""The health check: whether the store's database could take a sale now."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from pymongo.errors import PyMongoError

from repositories.concurrency.single_flight import SingleFlight
from repositories.database.client import RESTORING, Database
from repositories.database.errors import BeingRestored, Emptied, Unavailable
from schemas.core.collections import COUNTERS

TIMEOUT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """The state of a store's database."""

    #: connected, restoring, emptied or unreachable.
    status: str
    #: The duration of a round trip; None without a response.
    latency_ms: float | None = None

    @property
    def refusal(self) -> Unavailable | None:
        """The error for requests to the store, None if it can sell."""
        if self.status == "connected":
            return None
        return {"restoring": BeingRestored, "emptied": Emptied}.get(self.status, Unavailable)()


class HealthCheck:
    """The health check of one store: a round trip to the primary that reads its counters."""

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self._store = store
        self._asking: SingleFlight[str, HealthStatus] = SingleFlight()

    async def run(self) -> HealthStatus:
        """Return the current status.

        Concurrent calls share one round trip: one that hangs occupies a thread until the driver gives up.
        """
        try:
            return await asyncio.wait_for(self._asking(self._store, self._ask), TIMEOUT_SECONDS)
        except TimeoutError:
            return HealthStatus("unreachable")

    async def _ask(self) -> HealthStatus:
        started = time.perf_counter()
        try:
            counters = await self._database[COUNTERS].find_one({"_id": self._store}, {RESTORING: 1})
        except PyMongoError:
            return HealthStatus("unreachable")
        latency = round((time.perf_counter() - started) * 1000, 2)
        if counters is None:
            return HealthStatus("emptied", latency)
        return HealthStatus("restoring" if RESTORING in counters else "connected", latency)
