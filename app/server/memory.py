"""What the process has taken of the system's memory, given back when it is not needed any more.

glibc keeps what was freed: a heap for each thread, and in it also large pieces, once one of their size was freed. What
an hour with a thousand clients took would stay taken. Elsewhere than on glibc nothing is done.
"""

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

#: How often it is looked.
LOOK_SECONDS: Final = 10.0
#: A growth that is worth the pause of some tens of milliseconds that giving back takes.
WORTH_BYTES: Final = 64 * 2**20
# Of malloc.h: pieces from this size on are taken of the system one by one, and given back as soon as they are freed;
# the threads, which mostly wait for the database, share few heaps.
_MMAP_THRESHOLD: Final = (-3, 256 * 1024)
_ARENA_MAX: Final = (-8, 2)
_TAKEN: Final = Path("/proc/self/statm")


def take_little() -> None:
    """Have the allocator keep less of what is freed. To be called before there are threads."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option in (_MMAP_THRESHOLD, _ARENA_MAX):
            mallopt(*option)


class Memory:
    """Gives back what is free whenever the process has grown by much."""

    def __init__(self) -> None:
        self._least = 0
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to watch the process, if the allocator is that of glibc."""
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None and _TAKEN.exists():
            self._least = taken()
            self._watching = asyncio.create_task(self._watch(trim))

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self, trim: Callable[[int], int]) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._least = min(self._least, taken())
            if taken() > self._least + WORTH_BYTES:
                # What connections that were cut have left refers to itself, and stays until the collector comes.
                gc.collect()
                await asyncio.to_thread(trim, 0)
                self._least = taken()


def taken() -> int:
    """Return how many bytes the process has in memory."""
    return int(_TAKEN.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
