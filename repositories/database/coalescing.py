"""One question to the database for all who ask it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Generic, TypeVar

from repositories.database.errors import read_deadline

T = TypeVar("T")


class CoalescedRead(Generic[T]):
    """A question whose answer is shared by those who asked before it was put, and by nobody who came later.

    So each gets an answer that is at least as new as its asking, and however many ask, one round trip is under way. The
    time that a reading may take counts from the first who waited for it, so nobody waits longer than that.

    :param ask: puts the question.
    :param share: how much of the time the asking may take at most; a dear question then rests between two times.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]], share: float = 1.0) -> None:
        self._ask = ask
        self._rest = 1 / share - 1
        self._rests_until = 0.0
        self._under_way: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None
        # Those who wait for the next reading.
        self._waiting: list[asyncio.Future[T]] = []

    def __call__(self) -> asyncio.Future[T]:
        """
        :raises Unavailable: the database is away, or there was no answer in time.
        :raises Exception: what asking raises besides, for each who waits for it.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._put(self._under_way))
            self._waiting = []
            self._next.add_done_callback(partial(_tell, self._waiting))
        # A future for each: whoever goes away leaves the others their answer.
        answer: asyncio.Future[T] = self._next.get_loop().create_future()
        self._waiting.append(answer)
        return answer

    async def _put(self, before: asyncio.Task[T] | None) -> T:
        clock = asyncio.get_running_loop().time
        async with read_deadline():
            try:
                if before is not None:
                    await asyncio.wait({before})
                if self._rests_until > clock():
                    await asyncio.sleep(self._rests_until - clock())
            finally:
                self._under_way, self._next = self._next, None
            began = clock()
            try:
                return await self._ask()
            finally:
                self._rests_until = clock() + (clock() - began) * self._rest


def _tell(waiting: list[asyncio.Future[T]], reading: asyncio.Task[T]) -> None:
    """Passes on what came of a reading. (`asyncio.shield` would too, with two callbacks and a future for each.)"""
    is_cancelled = reading.cancelled()
    # A failure that nobody waits for any more is taken note of here too: else it would be a traceback in the log.
    error = None if is_cancelled else reading.exception()
    for answer in waiting:
        if answer.done():
            continue
        if is_cancelled:
            answer.cancel()
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(reading.result())
