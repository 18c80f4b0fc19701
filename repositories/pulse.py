"""Whether the database answers, asked at most once at a time however many want to know."""

import asyncio
import time
from typing import Final

from pymongo.errors import PyMongoError

from repositories.database import Client, ping

PATIENCE_SECONDS: Final = 2.0


class Pulse:
    """The pulse of one client's deployment."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asking: asyncio.Task[float | None] | None = None

    async def latency_ms(self) -> float | None:
        """Milliseconds of a round trip, or None where none came back within two seconds.

        A round trip that hangs keeps its thread until the driver gives it up, so those who ask meanwhile share it.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        done, _ = await asyncio.wait({self._asking}, timeout=PATIENCE_SECONDS)
        return next(iter(done)).result() if done else None

    async def _ask(self) -> float | None:
        started = time.perf_counter()
        try:
            await ping(self._client)
        except PyMongoError:
            return None
        return round((time.perf_counter() - started) * 1000, 2)
