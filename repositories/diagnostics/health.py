"""Whether a sale could be booked now, asked of the database at most once at a time however many want to know."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from pymongo.errors import PyMongoError

from repositories.database.client import RESTORING, Database
from repositories.database.errors import BeingRestored, Emptied, Unavailable
from schemas.core.collections import COUNTERS

TIMEOUT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class HealthStatus:
    """How the store's database stands: connected, restoring, emptied or unreachable.

    latency_ms: of a round trip; None where none came back within two seconds.
    """

    status: str
    latency_ms: float | None = None

    @property
    def refusal(self) -> Unavailable | None:
        """What whoever wants something of the store hears now; None where it could sell."""
        if self.status == "connected":
            return None
        return {"restoring": BeingRestored, "emptied": Emptied}.get(self.status, Unavailable)()


class HealthCheck:
    """The pulse of one store: a round trip to the primary that reads its counters."""

    def __init__(self, database: Database, store: str) -> None:
        self._database = database
        self._store = store
        self._running: asyncio.Task[HealthStatus] | None = None

    async def run(self) -> HealthStatus:
        """How it stands now.

        A round trip that hangs keeps its thread until the driver gives it up, so those who ask meanwhile share it.
        """
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait({self._running}, timeout=TIMEOUT_SECONDS)
        return next(iter(done)).result() if done else HealthStatus("unreachable")

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
