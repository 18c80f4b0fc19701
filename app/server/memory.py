"""Return of freed memory to the system.

glibc keeps freed memory in a heap for each thread, also large pieces once one of their size was freed. So the process
would keep the memory of an hour with a thousand clients. With other allocators nothing is done.
"""

import asyncio
import ctypes
import gc
import os
from pathlib import Path
from typing import Final

from repositories.concurrency.supervised_task import SupervisedTask

#: Seconds between two looks.
LOOK_SECONDS: Final = 10.0
#: The growth that justifies a pause of some tens of milliseconds, which the return takes.
WORTH_BYTES: Final = 64 * 2**20
# From malloc.h. Pieces of this size and more are mapped one by one, and returned as soon as they are freed. The
# threads, which mostly wait for the database, share few heaps.
_MMAP_THRESHOLD: Final = (-3, 256 * 1024)
_ARENA_MAX: Final = (-8, 2)
_TAKEN: Final = Path("/proc/self/statm")


def take_little() -> None:
    """Make the allocator keep less freed memory. Call this before the first thread starts."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option in (_MMAP_THRESHOLD, _ARENA_MAX):
            mallopt(*option)


class Memory(SupervisedTask):
    """Returns free memory to the system when the process has grown a lot."""

    def __init__(self) -> None:
        super().__init__("The return of freed memory", self._watch)
        self._least = 0
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def start(self) -> None:
        """Start to watch the process, if the allocator is that of glibc."""
        if self._trim is not None and _TAKEN.exists():
            self._least = taken()
            super().start()

    async def _watch(self) -> None:
        while self._trim is not None:
            await asyncio.sleep(LOOK_SECONDS)
            self._least = min(self._least, taken())
            if taken() > self._least + WORTH_BYTES:
                # Cut connections leave reference cycles, which only the collector frees.
                gc.collect()
                await asyncio.to_thread(self._trim, 0)
                self._least = taken()


def taken() -> int:
    """Return how many bytes the process has in memory."""
    return int(_TAKEN.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
