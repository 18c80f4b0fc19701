"""Work that several callers share."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """Does the work for a key once for all callers that want it while it is in progress."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, key: K) -> bool:
        return key in self._running

    async def __call__(self, key: K, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the work that is in progress for a key, or else of this work."""
        if key not in self._running:
            self._running[key] = asyncio.create_task(self._run(key, work))
        # Shielded: a caller that is cancelled, such as a client that disconnects, does not end the work for the others.
        return await asyncio.shield(self._running[key])

    async def stop(self) -> None:
        """Cancel all work."""
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, key: K, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await work()
        finally:
            del self._running[key]
