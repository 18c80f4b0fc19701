"""One at a time, on this machine: processes that sell for the same store take turns instead of colliding.

It is a courtesy, not a guard. Transactions of two processes that meet at the store's counters cost both a try; taking
turns costs nothing. Whoever does not get a turn soon goes ahead without one: the counters decide, as between machines.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LONGEST_WAIT: Final = 0.25
_NEXT_LOOK: Final = 0.002


class Lane:
    """A lane that only one thread of one process is in at a time.

    :param name: of what is shared, the same in all the processes.
    """

    def __init__(self, name: str) -> None:
        digest = hashlib.sha256(name.encode()).hexdigest()[:16]
        path = Path(tempfile.gettempdir(), f"pos-{os.getuid()}-{digest}.lane")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits for a turn, but not for long. Blocking: for a thread that has nothing else to do."""
        give_up = time.monotonic() + _LONGEST_WAIT
        while not (is_ours := self._take()) and time.monotonic() < give_up:
            time.sleep(_NEXT_LOOK)
        try:
            yield
        finally:
            if is_ours:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._file)

    def _take(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
