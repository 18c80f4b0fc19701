"""Slots for jobs: the shortest job first, and one slot that is reserved for short jobs."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class JobSlots:
    """Slots for jobs of any length, and one more for short jobs.

    :param size: number of slots for any job.
    :param short: maximum length of a short job.
    """

    def __init__(self, size: int, short: int) -> None:
        self._short = short
        self._free = size
        self._is_express_free = True
        self._waiting: list[tuple[int, int, asyncio.Future[bool]]] = []
        self._order = count()

    @asynccontextmanager
    async def slot(self, length: int) -> AsyncIterator[None]:
        """Hold a slot until the end of the block."""
        is_express = await self._take(length)
        try:
            yield
        finally:
            self._give(is_express=is_express)

    async def _take(self, length: int) -> bool:
        """Take a slot, and return whether it is the one for short jobs."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (length, next(self._order), future))
        self._assign()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self._give(is_express=future.result())
            raise

    def _give(self, *, is_express: bool) -> None:
        if is_express:
            self._is_express_free = True
        else:
            self._free += 1
        self._assign()

    def _assign(self) -> None:
        """Assign the free slots to waiting jobs, the shortest first."""
        while self._waiting:
            length, _, waiting = self._waiting[0]
            if not waiting.done():
                is_express = self._is_express_free and length <= self._short
                if not is_express and not self._free:
                    return
                self._is_express_free = self._is_express_free and not is_express
                self._free -= not is_express
                waiting.set_result(is_express)
            heapq.heappop(self._waiting)
