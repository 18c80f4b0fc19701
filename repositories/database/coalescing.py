"""One query for all requests that need the same answer at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from repositories.database.errors import read_deadline

T = TypeVar("T")


class CoalescedRead(Generic[T]):
    """A read whose result is shared by all callers that called before it started, and by none that called later.

    So each result is at least as new as the call, and only one round trip is under way, however many callers there are.
    The deadline of a read counts from its first caller, so no caller waits longer than the deadline.

    :param read: reads once.
    :param share: the largest share of the time that reading may take; an expensive read pauses before the next one.
    """

    def __init__(self, read: Callable[[], Awaitable[T]], share: float = 1.0) -> None:
        self._read = read
        self._pause_factor = 1 / share - 1
        self._paused_until = 0.0
        self._current: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None
        # The callers of the next read.
        self._waiting: list[asyncio.Future[T]] = []

    def __call__(self) -> asyncio.Future[T]:
        """Return the result of the next read.

        :raises Unavailable: the database is away, or did not answer in time.
        :raises Exception: what `read` raises, for each caller.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._read_after(self._current))
            self._waiting = []
            self._next.add_done_callback(partial(_deliver, self._waiting))
        # A future for each caller: one that is cancelled does not take the result from the others.
        result: asyncio.Future[T] = self._next.get_loop().create_future()
        self._waiting.append(result)
        return result

    async def _read_after(self, before: asyncio.Task[T] | None) -> T:
        clock = asyncio.get_running_loop().time
        async with read_deadline():
            try:
                if before is not None:
                    await asyncio.wait({before})
                if self._paused_until > clock():
                    await asyncio.sleep(self._paused_until - clock())
            finally:
                self._current, self._next = self._next, None
            began = clock()
            try:
                return await self._read()
            finally:
                self._paused_until = clock() + (clock() - began) * self._pause_factor


def _deliver(waiting: list[asyncio.Future[T]], read: asyncio.Task[T]) -> None:
    """Set the outcome of a read in each future. (`asyncio.shield` would need two callbacks and a future for each.)"""
    is_cancelled = read.cancelled()
    # `exception()` is called also when no caller is left: otherwise asyncio logs the failure with a traceback.
    error = None if is_cancelled else read.exception()
    for result in waiting:
        if result.done():
            continue
        if is_cancelled:
            result.cancel()
        elif error is not None:
            result.set_exception(error)
        else:
            result.set_result(read.result())
