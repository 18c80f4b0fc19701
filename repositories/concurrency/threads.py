"""Work on many rows, done in a thread: those who sell do not wait for it."""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

#: From so many rows on it takes longer than a change of threads.
OFFLOAD_ROWS: Final = 500

P = ParamSpec("P")
T = TypeVar("T")


async def offload(rows: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what the work returns, done in a thread where it is about many rows.

    :param rows: how many it is about.
    """
    if rows < OFFLOAD_ROWS:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
