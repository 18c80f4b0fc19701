"""One question to the database for all who ask it at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Together(Generic[T]):
    """A question whose answer is shared by those who asked before it was put, and by nobody who came later.

    So each gets an answer that is at least as new as its asking, and however many ask, one round trip is under way.

    :param ask: puts the question.
    """

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._under_way: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """:raises Exception: what asking raises, for each who waits for it."""
        if self._next is None:
            self._next = asyncio.create_task(self._put(self._under_way))
            self._next.add_done_callback(_taken_note_of)
        # Shielded: whoever goes away leaves the others their answer.
        return await asyncio.shield(self._next)

    async def _put(self, before: asyncio.Task[T] | None) -> T:
        if before is not None:
            await asyncio.wait({before})
        self._under_way, self._next = self._next, None
        return await self._ask()


def _taken_note_of(task: asyncio.Task[T]) -> None:
    """A failure that nobody waits for any more is no news: else each of them would be a traceback in the log."""
    if not task.cancelled():
        task.exception()
