"""Work on many rows in a thread, so that sales do not wait for it."""

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

#: From this many rows on, the work takes longer than a change of threads.
OFFLOAD_ROWS: Final = 500

P = ParamSpec("P")
T = TypeVar("T")


async def offload(rows: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of `work`, which runs in a thread if it processes many rows."""
    if rows < OFFLOAD_ROWS:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
