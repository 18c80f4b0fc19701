"""Places at work: the shortest job first, and one place that the long ones leave free."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count


class JobSlots:
    """Places for jobs of any length, and one more for short ones.

    :param size: how many are for any.
    :param short: the greatest length of a short job.
    """

    def __init__(self, size: int, short: int) -> None:
        self._short = short
        self._free = size
        self._is_express_free = True
        self._waiting: list[tuple[int, int, asyncio.Future[bool]]] = []
        self._order = count()

    @asynccontextmanager
    async def place(self, length: int) -> AsyncIterator[None]:
        """Hold a place as long as the block lasts."""
        is_express = await self._take(length)
        try:
            yield
        finally:
            self._give(is_express=is_express)

    async def _take(self, length: int) -> bool:
        """Take a place; whether it is the one for short jobs."""
        mine: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (length, next(self._order), mine))
        self._assign()
        try:
            return await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self._give(is_express=mine.result())
            raise

    def _give(self, *, is_express: bool) -> None:
        if is_express:
            self._is_express_free = True
        else:
            self._free += 1
        self._assign()

    def _assign(self) -> None:
        """Give the places that are free to those that wait, the shortest first."""
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
